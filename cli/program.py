"""`xbar program`: write a trained network into an emulated chip by write-verify, and let it age."""

import json as json_text
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from device_models.errors import ConfigError, consequence
from device_models.schema import override

from .text import echo, si

UNITS = {"s": 1.0, "min": 60.0, "h": 3600.0, "d": 86_400.0, "y": 31_557_600.0}
MOST_KELVIN = 2000.0
BAKED_KELVIN = 293.15, 533.15  # of the bakes that the shipped oxide is fitted to
LOOP = ("tolerance", "confirm", "max_pulses", "passes", "relax_seconds")


@click.command()
@click.argument("source", metavar="RUN|WEIGHTS.npz|GRAPH.nir")
@click.option("--device", metavar="FILE", help="Device or preset.  [default: RUN's, or oxram.yaml]")
@click.option("--config", metavar="FILE", help="Settings of the chip, as of xbar train.")
@click.option("--algorithm", metavar="NAME", help="How it is written.  [default: write_verify]")
@click.option("--tolerance", metavar="X", help="Half the band, share of the window [default: 0.01]")
@click.option("--confirm", metavar="N", help="Reads in the band that accept.  [default: 2]")
@click.option("--max-pulses", metavar="N", help="Of a device and pass.  [default: window twice]")
@click.option("--passes", metavar="N", help="Outer passes.  [default: 2]")
@click.option("--relax-seconds", metavar="S", help="Device time between them.  [default: 1]")
@click.option("--retention", default="1s,1h,1d,10y", show_default=True, metavar="TIMES",
              help="Device times after which the chip is tested again; "
                   "s, min, h, d or y; none.")  # fmt: skip
@click.option("--temperature", metavar="T", help="Of the chip meanwhile, such as 85C or 358K.  "
                                                  "[default: the device's]")  # fmt: skip
@click.option("--retune-epochs", metavar="N", help="Then train the readout by pulses [default: 0]")
@click.option("--seed", metavar="N", help="Of the first chip.  [default: 0]")
@click.option("--seeds", metavar="N", help="How many chips.  [default: 3]")
@click.option("--out", metavar="DIR", help="Folder.  [default: runs/program_DEVICE_seedN]")
@click.option("--data-dir", metavar="DIR", help="Folder of the Fashion-MNIST files.")
@click.option("--threads", type=click.IntRange(1), help="Default: one per processor.")
@click.option("--json", "as_json", is_flag=True, help="Print the summary as JSON.")
def program(
    source: str,
    device: str | None,
    config: str | None,
    retention: str,
    temperature: str | None,
    out: str | None,
    data_dir: str | None,
    threads: int | None,
    as_json: bool,
    **typed: str | None,
) -> None:
    """Write a trained network into new emulated chips: pulses and noisy reads in a closed loop.

    The network is that of a RUN or of a graph of NIR, or arrays of an npz file: weights w0, w1, ...
    (rows, columns), and where it has them bias0, ... (columns,) of digital biases and threshold0,
    ... (neurons,) of trained thresholds, numbered as the weights of their layer. Pulses write the
    weights, the other numbers are copied. Prints what writing took, and the accuracy right after
    and as the chips age. Every chip is kept as a run that xbar train --resume goes on to train.

    \b
    Examples:
      xbar program runs/ideal_80-20_seed0 --device oxram.yaml
      xbar program weights.npz --device my.yaml --tolerance 0.02 --seeds 5
      xbar program runs/ideal_80-20_seed0 --device oxram.yaml --retention 1d,10y --retune-epochs 1
      xbar program runs/ideal_80-20_seed0 --device my.yaml --retention 10y --temperature 85C
    """
    given = {n: (text, "--" + n.replace("_", "-")) for n, text in typed.items() if text is not None}
    from crossbar.api.programming import Programming
    from crossbar.api.programming import program as program_chips
    from crossbar.boards.write_verify import WriteVerify
    from crossbar.experiment.imports import load_training

    with consequence("nothing was written"):
        kelvin = None if temperature is None else kelvin_of(temperature)
        if kelvin is not None and (note := extrapolation(kelvin)):
            echo(f"note: {temperature} {note}", err=True)
        summary = program_chips(
            source,
            config=load_training(Path(config)) if config else None,
            device=device,
            settings=override(Programming(), {n: t for n, t in given.items() if n not in LOOP}),
            loop=override(WriteVerify(), {n: t for n, t in given.items() if n in LOOP}),
            retention=times_of(retention),
            temperature_kelvin=kelvin,
            out=out,
            threads=threads,
            data_dir=data_dir,
            notice=lambda line: echo(line, err=True),
        )
    echo(json_text.dumps(summary, indent=2) if as_json else page(summary))


def times_of(text: str) -> list[float]:
    """`1s,1h,1d,10y` in seconds, rising; `none` for none.

    Raises:
        ConfigError: That is no list of times.
    """
    times = []
    for part in () if text.strip() == "none" else text.split(","):
        match = re.fullmatch(r"\s*([0-9]+\.?[0-9]*)\s*(s|min|h|d|y)\s*", part)
        if not match or not 0.0 < float(match[1]) * UNITS[match[2]] <= 1e12:
            raise ConfigError(
                "--retention takes times such as 1s,1h,1d,10y (s, min, h, d or y) or none, not "
                f"{part!r}"
            )
        times.append(float(match[1]) * UNITS[match[2]])
    return sorted(set(times))


def kelvin_of(text: str) -> float:
    """`85C` or `358.15K` in kelvin.

    Raises:
        ConfigError: That is no temperature, does not say its unit, or is not above 0 K.
    """
    match = re.fullmatch(r"\s*([+-]?[0-9]+\.?[0-9]*)\s*\u00b0?([CK]?)\s*", text)
    if not match:
        raise ConfigError(f"--temperature takes one such as 85C or 358K, not {text!r}")
    if not match[2]:
        raise ConfigError(
            f"--temperature {match[1]} does not say its unit: give {match[1]}C or {match[1]}K"
        )
    kelvin = float(match[1]) + (273.15 if match[2] == "C" else 0.0)
    if not 0.0 < kelvin <= MOST_KELVIN:
        side = "is not above 0 K" if kelvin <= 0.0 else f"is above {MOST_KELVIN:g} K"
        raise ConfigError(f"--temperature {text.strip()} {side}")
    return kelvin


def extrapolation(kelvin: float) -> str:
    """What is to be said of a temperature at which no oxide cells were baked; else nothing."""
    if BAKED_KELVIN[0] <= kelvin <= BAKED_KELVIN[1]:
        return ""
    low, high = (k - 273.15 for k in BAKED_KELVIN)
    measured = f"{low:.0f} to {high:.0f} C, where the relaxation of oxide cells was measured"
    return f"lies outside {measured}: its activation energy is extrapolated"


def page(summary: Mapping[str, Any]) -> str:
    """What a person reads: the first chip by layer, the accuracy of all chips."""
    from crossbar.figures.program import age

    chip, chips = summary["chips"][0], summary["chips"]
    tolerance = summary["settings"]["tolerance"]
    lines = [f"{'':<10}{'pulses a cell':>14}{'reads':>8}{f'in +-{tolerance:.3g}':>12}"
             f"{'in +-0.05':>11}{'write':>10}{'verify':>10}{'time':>10}"]  # fmt: skip
    named = [(f"layer {i}", report) for i, report in enumerate(chip["layers"])]
    lines += [row(name, report) for name, report in [*named, ("all", chip["all"])]]
    lines.append(f"chip of seed {chip['seed']}; time: one word line at a time, without the waits")
    most = chip["all"]["pulses_per_device"]
    lines.append(
        f"{'pulses of a cell':<24}{most['median']:.0f} median, {most['percentile_95']:.0f} 95th, "
        f"{most['percentile_99_9']:.0f} 99.9th percentile, {most['max']:.0f} most"
    )
    if summary["unreadable_siemens"]:
        low, high = (si(g, "S") for g in summary["unreadable_siemens"])
        lines.append(f"{'read noise too large':<24}for this band from {low} to {high}")
    lines.append(f"{'accuracy':<24}{summary['source_accuracy']:.2%} of the weights, read exactly")
    tested = [("right after", summary["programmed_accuracy"])]
    times = zip(summary["retention_seconds"], summary["retention_accuracy"], strict=True)
    kelvin = summary["temperature_kelvin"]
    at = "" if kelvin is None else f" at {kelvin - 273.15:.4g} C"
    tested += [(f"after {age(seconds)}{at}", accuracy) for seconds, accuracy in times]
    if "retuned_accuracy" in summary:
        tested.append(("readout trained again", summary["retuned_accuracy"]))
    for name, report in tested:
        half = report["half_of_95_percent_interval"]
        lost = 100.0 * (summary["source_accuracy"] - report["mean"])
        spread = f" +/- {half:.2%} of {len(chips)} chips" if len(chips) > 1 else ""
        lines.append(f"{'  ' + name + ' ':<24}{report['mean']:.2%}{spread}, {lost:.2f} points lost")
    return "\n".join([*lines, f"{'folder':<24}{summary['folder']}"])


def row(name: str, report: Mapping[str, Any]) -> str:
    """One line of the table."""
    energy, seconds = report["energy_joules"], report["seconds"]["one_word_line_at_a_time"]
    return (
        f"{name:<10}{report['pulses_per_device']['mean']:>14.2f}"
        f"{report['reads_per_device']['mean']:>8.2f}{report['accepted_share']:>12.2%}"
        f"{report['true_within_band_share']:>11.2%}{si(energy['write'], 'J'):>10}"
        f"{si(energy['verify'], 'J'):>10}{si(seconds, 's'):>10}"
    )
