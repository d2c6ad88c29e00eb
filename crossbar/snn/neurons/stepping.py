"""Neurons through time in plain torch, and the surrogate derivative of a spike."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from .protocol import Numbers, is_prompt, trained_numbers

State = tuple[Tensor, ...]  # the first takes in what a step drives
TakeIn = Callable[[Tensor, Tensor], Tensor]
Drive = Callable[[Tensor], Tensor]  # what lines (B, steps, rows) drive, (B, steps, outputs)
Reset = Callable[[Tensor], Tensor]  # spikes of a step -> what resets each neuron, (B, neurons)


class Spike(torch.autograd.Function):
    """H(V - threshold), with the derivative 1 / (scale |V - threshold| + 1)^2."""

    @staticmethod
    def forward(ctx: Any, membrane: Tensor, threshold: float, scale: float) -> Tensor:
        """Spikes."""
        ctx.save_for_backward(membrane)
        ctx.threshold, ctx.scale = threshold, scale
        return (membrane > threshold).to(membrane.dtype)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None, None]:
        """Through the surrogate."""
        (membrane,) = ctx.saved_tensors
        return grads[0] / (ctx.scale * (membrane - ctx.threshold).abs() + 1.0) ** 2, None, None


def fire(membrane: Tensor, threshold: float, scale: float) -> Tensor:
    """Spikes of one step, with the surrogate of `Spike`."""
    spikes: Tensor = Spike.apply(membrane, threshold, scale)  # type: ignore[no-untyped-call]
    return spikes


class SteadySpike(torch.autograd.Function):
    """H(x), with the derivative 1 - tanh(x)^2."""

    @staticmethod
    def forward(ctx: Any, above: Tensor) -> Tensor:
        """Spikes."""
        ctx.save_for_backward(above)
        return (above > 0.0).to(above.dtype)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Tensor:
        """Through the surrogate."""
        (above,) = ctx.saved_tensors
        error: Tensor = grads[0] * (1.0 - above.tanh() ** 2)
        return error


def fire_steadily(above: Tensor) -> Tensor:
    """Spikes of one step of neurons so far above the threshold, with that surrogate."""
    spikes: Tensor = SteadySpike.apply(above)  # type: ignore[no-untyped-call]
    return spikes


class DampenedSpike(torch.autograd.Function):
    """H(x), with the derivative dampening max(0, 1 - |x|)."""

    @staticmethod
    def forward(ctx: Any, above: Tensor, dampening: float) -> Tensor:
        """Spikes."""
        ctx.save_for_backward(above)
        ctx.dampening = dampening
        return (above > 0.0).to(above.dtype)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None]:
        """Through the surrogate."""
        (above,) = ctx.saved_tensors
        return grads[0] * ctx.dampening * (1.0 - above.abs()).clamp(min=0.0), None


def fire_dampened(above: Tensor, dampening: float) -> Tensor:
    """Spikes of one step of neurons so far above the threshold, with that surrogate."""
    spikes: Tensor = DampenedSpike.apply(above, dampening)  # type: ignore[no-untyped-call]
    return spikes


def integrating(keep: float, ceiling: float) -> TakeIn:
    """How integrators of `crossbar.array.periphery.Neurons` take in what a step draws.

    The derivative is that of a sum.
    """

    def take_in(decayed: Tensor, drive: Tensor) -> Tensor:
        ideal = decayed + drive
        real = (keep * decayed + drive).clamp(-ceiling, ceiling)
        return ideal + (real - ideal).detach()

    return take_in


def with_trained(numbers: Any, trained: Tensor | None) -> Any:
    """Numbers of neurons with those that are trained, (numbers, neurons), in their places."""
    names = trained_numbers(type(numbers))
    if trained is None or not names:
        return numbers
    return numbers._replace(**dict(zip(names, trained, strict=True)))


def run_steps(
    numbers: Numbers,
    outputs: int,
    incoming: Tensor,
    take_in: TakeIn,
    drive: Drive | None = None,
    reset: Reset | None = None,
) -> tuple[Tensor | None, Tensor]:
    """Neurons through all steps.

    Args:
        numbers: Of the neurons.
        outputs: How many there are.
        incoming: What each step drives, (B, T, neurons); with `drive`, the lines that come in.
        take_in: Makes the current of the decayed one and what a step drives.
        drive: Of a layer that drives itself: what lines, its own spikes behind them, drive.
        reset: What resets the neurons; None: each its own spike.

    Returns:
        Spikes (B, T, neurons), or None; and what was recorded: (B, T, neurons) of neurons that
        spike, (B, T + 1, neurons) of others, whose last membrane counts too.
    """
    state = numbers.begin(incoming.new_zeros(len(incoming), outputs))
    spikes, membranes = [], []
    prompt = is_prompt(type(numbers))
    for step in incoming.unbind(1):  # slicing step by step makes the backward pass O(T^2)
        if prompt:
            state = (take_in(state[0], step), *state[1:])
        membrane = numbers.recorded(state)
        spike = numbers.fire(membrane)
        resets = spike if reset is None or spike is None else reset(spike)
        decayed = numbers.decay(state, resets)
        driven = step
        if drive is not None and spike is not None:
            driven = drive(torch.cat((step, spike), 1)[:, None])[:, 0]
        state = decayed if prompt else (take_in(decayed[0], driven), *decayed[1:])
        membranes.append(membrane)
        if spike is not None:
            spikes.append(spike)
    if spikes:
        return torch.stack(spikes, 1), torch.stack(membranes, 1)
    return None, torch.stack([*membranes, numbers.recorded(state)], 1)
