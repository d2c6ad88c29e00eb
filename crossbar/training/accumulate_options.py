"""When the policies that accumulate send what they gathered."""

from dataclasses import dataclass

from device_models.record import Record, quantity


@dataclass(frozen=True, kw_only=True)
class AccumulateOptions(Record):
    """What makes a device worth programming, for the policies `accumulate` and `closed_loop`.

    A device is programmed once its gathered change comes to `threshold_pulses` whole expected
    pulses and, where every programming operation adds noise of one size (`gaussian_update`), to
    `threshold_sigmas` standard deviations of that noise; then all of it is sent. Only every
    `program_every`-th update programs at all.
    """

    threshold_pulses: int = quantity(
        "pulses", 1, 1_000_000, why="a device takes whole pulses", default=1
    )
    threshold_sigmas: float = quantity("noise sigmas", 0.0, 1e6, default=0.0)
    program_every: int = quantity("updates", 1, 1_000_000, default=1)
