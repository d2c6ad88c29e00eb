"""`xbar devices`: list the devices that ship, or show one with its sources and its picture."""

import json as json_text
import textwrap
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from device_models.describe import describe
from device_models.errors import ConfigError, consequence
from device_models.overrides import override
from device_models.record import Record, printed, quantity

from .aihwkit import convert
from .text import echo, si

if TYPE_CHECKING:
    from device_models.homes import Headline
    from device_models.model import DeviceModel

WIDTH = 100
NO_SOURCE = "no source given"


@dataclass(frozen=True, kw_only=True)
class Drawing(Record):
    """Settings of the picture."""

    seed: int = quantity("", 0, 2**63 - 1, default=0)


@click.command()
@click.argument("file", required=False)
@click.option("--out", metavar="FILE.png", help="The picture.  [default: DEVICE.png, here]")
@click.option("--no-figure", is_flag=True, help="Draw nothing.")
@click.option("--seed", metavar="N", help="Seed of the simulated devices.  [default: 0]")
@click.option("--json", "as_json", is_flag=True, help="Print JSON, in SI units.")
@click.option("--from-aihwkit", metavar="CONFIG.json", help="Write a device of aihwkit as FILE.")
@click.option(
    "--window", metavar="LOW:HIGH", help="Siemens of its mean bounds.  [default: 1e-6:1e-4]"
)
@click.option("--without", metavar="KEYS", help="Leave out what has no law: write_noise_std,...")
def devices(
    file: str | None,
    out: str | None,
    no_figure: bool,
    seed: str | None,
    as_json: bool,
    from_aihwkit: str | None,
    window: str | None,
    without: str | None,
) -> None:
    """List the devices that ship with xbar, or show one.

    FILE is a preset or a device file of your own. Every parameter is printed with its unit, its
    range and its source; a picture shows 30 simulated devices under SET and RESET pulses, the
    expected step and the read noise.

    --from-aihwkit writes FILE instead, a device file with what the configuration says of bounds,
    steps and their spreads; voltages and read noise are those of oxram.yaml.

    \b
    Examples:
      xbar devices
      xbar devices oxram.yaml
      xbar devices my_device.yaml --out figures/my_device.png --seed 3
      xbar devices oxram.yaml --no-figure --json
      xbar devices gong.yaml --from-aihwkit rerames.json --without write_noise_std
    """
    if from_aihwkit is not None:
        refuse_options(out=out, seed=seed, no_figure=no_figure, of="no --from-aihwkit")
        echo(convert(from_aihwkit, file, window, without, as_json=as_json))
        return
    if window is not None or without is not None:
        raise ConfigError("--window and --without need --from-aihwkit; nothing was drawn")
    if file is None:
        refuse_options(out=out, seed=seed, no_figure=no_figure)
        echo(as_text(listed()) if as_json else table(listed()))
        return
    device, figure = show(file, out, seed, no_figure=no_figure)
    echo(as_text(device | {"figure": figure}) if as_json else page(device))
    if figure:
        echo(f"figure: {figure}", err=True)


def refuse_options(
    *, out: str | None, seed: str | None, no_figure: bool, of: str = "a device"
) -> None:
    """Options that need a device, given without one, are a mistake worth saying."""
    given = {"--out": out is not None, "--seed": seed is not None, "--no-figure": no_figure}
    names = [name for name, is_given in given.items() if is_given]
    if names:
        example = "xbar devices oxram.yaml"
        raise ConfigError(f"{names[0]} needs {of}, as in {example}; nothing was drawn")


def show(
    file: str, out: str | None, seed: str | None, *, no_figure: bool
) -> tuple[dict[str, Any], str | None]:
    """Load one device and draw it before anything is printed: what it is, where the picture is."""
    from device_models.presets import load_device

    if no_figure and out is not None:
        raise ConfigError("--out and --no-figure exclude each other; nothing was drawn")
    with consequence("nothing was drawn"):
        typed = {} if seed is None else {"seed": (seed, "--seed")}
        drawing = override(Drawing(), typed)
        model = load_device(file)
    target = None if no_figure else (f"{bare_name(file)}.png" if out is None else out)
    if target is not None:
        draw(model, target, drawing.seed)
    return summary(headline(file, model)) | {"parameters": parameters(model)}, target


def bare_name(file: str) -> str:
    """The name of a device file without its folder and ending."""
    path = Path(file)
    return path.stem if path.suffix in (".yaml", ".yml") else path.name


def draw(model: "DeviceModel", target: str, seed: int) -> None:
    """Write the picture; a path that cannot be is refused before the work."""
    from crossbar.figures import style
    from crossbar.figures.devices import pulse_response

    style.check_target(target)
    style.save(pulse_response(model, seed=seed), target)


def listed() -> list[dict[str, Any]]:
    """What every preset is."""
    from device_models.homes import headlines

    return [summary(head) for head in headlines()]


def headline(name: str, model: "DeviceModel") -> "Headline":
    """Any device in short."""
    from device_models.homes import Headline
    from device_models.registry import name_of

    low, high = model.g_min_siemens, model.g_max_siemens
    description = (type(model).__doc__ or "").strip().partition("\n")[0]
    return Headline(name, name_of(model), model.status, low, high, description)


def summary(head: "Headline") -> dict[str, Any]:
    """One device in short, in SI units; a resistance without bound is None."""
    fields = head._asdict()
    description, low, high = fields.pop("description"), head.g_min_siemens, head.g_max_siemens
    ohms = {"r_min_ohms": 1.0 / high, "r_max_ohms": 1.0 / low if low > 0.0 else None}
    return fields | ohms | {"description": description}


def parameters(model: "DeviceModel") -> list[dict[str, Any]]:
    """Every parameter with its value, unit, allowed range and source."""
    return [
        {
            "name": name,
            "value": getattr(model, name),
            "unit": unit,
            "allowed": allowed,
            "source": model.sources.get(name, NO_SOURCE),
        }
        for name, _, unit, allowed in describe(model)
        if name not in ("status", "sources")
    ]


def as_text(content: Any) -> str:
    """JSON that every reader takes: no nan, no infinity."""
    return json_text.dumps(content, indent=2, ensure_ascii=False, allow_nan=False)


def table(listing: list[dict[str, Any]]) -> str:
    """The list of devices."""
    widths = {key: max(len(row[key]) for row in listing) for key in ("name", "model", "status")}
    lines = []
    for row in listing:
        words = "  ".join(f"{row[key]:<{width}}" for key, width in widths.items())
        lines += [f"{words}  {window(row)}", textwrap.indent(row["description"], "    ")]
    return "\n".join([*lines, "", "xbar devices NAME shows one with its sources and its picture."])


def page(device: dict[str, Any]) -> str:
    """One device."""
    head = f"{device['name']}: model {device['model']}, parameters: {device['status']}"
    lines = [head, device["description"], f"window {window(device)}", ""]
    rows = device["parameters"]
    widths = [max(len(cell(row[key])) for row in rows) for key in ("name", "value", "unit")]
    for row in rows:
        cells = (cell(row[key]) for key in ("name", "value", "unit"))
        words = "  ".join(f"{text:<{width}}" for text, width in zip(cells, widths, strict=True))
        lines.append(f"{words}  {row['allowed'].replace('a list, each item a number', 'each')}")
        lines += textwrap.wrap(
            row["source"], WIDTH, initial_indent=" " * 4, subsequent_indent=" " * 4
        )
    return "\n".join(lines)


def cell(value: Any) -> str:
    """A value as the page prints it; a measured table is too long for a line."""
    long = isinstance(value, tuple) and len(value) > 4
    return f"{len(value)} numbers" if long else printed(value)


def window(row: dict[str, Any]) -> str:
    """`1 uS .. 1 mS (1 Mohm .. 1 kohm)`."""
    highest = "open" if row["r_max_ohms"] is None else si(row["r_max_ohms"], "ohm")
    low, high = si(row["g_min_siemens"], "S"), si(row["g_max_siemens"], "S")
    return f"{low} .. {high} ({highest} .. {si(row['r_min_ohms'], 'ohm')})"
