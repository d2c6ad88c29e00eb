"""Records for the tests of the schema: one field of every kind, and a rule between two fields."""

from dataclasses import dataclass, field
from typing import Literal

from device_models.errors import ConfigError
from device_models.schema import Record, choice, quantity, tagged


@dataclass(frozen=True, kw_only=True)
class Read(Record):
    v_read_volts: float = quantity("V", 1e-3, 0.5, why="more disturbs the state")
    adc_bits: int = quantity("bit", 1, 16, default=8)


@dataclass(frozen=True, kw_only=True)
class Array(Record):
    rows: int = quantity("", 1, 1024)
    cols: int = quantity("", 1, 1024)


@dataclass(frozen=True, kw_only=True)
class Tile(Record):
    array: Array
    read: Read


@dataclass(frozen=True, kw_only=True)
class Lif(Record):
    beta: float = quantity("", 0.0, 1.0, default=0.9)


@dataclass(frozen=True, kw_only=True)
class Adaptive(Record):
    beta: float = quantity("", 0.0, 1.0, default=0.8)
    rise: float = quantity("", 0.0, 2.0, default=0.1)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.rise > self.beta:
            raise ConfigError(f"rise = {self.rise:g} must not exceed beta = {self.beta:g}")


NEURONS = {"lif": Lif, "adaptive": Adaptive}


@dataclass(frozen=True, kw_only=True)
class Layer(Record):
    """Base of the kinds of layers."""


@dataclass(frozen=True, kw_only=True)
class Dense(Layer):
    neurons: int = quantity("", 1, 4096)
    neuron: Record = tagged(NEURONS, default="lif")


class MaxPool:
    """A kind whose settings are not itself."""

    @dataclass(frozen=True, kw_only=True)
    class Options(Layer):
        size: int = quantity("", 1, 8, default=2)


LAYERS = {"dense": Dense, "max_pool": MaxPool}
COLOURS = {"red": 1, "green": 2}


@dataclass(frozen=True, kw_only=True)
class Everything(Record):
    name: str = "tile"
    ei: str = "80:20"
    scheme: Literal["pair", "one_sided", "dale"] = "pair"
    bits: Literal[1, 2, 4] = 4
    noisy: bool = True
    epochs: int = quantity("epochs", 0, 100_000, default=10)
    lr: float = quantity("", 0.0, 100.0, default=0.1)
    limit_volts: float | None = quantity("V", 0.0, 3.0, default=None)
    seed: int | None = quantity("", 0, 2**63 - 1, default=None)
    note: str | None = None
    free: float = 0.0
    layers: tuple[int, ...] = quantity("", 1, 4096, default=(100, 10))
    lines: tuple[int, ...] | None = None
    sources: dict[str, str] = field(default_factory=dict)
    joules: dict[str, float] = quantity("J", 0.0, 1.0, default={})
    read: Read = Read(v_read_volts=0.2)
    reads: tuple[Read, ...] = ()
    colour: str = choice(lambda: COLOURS, default="red")
    colours: tuple[str, ...] | None = choice(COLOURS, default=None)
    neuron: Record = tagged(lambda: NEURONS, default=Adaptive(rise=0.5))
    other: Record | None = tagged(NEURONS, default=None)
    stack: tuple[Layer, ...] = tagged(LAYERS, default=())

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.limit_volts is not None and self.limit_volts < self.read.v_read_volts:
            low, high = self.limit_volts, self.read.v_read_volts
            raise ConfigError(f"limit_volts = {low} must be at least read.v_read_volts = {high}")


@dataclass(frozen=True, kw_only=True)
class Linear(Record):
    step_fraction: float = quantity("", 0.0, 1.0)
