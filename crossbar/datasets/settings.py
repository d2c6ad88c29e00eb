"""What a network is shown: the data set, its code and its clock."""

from dataclasses import dataclass

from device_models.errors import ConfigError
from device_models.record import Record, Tagged, choice, quantity, tagged

from ..snn.encodings import ENCODINGS, encoding_of
from ..snn.encodings.events import MOST_STEPS
from . import DATASETS
from .front_ends import FRONT_ENDS, FrontEnd


@dataclass(frozen=True, kw_only=True)
class DataSettings(Record):
    """The data of a run.

    `held_back` training images take the place of the test images: the network does not learn them
    and is tested on them, and the real test images stay unseen. Choose settings that way. Which
    images these are is the same for every run and seed (`encode.held_back_images`), so that what is
    compared is compared on the same images. Of sounds `front_end` makes the features that are
    encoded; a step is a frame of it then.
    """

    set: str = choice(DATASETS, default="fashion_mnist")
    encoding: Record = tagged(ENCODINGS, default="latency")
    front_end: Record | None = tagged(FRONT_ENDS, default=None)
    steps: int = quantity("steps", 2, MOST_STEPS, default=100)
    dt_seconds: float = quantity("s", 1e-6, 1.0, default=1e-3)
    held_back: int = quantity("images", 0, 10_000_000, default=0)

    @property
    def seconds(self) -> float:
        """Duration of one sample in network time."""
        return self.steps * self.dt_seconds

    @property
    def features(self) -> FrontEnd | None:
        """What makes features of sounds."""
        if self.front_end is None:
            return None
        return FRONT_ENDS[Tagged(FRONT_ENDS).name_of(self.front_end)](self.front_end)

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Shape of the input lines.

        Raises:
            ConfigError: See `check`.
        """
        self.check()
        shape, front_end = DATASETS[self.set].sample_shape, self.features
        if front_end is not None:
            shape = front_end.shape(shape[0])
        return encoding_of(self.encoding).input_shape(shape)

    def check(self) -> None:
        """Check what needs no data.

        Raises:
            ConfigError: A front end and an encoding that takes no features, or the other way round;
                or steps that are not the frames.
        """
        front_end, takes = self.features, encoding_of(self.encoding).takes
        name = Tagged(ENCODINGS).name_of(self.encoding)
        if (front_end is None) == (takes == "features"):
            raise ConfigError(
                f"data.encoding = {name} takes {takes}, and data.front_end "
                f"{'is missing' if front_end is None else 'makes features'}; features of sounds "
                "are encoded by crossings, all else without a front end; nothing was trained"
            )
        if front_end is not None:
            self._check_frames(front_end)

    def _check_frames(self, front_end: FrontEnd) -> None:
        """Check that steps are frames.

        Raises:
            ConfigError: They are not.
        """
        shape = DATASETS[self.set].sample_shape
        if len(shape) != 1:
            raise ConfigError(f"data.front_end takes sounds, {self.set} has none; leave it out")
        frames, seconds = front_end.shape(shape[0])[1], front_end.frame_seconds
        if self.steps != frames or abs(self.dt_seconds / seconds - 1.0) > 1e-6:
            raise ConfigError(
                f"data.steps = {self.steps:,} of data.dt_seconds = {self.dt_seconds:g}; a step is "
                f"a frame of data.front_end, so {frames:,} of {seconds:g} s are allowed for "
                f"{self.set}; nothing was trained"
            )
