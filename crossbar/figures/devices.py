"""What a device model does: its response to pulses, its expected steps, its read noise."""

import math

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from device_models.model import DeviceModel
from device_models.registry import name_of
from device_models.streams import torch_stream
from device_models.units import KILOHMS, MICROSIEMENS

from . import style

DEVICES = 30
PULSES = 150  # drawn in each direction
CROSSING = 100  # drawn pulses that should carry a median device through its window
MOST_UNITS = 20  # real pulses one drawn pulse may stand for: bounds the time of a weak device
_POINTS = 400


def pulse_response(model: DeviceModel, *, seed: int) -> Figure:
    """Simulated devices under SET and RESET pulses, with what the model expects of them.

    Left: `DEVICES` devices get `PULSES` SET and then as many RESET pulses from their lowest state.
    Right: the expected step at each conductance, and the relative spread of one read at each
    resistance.

    Args:
        model: The device.
        seed: Source of the devices and of their pulses.
    """
    about = f"{name_of(model)} (parameters: {model.status})"
    figure = style.sheet(10.0, 4.8, about)
    response, steps, reads = figure.subplot_mosaic(
        [["response", "steps"], ["response", "reads"]], width_ratios=(1.55, 1)
    ).values()
    _draw_response(response, model, seed)
    _draw_steps(steps, model)
    _draw_reads(reads, model)
    return figure


def units_per_pulse(model: DeviceModel) -> int:
    """The count that moves a device so far that `CROSSING` of them cross the window.

    At least 1; at most `MOST_UNITS` if the board sends a pulse for each unit of a count.
    """
    g = torch.from_numpy(_grid(model))
    step = model.step_siemens(g, torch.ones_like(g)).double()
    crossing = float((model.window_siemens / step).mean())
    most = 2**62 if model.count_is_width else MOST_UNITS
    return int(min(max(round(crossing / CROSSING), 1), most)) if math.isfinite(crossing) else most


def simulate(model: DeviceModel, *, seed: int) -> np.ndarray:
    """Conductances after each drawn pulse, siemens, (2 * PULSES + 1, DEVICES)."""
    state = model.manufacture((1, DEVICES), generator=torch_stream("figure devices", seed))
    pulsed = torch_stream("figure pulses", seed)
    selected = torch.ones((1, DEVICES), dtype=torch.bool)
    units = units_per_pulse(model)
    traces = [state.g]
    for count in [units] * PULSES + [-units] * PULSES:
        counts = torch.full((1, DEVICES), count, dtype=torch.int64)
        state = model.program(state, counts, selected, generator=pulsed).state
        traces.append(state.g)
    return torch.cat(traces).double().numpy()


def _draw_response(axes: Axes, model: DeviceModel, seed: int) -> None:
    """Every device, the band of most of them, and their mean."""
    traces = simulate(model, seed=seed) * 1e6
    units = units_per_pulse(model)
    each = 1 if model.count_is_width else units
    number = np.arange(len(traces)) * each
    low, high = np.percentile(traces, (5, 95), axis=1)
    axes.fill_between(number, low, high, color=style.FAINT, alpha=0.45, lw=0)
    axes.plot(number, traces, color=style.QUIET, lw=style.HAIR_POINTS, alpha=0.55)
    phases = (("SET", style.SET, 0), ("RESET", style.RESET, PULSES))
    for name, colour, first in phases:
        part = slice(first, first + PULSES + 1)
        axes.plot(number[part], traces[part].mean(1), color=colour, lw=2.4, label=name)
        x = (first + PULSES / 2) / (2 * PULSES)
        style.write(axes, x, 0.99, f"{PULSES * each:,} {name} pulses", colour, to="top center")
    axes.axvline(PULSES * each, color=style.FAINT, lw=1.0, zorder=0)
    top = model.g_max_siemens * 1e6
    axes.set(xlim=(0, 2 * PULSES * each), ylim=(-0.03 * top, 1.12 * top))
    meaning = f" (1 pulse = {units:,} units)" if units > each else ""
    title = f"{DEVICES} simulated devices, mean, 5-95 % band"
    y = f"conductance ({MICROSIEMENS})"
    style.dress(axes, x=f"pulse number{meaning}", y=y, title=title)


def _draw_steps(axes: Axes, model: DeviceModel) -> None:
    """Expected SET and RESET step against the conductance."""
    g = torch.from_numpy(_grid(model))
    units = units_per_pulse(model) if model.count_is_width else 1
    ups, downs = (
        model.mean_siemens(g, torch.full_like(g, sign)).double().numpy() * units * 1e6
        for sign in (1.0, -1.0)
    )
    axes.plot(g.numpy() * 1e6, ups, color=style.SET, lw=style.LINE_POINTS, label="SET")
    same = bool((np.abs(ups - downs) <= 1e-6 * ups).all())
    dashes = (0, (4, 4)) if same else "-"
    axes.plot(
        g.numpy() * 1e6, downs, color=style.RESET, lw=style.LINE_POINTS, ls=dashes, label="RESET"
    )
    axes.set_ylim(1.25 * min(ups.min(), downs.min(), 0.0), 1.25 * max(ups.max(), downs.max()))
    labels = [style.EndLabel(float(downs[-1]), "RESET", style.RESET)]
    labels.append(style.EndLabel(float(ups[-1]), "SET", style.SET))
    style.name_lines(axes, labels, least_gap=0.13)
    unit = MICROSIEMENS
    style.dress(
        axes, x=f"conductance ({unit})", y=f"step ({unit} per pulse)", title="Expected step"
    )


def _draw_reads(axes: Axes, model: DeviceModel) -> None:
    """Relative spread of one read against the resistance."""
    highest = 1.0 / model.g_min_siemens if model.g_min_siemens > 0.0 else 1e3 / model.g_max_siemens
    ohms = np.geomspace(1.0 / model.g_max_siemens, highest, _POINTS)
    axes.set(xscale="log", xlim=(ohms[0] / 1e3, ohms[-1] / 1e3))
    style.plain_ticks(axes.xaxis)
    g = torch.from_numpy(1.0 / ohms)
    sigma = model.read_sigma_siemens(g)
    if sigma is None:
        axes.set_ylim(0.0, 1.0)
        axes.set_yticks([])
        style.write(axes, 0.5, 0.5, "no read noise", style.QUIET, to="center center")
    else:
        axes.set_yscale("log")
        style.plain_ticks(axes.yaxis)
        percent = (sigma / g).double().numpy() * 100.0
        axes.plot(ohms / 1e3, percent, color=style.INK, lw=style.LINE_POINTS, label="read noise")
    style.dress(
        axes, x=f"resistance ({KILOHMS})", y="read spread (%)", title="Read noise (1 sigma)"
    )


def _grid(model: DeviceModel) -> np.ndarray:
    """Conductances across the window, siemens."""
    return np.linspace(model.g_min_siemens, model.g_max_siemens, _POINTS)
