"""Every setting of a training run: the records of its rooms."""

from dataclasses import dataclass, field, fields

from device_models.errors import ConfigError
from device_models.record import Record, quantity, tagged

from ..array.faults import Faults
from ..array.half_select import HalfSelect
from ..array.periphery import Periphery
from ..array.tiles import Tiles
from ..boards.limits import Limits
from ..datasets.settings import DataSettings
from ..mappings import MAPPINGS
from ..snn.engines import ENGINES
from ..snn.network import Network
from ..synapses.optimizers import OPTIMIZERS, Adam, Rates
from ..synapses.policies import POLICIES
from ..synapses.reads import Reads
from ..wires.wires import Wires

SIMULATED = "simulated"
BASELINE_DEVICE = "ideal.yaml"
SPIKES_MOST = 300.0  # of a hidden layer in a sample; with epochs and optimizer, see DECISIONS.md


@dataclass(frozen=True, kw_only=True)
class Training(Record):
    """A training run. Together with the device file and the versions it determines every pulse.

    The defaults are the best that a minute buys on `oxram`, chosen on held-back training images;
    the published experiment is the network `kilgore`. A `policy` left open is closed_loop where
    pulses miss what they are sent for, and accumulate, as in the seed paper, where devices take
    exact steps.

    Attributes:
        device: File or preset.
        update_noise: The paper's sigma_noise / sigma_init, for a `gaussian_update` device alone;
            all layers get the same noise in weight units.
        init_from: Where the first weights came from, if they were not drawn; a run keeps them.
        seed: Of everything random.
        epochs: Passes over the training samples.
        batch_size: Samples of an update; that of the seed paper.
        data: Data set and its code.
        network: Layers and neurons.
        mapping: How weights stand for conductances, one of MAPPINGS.
        policy: How wanted changes become pulses, one of POLICIES; None: as the device asks for.
        optimizer: How gradients become wanted changes, one of OPTIMIZERS.
        reads: How and when conductances are read.
        tiles: The arrays.
        wires: Their lines.
        half_select: How arrays without transistors are biased.
        faults: What is broken.
        periphery: Drivers, converters and neurons of the chip.
        engine: What computes the passes, one of ENGINES.
        board: What to train on: `simulated`, an emulated array for each layer; or the address of
            one board, see `boards.address`, that all layers are stacked on.
        limits: What that board may be given at most; a board that is no emulator needs them.
        imports: Python files that fill tables with kinds of one's own; whoever reads these settings
            from a file runs them, see `imports.load_training`.
        versions: Of what wrote a run, by name; noted by the run, and no setting.
    """

    device: str = "oxram.yaml"
    update_noise: float = quantity("", 0.0, 1000.0, default=0.0)
    init_from: str | None = None
    seed: int = quantity("", 0, 2**31 - 1, default=0)
    epochs: int = quantity("epochs", 0, 100_000, default=5)
    batch_size: int = quantity("images", 1, 60_000, default=256)
    data: DataSettings = field(default_factory=DataSettings)
    network: Network = field(default_factory=lambda: Network(spikes_most=SPIKES_MOST))
    mapping: Record = tagged(MAPPINGS, default="one_sided")
    policy: Record | None = tagged(POLICIES, default=None)
    optimizer: Rates = tagged(OPTIMIZERS, default=Adam.Options(schedule="cosine"))
    reads: Reads = field(default_factory=Reads)
    tiles: Tiles = field(default_factory=Tiles)
    wires: Wires = field(default_factory=Wires)
    half_select: HalfSelect = field(default_factory=HalfSelect)
    faults: Faults = field(default_factory=Faults)
    periphery: Periphery = field(default_factory=Periphery)
    engine: Record = tagged(ENGINES, default="events")
    board: str = SIMULATED
    limits: Limits | None = None
    imports: tuple[str, ...] = ()
    versions: dict[str, str] = field(default_factory=dict, compare=False)

    def __post_init__(self) -> None:
        """Take names of tables for records of all defaults; check the fields and their rules.

        Raises:
            ConfigError: A field is outside its range, or copies are read through a periphery.
        """
        for setting in fields(self):
            value, spec = getattr(self, setting.name), setting.metadata.get("tagged")
            if spec and isinstance(value, str):
                object.__setattr__(self, setting.name, spec.short(value))
        super().__post_init__()
        if self.tiles.copies > 1 and self.periphery != Periphery():
            raise ConfigError("copies of a layer are read without periphery; leave copies at 1")

    def float_baseline(self) -> "Training":
        """The same network and optimizer on weights that lose nothing.

        Seed, data order, initial weights, network, batches, epochs and optimizer stay. The weights
        are ideal devices, pulsed in steps of 2^-24 of a window that no weight leaves (`w_max_of`)
        and read exactly: gradient descent on 32-bit numbers, under Dale's law where the run is.
        There are no wires, periphery, faults or copies.

        Raises:
            ConfigError: The rate counts pulses, which the baseline has none of.
        """
        if self.optimizer.rate_unit == "pulses":
            raise ConfigError(
                "a float baseline has no pulses to count: give the rate with "
                "optimizer.rate_unit=weight"
            )
        return Training(
            device=BASELINE_DEVICE,
            init_from=self.init_from,
            seed=self.seed,
            epochs=self.epochs,
            batch_size=self.batch_size,
            data=self.data,
            network=self.network,
            policy=POLICIES["accumulate"].Options(),
            optimizer=self.optimizer,
            engine=self.engine,
            imports=self.imports,
        )
