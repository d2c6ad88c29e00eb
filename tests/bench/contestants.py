"""Who takes part in which race."""

import functools
from collections.abc import Callable
from importlib.util import find_spec
from typing import NamedTuple

import data
import ours
import preset_nets
import presets
import programs
from data import Workload, settled
from rounds import Entry

from crossbar.wires.wires import Wires
from device_models.presets import preset_names

BASE = "dense, mended"  # what ratios are told against
SHORT = ("ideal", "oxram")  # devices of a quick run and of the larger networks
WIRED_BATCHES = 16  # of a turn at least: tiles are solved anew only now and then
SNNTORCH = preset_nets.SNNTORCH


class Race(NamedTuple):
    """One table: a network and a task."""

    title: str
    work: Callable[[], Workload]
    entries: Callable[[Workload, int], dict[str, Entry]]
    base: str = BASE


def torch_entry(make: programs.Make, work: Workload, threads: int, *, learns: bool) -> Entry:
    """A dense program; torch gets one thread or all, whichever is faster."""
    build = programs.training if learns else programs.inference
    return Entry(
        lambda: build(make, work, settled(work)), torch_threads=tuple(sorted({1, threads}))
    )


def dense_entries(work: Workload, threads: int, *, learns: bool) -> dict[str, Entry]:
    """The dense programs that every network has."""
    makes = {BASE: programs.mended, "our torch reference": programs.torch_reference}
    if SNNTORCH:
        makes["snnTorch"] = programs.snntorch
    return {name: torch_entry(make, work, threads, learns=learns) for name, make in makes.items()}


def our_entry(
    kind: Callable[..., Callable[[], int]],
    work: Workload,
    threads: int,
    device: str,
    **options: object,
) -> Entry:
    """Our kernels; torch gets one thread, as `xbar train` does it."""
    quiet, least = bool(options.pop("quiet", False)), int(options.pop("least", 1))

    def build() -> Callable[[], int]:
        return kind(work, settled(work), ours.model(device, quiet=quiet), threads, **options)

    return Entry(build, least=least)


def training(work: Workload, threads: int, *, size: str) -> dict[str, Entry]:
    """Everyone who trains.

    Args:
        work: The network.
        threads: Of everyone.
        size: "full" adds all devices, wires, and the slow dense program; "half" the latter.
    """
    entries = dense_entries(work, threads, learns=True)
    if size != "small":
        entries["dense, slow slices"] = torch_entry(programs.sliced, work, threads, learns=True)
    entry = functools.partial(our_entry, work=work, threads=threads)
    for device in devices(full=size == "full"):
        entries[f"xbar {device}"] = entry(ours.pulsed, device=device)
        entries[f"xbar {device}, no pulses"] = entry(ours.unpulsed, device=device)
    entries["xbar oxram, no read noise"] = entry(ours.pulsed, device="oxram", quiet=True)
    if size == "full":
        entries["xbar oxram, wires 2 ohm"] = entry(
            ours.pulsed,
            device="oxram",
            wires=Wires(2.0, 2.0, refresh="adaptive"),
            least=WIRED_BATCHES,
        )
    return entries


def devices(*, full: bool) -> list[str]:
    """Presets that take part."""
    names = [name.removesuffix(".yaml") for name in preset_names()]
    return sorted(names, key=lambda name: name != "ideal") if full else list(SHORT)


def inference(work: Workload, threads: int) -> dict[str, Entry]:
    """Everyone who only runs forward."""
    entries = dense_entries(work, threads, learns=False)
    entry = functools.partial(our_entry, ours.inferring, work, threads)
    entries["xbar ideal"] = entry("ideal")
    entries["xbar oxram"] = entry("oxram")
    return entries


def digits(lines: int) -> Race:
    """The table of a recurrent network on spoken digits."""

    def entries(work: Workload, threads: int) -> dict[str, Entry]:
        found = training(work, threads, size="small")
        if find_spec("norse"):
            found["norse"] = torch_entry(programs.norse, work, threads, learns=True)
        return found

    return Race("training", functools.partial(data.digits, lines=lines), entries)


def preset(name: str, *, settle: bool = True) -> Race:
    """The table of a preset; `settle`: everyone starts from where training soon is."""
    work = presets.work_of(name)
    entries = functools.partial(presets.entries, settle=presets.SETTLE[name] if settle else 0)
    base = next(iter(preset_nets.makes(work.network)))
    return Race("training", lambda: work, entries, base)


def races(*, quick: bool) -> list[Race]:
    """All tables; a quick run has three."""
    small = functools.partial(training, size="small")
    if quick:
        work = functools.partial(data.fashion, 100, 15_360)
        main = functools.partial(training, size="half")
        return [
            Race("training", work, main),
            Race("inference", work, inference),
            Race("training", functools.partial(data.audio, 512), small),
        ]
    full = functools.partial(training, size="full")
    works = [
        (functools.partial(data.fashion, 100), full),
        (functools.partial(data.fashion, 1000, 15_360), small),
        (data.audio, small),
        (functools.partial(data.audio, hidden=256, recurrent=True), small),
    ]
    found = []
    for work, train in works:
        found += [Race("training", work, train), Race("inference", work, inference)]
    return found
