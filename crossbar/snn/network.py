"""The settings of a spiking network: layers one after the other, a loss, bounds on spikes."""

import dataclasses
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from device_models.errors import ConfigError
from device_models.record import Record, Tagged, quantity, tagged

from .losses import LOSSES, MaxOverTime
from .neurons import LeakyIntegrator, Lif
from .topology import LAYERS, Dense, Recurrent
from .topology.synaptic import FullyConnected, Synaptic, excitatory_fraction

EI = "80:20"  # of the seed paper
CLASSES = 10
LEAST_SPIKES = 5.0  # of a network of several hidden layers; ours


@dataclass(frozen=True, kw_only=True)
class Network(Record):
    """Layers one after the other, the last of which is scored; the seed paper's are the defaults.

    Training keeps the spikes that a hidden layer sends in a sample between `spikes_least` and
    `spikes_most`: others add to the loss, see `crossbar.snn.reference`. Left open, there is no
    most, and the least is none with one hidden layer, as in the paper, and 5 with several: a layer
    behind another one falls silent for good where nothing holds it up. `neuron_spikes_least` and
    `neuron_spikes_most` bound the spikes of each neuron in a sample likewise, with a penalty of
    their own; both the same are a target.

    What follows from a network and a data set is a `plan.Plan`.

    Source:
        M. Kilgore et al., Sci. Rep. 15, 24798, 2025, and its published code.
    """

    layers: tuple[Record, ...] = tagged(
        LAYERS,
        default=(
            Dense(neurons=100, ei=EI),
            Dense(neurons=CLASSES, neuron=LeakyIntegrator()),
        ),
    )
    loss: Record = tagged(LOSSES, default="max_over_time")
    spikes_most: float | None = quantity("spikes", 1.0, 1e9, default=None)
    spikes_least: float | None = quantity("spikes", 0.0, 1e9, default=None)
    spikes_penalty: float = quantity("", 0.0, 1e6, default=0.1)
    neuron_spikes_most: float | None = quantity("spikes", 1e-3, 1e6, default=None)
    neuron_spikes_least: float = quantity("spikes", 0.0, 1e6, default=0.0)
    neuron_spikes_penalty: float = quantity("", 0.0, 1e6, default=1e-3)

    def __post_init__(self) -> None:
        """Check the fields, and which layers may stand where.

        Raises:
            ConfigError: A field is outside its range, the layers are in no order that can be
                trained, or fewer spikes are allowed than asked for.
        """
        super().__post_init__()
        if len(self.layers) < 2:
            raise ConfigError(
                f"layers holds {len(self.layers)}; a network has one hidden layer or more and, "
                "last, the layer that is scored"
            )
        for i, layer in enumerate(self.layers[:-1]):
            if not _spikes(layer):
                raise ConfigError(
                    f"{self.title(i)} never spikes, so that {self.title(i + 1)} would get nothing; "
                    "only the last layer, which is read out, may hold such neurons"
                )
        self._check_output()
        if self.least_spikes > (self.spikes_most or math.inf):
            raise ConfigError(
                f"spikes_least = {self.least_spikes:g} exceeds spikes_most = {self.spikes_most:g}"
            )
        if self.neuron_spikes_least > (self.neuron_spikes_most or math.inf):
            raise ConfigError(
                f"neuron_spikes_least = {self.neuron_spikes_least:g} exceeds "
                f"neuron_spikes_most = {self.neuron_spikes_most:g}"
            )

    def _check_output(self) -> None:
        """Refuse a last layer that the loss cannot score, or whose E:I ratio binds nothing."""
        title, last = self.title(len(self.layers) - 1), self.layers[-1]
        if not isinstance(last, FullyConnected):
            raise ConfigError(f"{title} is the last layer and has no neurons that can be scored")
        wants_spikes, name = _scores(self.loss) == "spikes", Tagged(LOSSES).name_of(self.loss)
        if wants_spikes != _spikes(last):
            scored = "spikes" if wants_spikes else "the membranes of neurons that never spike"
            others = ", ".join(n for n, k in LOSSES.items() if _scores(k) != _scores(self.loss))
            raise ConfigError(
                f"{title} is the last layer, and the loss {name} scores {scored}; give it another "
                f"neuron, or the network one of the losses {others}"
            )
        if last.excitatory is not None:
            raise ConfigError(
                f"{title} has ei = {last.ei}, but is the last layer: no rows of a crossbar are "
                "driven by its neurons, whose signs a ratio could bind; leave ei out"
            )

    def title(self, index: int) -> str:
        """A layer as messages name it: `layers[1] (dense, lif)`."""
        layer = self.layers[index]
        words = [Tagged(LAYERS).name_of(layer)]
        if isinstance(layer, Synaptic):
            words += [layer.size, type(layer.neuron).__name__]
        return f"layers[{index}] ({', '.join(words)})"

    @property
    def ei(self) -> str:
        """The ratio of the first layer with synapses, as a person says it; `none` without."""
        first = next(layer for layer in self.layers if isinstance(layer, Synaptic))
        return first.ei or "none"

    @property
    def least_spikes(self) -> float:
        """`spikes_least`, or what stands for it."""
        if self.spikes_least is not None:
            return self.spikes_least
        hidden = sum(isinstance(layer, Synaptic) for layer in self.layers[:-1])
        return LEAST_SPIKES if hidden > 1 else 0.0

    @classmethod
    def of(
        cls,
        hidden: int | Sequence[int] = (100,),
        ei: str | float | None = EI,
        recurrent: bool = False,
        sigma_init: float | None = None,
        classes: int = CLASSES,
        neuron: Record | None = None,
        readout: Record | None = None,
        loss: Record | None = None,
        spikes_most: float | None = None,
        spikes_least: float | None = None,
        spikes_penalty: float = 0.1,
    ) -> "Network":
        """The network of the short forms: hidden layers of one kind and an output layer.

        Args:
            hidden: Neurons of each hidden layer; a number alone is one layer.
            ei: Ratio in every hidden layer, `80:20` or 0.8; None or `none` for no Dale's law.
            recurrent: Whether hidden layers also drive themselves.
            sigma_init: Spread of the first weights of the first layer.
            classes: Neurons of the output layer.
            neuron: Of the hidden layers; by default `Lif()`.
            readout: Of the output layer; by default `LeakyIntegrator()`.
            loss: By default `MaxOverTime()`.
            spikes_most, spikes_least, spikes_penalty: As the fields.

        Raises:
            ConfigError: There is no hidden layer, or a value is out of range.
        """
        sizes = tuple(hidden) if isinstance(hidden, Sequence) else (hidden,)
        if not sizes:
            raise ConfigError("hidden must name the neurons of one hidden layer or more")
        kind = Recurrent if recurrent else Dense
        ratio = None if ei == "none" else ei if ei is None else str(ei)
        spreads = [sigma_init] + [None] * (len(sizes) - 1)
        layers = [
            kind(neurons=n, ei=ratio, sigma_init=sigma, neuron=neuron or Lif())
            for n, sigma in zip(sizes, spreads, strict=True)
        ]
        return cls(
            layers=(*layers, Dense(neurons=classes, neuron=readout or LeakyIntegrator())),
            loss=loss or MaxOverTime(),
            spikes_most=spikes_most,
            spikes_least=spikes_least,
            spikes_penalty=spikes_penalty,
        )

    def with_short_forms(
        self,
        hidden: int | Sequence[int] | None = None,
        ei: str | None = None,
        recurrent: bool | None = None,
        sigma_init: float | None = None,
    ) -> "Network":
        """This network with hidden layers as the short forms say; what is None stays.

        Args:
            hidden: Neurons of each hidden layer; all become copies of the first one with neurons.
            ei: Ratio in every hidden layer; `none` for no Dale's law.
            recurrent: Whether they also drive themselves.
            sigma_init: Spread of the first weights of the first layer with synapses.

        Raises:
            ConfigError: A value is out of range.
        """
        *layers, output = self.layers
        if hidden is not None:
            sizes = (hidden,) if isinstance(hidden, int) else tuple(hidden)
            layers = _resized(layers, sizes)
        is_first = True
        for i, layer in enumerate(layers):
            if isinstance(layer, Synaptic):
                sigma = sigma_init if is_first else None
                layers[i], is_first = _changed(layer, ei, recurrent, sigma), False
        return dataclasses.replace(self, layers=(*layers, output))


def _resized(layers: Sequence[Record], sizes: Sequence[int]) -> list[Record]:
    """Hidden layers of these sizes, copies of the first one with synapses; others stay before."""
    if not sizes:
        raise ConfigError("hidden must name the neurons of one hidden layer or more")
    _refuse_others(layers, "hidden")
    synaptic = [layer for layer in layers if isinstance(layer, FullyConnected)]
    first = synaptic[0] if synaptic else Dense(neurons=1)
    copies = [
        dataclasses.replace(first, neurons=n, image=(), sigma_init=None if i else first.sigma_init)
        for i, n in enumerate(sizes)
    ]
    return [*(layer for layer in layers if not isinstance(layer, Synaptic)), *copies]


def _refuse_others(layers: Sequence[Record], form: str) -> None:
    """Refuse a short form where layers are not fully connected."""
    for layer in layers:
        if isinstance(layer, Synaptic) and not isinstance(layer, FullyConnected):
            name = Tagged(LAYERS).name_of(layer)
            raise ConfigError(
                f"{form} says of fully connected layers how they are; the network has a {name} "
                "layer: write the layers in a file (--network)"
            )


def _changed(
    layer: Synaptic, ei: str | None, recurrent: bool | None, sigma_init: float | None
) -> Synaptic:
    """A layer with what is not None."""
    changes: dict[str, Any] = {} if sigma_init is None else {"sigma_init": sigma_init}
    if ei is not None:
        changes["ei"] = None if ei == "none" else ei
    if recurrent is not None:
        _refuse_others([layer], "recurrent")
    kind: Any = type(layer) if recurrent is None else Recurrent if recurrent else Dense
    names = [f.name for f in dataclasses.fields(kind)]
    values = {name: getattr(layer, name) for name in names if hasattr(layer, name)}
    changed: Synaptic = kind(**values | changes)
    return changed


@dataclass(frozen=True, kw_only=True)
class ShortForms(Record):
    """What the command line says of a network in a word; see `Network.with_short_forms`."""

    hidden: tuple[int, ...] | None = quantity("neurons", 1, 65535, default=None)
    ei: str | None = None
    recurrent: bool | None = None
    sigma_init: float | None = quantity("weight", 0.0, 100.0, default=None)

    def __post_init__(self) -> None:
        """Check the fields and the ratio.

        Raises:
            ConfigError: One of them is wrong.
        """
        super().__post_init__()
        excitatory_fraction(self.ei)

    def of(self, network: Network) -> Network:
        """The network with hidden layers as these say."""
        return network.with_short_forms(self.hidden, self.ei, self.recurrent, self.sigma_init)


def _spikes(layer: Record) -> bool:
    """Whether a layer sends spikes."""
    neuron = layer.neuron  # type: ignore[attr-defined]  # of every layer
    return neuron is None or bool(neuron.SPIKES)


def _scores(loss: Any) -> str:
    """What a loss looks at."""
    return str(loss.SCORES)
