"""`xbar data build-shd`: the spikes of the inner ear, of a folder of recordings."""

import sys
from pathlib import Path

import click

from device_models.errors import consequence

from .text import echo


@click.command(name="build-shd")
@click.argument("audio_dir", metavar="AUDIO_DIR")
@click.option("--out", metavar="FILE", help="[default: in the cache, where --data-set shd looks]")
@click.option("--workers", type=click.IntRange(1, 256), default=1, show_default=True,
              help="Threads.")  # fmt: skip
@click.option("--limit", metavar="N", type=click.IntRange(1), help="As many recordings.")
@click.option("--seed", type=click.IntRange(0, 2**31), default=0, show_default=True,
              help="Of the fibres.")  # fmt: skip
def build_shd(audio_dir: str, out: str | None, workers: int, limit: int | None, seed: int) -> None:
    """Convert spoken digits to spikes of 700 channels, as in the Spiking Heidelberg Digits.

    AUDIO_DIR is the folder of the Heidelberg digits: one FLAC of 48 kHz a recording, as published,
    or files that hold many, with an index.csv. A recording takes about 0.4 s of processor time.
    Whatever ends the command, the same command goes on; the result depends on recordings and seed
    alone. The first ones (--limit) are like all of them.

    \b
    Examples:
      xbar data build-shd hd_audio
      xbar data build-shd hd_audio --limit 1000 --out thousand.npz
      xbar data build-shd hd_audio --workers 4
    """
    from crossbar.datasets.cochlea.build import ENDING, build
    from crossbar.datasets.locate import Environment
    from crossbar.datasets.shd import BUILT, FILES

    path = Path(out) if out else Environment().cache(FILES) / BUILT
    bar = click.progressbar(length=1, label="recordings", file=sys.stderr, show_pos=True)

    def progress(total: int, left: int) -> None:
        bar.length = total
        bar.update(total - left - bar.pos)

    try:
        with consequence("nothing was written"), bar:
            built = build(
                Path(audio_dir), path, seed=seed, workers=workers, limit=limit, progress=progress
            )
    except KeyboardInterrupt:
        echo(f"\nInterrupted; {path}{ENDING} is kept. The same command goes on.", err=True)
        raise click.exceptions.Exit(130) from None
    echo(
        f"{built.recordings:,} recordings ({built.new:,} new), {built.spikes:,} spikes "
        f"({built.spikes / built.recordings:,.0f} a recording), fibres {built.fibre_hertz:.1f} Hz\n"
        f"SHA-256 {built.sha256}\n{built.path}"
    )
