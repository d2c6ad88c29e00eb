"""Layers and policies as a run builds them, and a stand-in that notes what it is sent."""

import torch
from xbar_devices import gen
from xbar_mappings import layer_on

from crossbar.array.tile import Tiling
from crossbar.boards.simulated import SimulatedBoard
from crossbar.mappings import MAPPINGS
from crossbar.synapses.policies import POLICIES

SHAPE = (30, 20)  # weights


def layer_of(model, *, sign=1, x=0.5, mapping="one_sided", seed=0, shape=SHAPE):
    """A layer of one sign whose active devices all stand at a fraction `x` of the window."""
    made = MAPPINGS[mapping](
        torch.full(shape[:1], sign, dtype=torch.int8), shape[1], model.window_siemens,
        model.g_min_siemens, model.g_max_siemens,
    )  # fmt: skip
    layer = layer_on(model, made, seed=seed)
    layer.board.restore(
        layer.board.state._replace(g=made.targets(torch.full(shape, (sign or 1) * x)))
    )
    return layer


def policy_of(name, layer, **options):
    """The policy as a run builds it."""

    def array():
        every = torch.ones(layer.mapping.shape, dtype=torch.bool)
        return SimulatedBoard(
            layer.sheet, Tiling(*every.shape, 128, 128), every, v_read_volts=0.2,
            t_read_seconds=1e-7, seed=0, index=2,
        )  # fmt: skip

    return POLICIES[name].build(layer, POLICIES[name].Options(**options), array)


def estimate_of(layer):
    """The layer, read without noise."""
    return layer.estimate(layer.board.state.g)


def update(policy, layer, wanted, estimate, generator=None):
    """One update, its pulses sent as a trainer sends them."""
    pulses = policy.update(wanted, estimate, generator=gen() if generator is None else generator)
    if pulses is not None:
        layer.board.pulse(pulses)


def wanted_changes(layer, sizes, seed=1):
    """Normal changes of `sizes` mean steps, of both signs."""
    return sizes * estimate_of(layer).up.step * torch.randn(SHAPE, generator=gen(seed))


def step_of(estimate, wanted):
    """The step of each weight in its wanted direction."""
    return torch.where(wanted > 0, estimate.up.step, estimate.down.step)


def pulses_of(policy, layer, changes, estimate, generator):
    """Signed pulses per weight of some updates, (updates, rows, outputs); none is sent.

    The estimate goes back after each, so that nothing saturates.
    """
    pulses, weights = [], estimate.weights.clone()
    for wanted in changes:
        batch = policy.update(wanted, estimate, generator=generator)
        pulses.append(torch.zeros(SHAPE) if batch is None else of_weights(batch, layer, estimate))
        estimate.weights.copy_(weights)
    return torch.stack(pulses)


def of_weights(batch, layer, estimate):
    """A batch as signed pulses per weight, up where positive."""
    counts, up, down = batch.array(layer.board.info.shape).view(-1), estimate.up, estimate.down
    rise, fall = (way.polarity * counts[way.device.long()] for way in (up, down))
    return torch.where(up.device == down.device, rise, rise - fall)


def sent(name, layer, wanted, *, repeats, **settings):
    """Pulses per weight of each of many equal updates, (repeats, rows, outputs)."""
    policy, estimate = policy_of(name, layer, **settings), estimate_of(layer)
    return pulses_of(policy, layer, [wanted] * repeats, estimate, gen(2))
