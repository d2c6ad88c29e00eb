"""Every setting of a training run, with its range."""

import functools
import math
from dataclasses import dataclass, field
from typing import Literal

from device_models.errors import ConfigError
from device_models.record import Record, quantity

from ..array.faults import Faults
from ..array.half_select import HalfSelect
from ..array.periphery import Periphery
from ..mappings import MappingOptions
from ..snn.network import Network
from ..snn.plan import STEPS, Plan, plan
from ..synapses.optimizers import OPTIMIZERS
from ..synapses.policies.accumulate import AccumulateOptions
from ..synapses.policies.tiki_taka import TikiOptions
from ..wires.wires import Wires

PolicyName = Literal["accumulate", "closed_loop", "stochastic", "sign", "tiki_taka"]


@dataclass(frozen=True, kw_only=True)
class DataSizes(Record):
    """What a network must know of its data."""

    inputs: int = quantity("lines", 1, 65535, default=784)
    image: tuple[int, ...] = quantity("lines", 1, 65535, default=(28, 28))
    classes: int = quantity("classes", 2, 1000, default=10)
    steps: int = quantity("steps", 2, STEPS, default=100)
    dt_seconds: float = quantity("s", 1e-6, 1.0, default=1e-3)

    @property
    def shape(self) -> int | tuple[int, ...]:
        """Of the image, where the lines are those of one."""
        return self.image if math.prod(self.image) == self.inputs else self.inputs


@dataclass(frozen=True, kw_only=True)
class Training(Record):
    """A training run. Together with the device file it determines every pulse.

    The batch is that of the seed paper, and so is the `optimizer` sgd with its rate of 0.01; a
    `learning_rate` left open is that of the optimizer. In the `rate_unit` pulses it counts mean
    steps of the device, of each layer its own: 0.5 with adam is half a pulse an update. The `schedule` lets it fall to zero over the
    epochs of the run along a half cosine, so a run continued to more epochs goes on at a higher
    rate. `hidden_w_max` and
    `readout_w_max` are the weights that the full conductance window stands for; left open, they
    follow from the levels of the device (`w_max_of`). `update_noise` is
    the paper's sigma_noise / sigma_init and only means something to a `gaussian_update` device;
    both layers get the same noise in weight units. Device time passes at one inference time per
    image and is told to the devices every `clock_every` updates. Between updates the wires of a
    tile are followed to first order and solved anew as `wires_refresh` says (`WiredArray`).
    A `policy` left open is closed_loop where pulses miss what they are sent for, and accumulate, as
    in the seed paper, where devices take exact steps.
    What carries the error back is `backward`: the weights as last `readback` and moved on by the
    pulses sent since, their `sign` alone times the mean size of the layer's weights, or the `true`
    ones, which only an emulator knows.
    `init_from` says where the first weights came from, if they were not drawn; a run keeps them.
    Training knows nothing of `faults` unless `placement` is `remap` or fewer than all `copies` of a
    layer are `averaged` (None: all): both look at the fault map (`crossbar.array.placement`).
    """

    device: str = "oxram.yaml"
    init_from: str | None = None
    seed: int = quantity("", 0, 2**31 - 1, default=0)
    epochs: int = quantity("epochs", 0, 100_000, default=3)
    batch_size: int = quantity("images", 1, 60_000, default=256)
    optimizer: Literal["sgd", "momentum", "adam"] = "sgd"
    learning_rate: float | None = quantity("", 0.0, 100.0, default=None)
    rate_unit: Literal["weight", "pulses"] = "weight"
    schedule: Literal["constant", "cosine"] = "constant"
    policy: PolicyName | None = None
    accumulate: AccumulateOptions = field(default_factory=AccumulateOptions)
    sign_threshold: float = quantity("of the largest change", 0.0, 0.999, default=0.5)
    tiki_taka: TikiOptions = field(default_factory=TikiOptions)
    backward: Literal["readback", "true", "sign"] = "readback"
    mapping: Literal["one_sided", "pair", "dale", "reference_column", "bit_sliced"] = "one_sided"
    mapping_options: MappingOptions = field(default_factory=MappingOptions)
    hidden_w_max: float | None = quantity("weight", 1e-6, 1e3, default=None)
    readout_w_max: float | None = quantity("weight", 1e-6, 1e3, default=None)
    update_noise: float = quantity("", 0.0, 1000.0, default=0.0)
    readback_every: int = quantity("updates", 1, 1_000_000, default=4)
    clock_every: int = quantity("updates", 1, 1_000_000, default=16)
    v_read_volts: float = quantity("V", 1e-3, 0.5, why="more disturbs the state", default=0.2)
    t_read_seconds: float = quantity("s", 1e-10, 1.0, default=100e-9)
    tile_rows: int = quantity("lines", 1, 65_536, default=128)
    tile_columns: int = quantity("lines", 1, 65_536, default=128)
    wires: Wires = field(default_factory=Wires)
    wires_refresh: Literal["every", "epoch", "adaptive"] = "adaptive"
    wires_bound: float = quantity("", 1e-9, 1.0, default=1e-2)
    array_kind: Literal["1T1R", "1R"] = "1T1R"
    half_select: HalfSelect = field(default_factory=HalfSelect)
    faults: Faults = field(default_factory=Faults)
    placement: Literal["none", "remap"] = "none"
    copies: int = quantity("copies", 1, 64, default=1)
    averaged: int | None = quantity("copies", 1, 64, default=None)
    periphery: Periphery = field(default_factory=Periphery)
    data: DataSizes = field(default_factory=DataSizes)
    network: Network = field(default_factory=Network)

    def __post_init__(self) -> None:
        """Check the fields and the rules between them.

        Raises:
            ConfigError: A field is outside its range, a rate in pulses is missing, more copies are
                averaged than there are, or copies are read through a periphery.
        """
        super().__post_init__()
        if self.averaged is not None and self.averaged > self.copies:
            raise ConfigError(
                f"averaged = {self.averaged} exceeds the {self.copies} copies of a layer"
            )
        if self.rate_unit == "pulses" and self.learning_rate is None:
            raise ConfigError("rate_unit = pulses needs a learning_rate in pulses; none is given")
        if self.copies > 1 and self.periphery != Periphery():
            raise ConfigError("copies of a layer are read without periphery; leave copies at 1")
        self.plan  # noqa: B018  # refuses a network that does not fit the data

    @functools.cached_property
    def plan(self) -> Plan:
        """The network on the data.

        Raises:
            ConfigError: It does not fit them.
        """
        data = self.data
        return plan(
            self.network,
            inputs=data.shape,
            classes=data.classes,
            steps=data.steps,
            dt_seconds=data.dt_seconds,
        )

    @property
    def first_rate(self) -> float:
        """Learning rate of the first update."""
        if self.learning_rate is not None:
            return self.learning_rate
        return OPTIMIZERS[self.optimizer].default_rate

    def rate(self, epochs: float) -> float:
        """Learning rate of an update that comes after so many epochs, whole or not."""
        if self.schedule == "constant":
            return self.first_rate
        share = min(1.0, epochs / max(1, self.epochs))
        return self.first_rate * 0.5 * (1.0 + math.cos(math.pi * share))
