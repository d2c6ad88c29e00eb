"""What a kind of layer brings as kernels: stubs, picked by the type of its numbers."""

from typing import Any

from .dispatch import implements_where


def forward(
    topology: Any, kind: Any, lines: Any, bin_count: Any, layer: Any, c: Any, start: Any, keys: Any,
    stats: Any,
) -> Any:  # fmt: skip
    """All steps of one sample; returns the number of spikes, which stand in the trace.

    Args:
        topology: Its numbers.
        kind: `LayerKind`: its neurons and its front end.
        lines: `EventSlice` that comes in.
        found: How many time bins they fill; `layer.bins`.
        layer: `LayerArrays`, pointers. Its trace is overwritten from `start` on.
        c: `Constants`.
        start: Step of the first event of the sample; 0 where neurons may spike before it.
        keys: Noise keys of reads and of conversions.
        stats: Counters, added to.
    """
    raise NotImplementedError


def backward(
    topology: Any, kind: Any, injected: Any, is_given: Any, lines: Any, bin_count: Any, count: Any,
    layer: Any, c: Any, start: Any, last: Any,
) -> Any:  # fmt: skip
    """The gradient of its weights; the derivatives by its drive come in the place of membranes.

    Args:
        topology, kind, lines, found, layer, c: See `forward`.
        injected: What the output layer injects into this one; None where it injects nothing.
        is_given: Whether the errors stand in the trace; always, unless it takes injected ones.
        count: Spikes that it sent.
        start, last: Steps where the sweep ends and begins.
    """
    raise NotImplementedError


def sweep_together(topology: Any, kind: Any, company: Any, c: Any) -> Any:
    """What several samples do at once before `backward` of each of them.

    So do layers whose numbers say `TOGETHER = True`; the others do nothing.

    Args:
        topology, kind, c: See `forward`.
        company: `Company`.
    """
    raise NotImplementedError


@implements_where(sweep_together, lambda numbers: not getattr(numbers, "TOGETHER", False))
def _sweep_alone(topology, kind, company, c):
    pass


def carry(topology: Any, layer: Any, below: Any, c: Any, start: Any, last: Any, hold: Any) -> Any:
    """The errors of the spikes before it, after `backward`.

    Args:
        topology, layer, c: See `forward`.
        below: `LayerTrace` of the layer before; its errors of these steps are overwritten.
        start, last: Steps where the sweep ends and begins.
        hold: `backward.spike_count_penalty` of the layer before, added in every step of the input.
    """
    raise NotImplementedError
