"""Layers and policies as a run builds them, and a stand-in that notes what it is sent."""

import torch
from xbar_devices import gen
from xbar_mappings import layer_on

from crossbar.experiment import builder
from crossbar.experiment.config import Training
from crossbar.mappings import MAPPINGS
from crossbar.synapses.policies import POLICIES

SHAPE = (30, 20)  # weights


def layer_of(model, *, sign=1, x=0.5, mapping="one_sided", seed=0):
    """A layer of one sign whose active devices all stand at a fraction `x` of the window."""
    made = MAPPINGS[mapping](
        torch.full(SHAPE[:1], sign, dtype=torch.int8), SHAPE[1], model.window_siemens,
        model.g_min_siemens, model.g_max_siemens,
    )  # fmt: skip
    layer = layer_on(model, made, seed=seed)
    layer.board.restore(
        layer.board.state._replace(g=made.targets(torch.full(SHAPE, (sign or 1) * x)))
    )
    return layer


def policy_of(name, layer, **options):
    """The policy as a run builds it."""
    config = Training(policy=POLICIES[name].Options(**options))
    return builder.policy(config, config.policy, layer, 0)


def known_of(layer):
    """The layer, read without noise."""
    return layer.estimate(layer.board.state.g)


def wanted_changes(layer, sizes, seed=1):
    """Normal changes of `sizes` mean steps, of both signs."""
    return sizes * known_of(layer).up.step * torch.randn(SHAPE, generator=gen(seed))


def step_of(known, wanted):
    """The step of each weight in its wanted direction."""
    return torch.where(wanted > 0, known.up.step, known.down.step)


class PulseRecorder:
    """Stands in a layer's place: notes the pulses and sends none, so that nothing saturates."""

    def __init__(self, layer):
        self.board, self.mapping, self.pulses = layer.board, layer.mapping, []
        self.known = known_of(layer)

    def pulse(self, pulses, known):
        self.pulses.append(pulses.clone())

    def give(self, sent):
        counts, up, down = sent.array(self.board.info.shape), self.known.up, self.known.down
        rise, fall = (way.polarity * counts.view(-1)[way.device.long()] for way in (up, down))
        self.pulses.append(torch.where(up.device == down.device, rise, rise - fall))


def sent(name, layer, wanted, *, repeats, **settings):
    """Pulses per weight of each of many equal updates, (repeats, rows, outputs)."""
    told, policy, known, numbers = (
        PulseRecorder(layer),
        policy_of(name, layer, **settings),
        known_of(layer),
        gen(2),
    )
    before = known.weights.clone()
    for _ in range(repeats):
        policy.update(told, wanted, known, generator=numbers)
        known.weights.copy_(before)  # nothing was sent
    return torch.stack(told.pulses)
