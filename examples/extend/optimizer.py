"""An optimizer of one's own: wanted = -rate sign(gradient), so that every weight moves alike.

Source: M. Riedmiller and H. Braun, ICNN 1993 (Rprop), without its adaptive steps.
"""

from dataclasses import dataclass

import torch

from crossbar.synapses.optimizers import OPTIMIZERS, Optimizer, Rates


class SignDescent(Optimizer):
    @dataclass(frozen=True, kw_only=True)
    class Options(Rates):
        default_rate = 2e-3

    bytes_per_weight = 0

    def begin(self, shape):
        pass

    def wanted(self, gradient, rate):
        return torch.from_numpy(gradient).sign_().mul_(-rate)

    def state(self):
        return {}

    def restore(self, state):
        pass


OPTIMIZERS["sign_descent"] = SignDescent

if __name__ == "__main__":
    from dataset import train

    train(optimizer="sign_descent")
