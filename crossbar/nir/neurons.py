"""Neurons of NIR as neurons of here, and back; the equations are in `crossbar.nir`."""

import math
from typing import Any, NamedTuple

import numpy as np

from device_models.errors import ConfigError
from device_models.record import Record, shown

from ..snn.neurons import Leaky, LeakyIntegrator, Lif, PerfectIntegrator
from .chain import Node

RESETS = "zero", "subtract"
SHORTEST_SECONDS = 1e-6  # time constant that neurons of here have at least
NONE_LEFT = 1e-12  # a decay that no float32 tells from 0


class Neurons(NamedTuple):
    """Neurons of one layer.

    Attributes:
        settings: Which ones.
        gain: What a unit of input adds to each, (neurons,) float64; in thresholds if they spike.
    """

    settings: Record
    gain: np.ndarray


def neurons_of(node: Node, count: int, dt_seconds: float) -> Neurons:
    """The neurons of a node.

    Args:
        node: One of `chain.NEURONS`.
        count: Neurons.
        dt_seconds: Of a step.

    Raises:
        ConfigError: They are none that there are here; names the node, and what is allowed.
    """
    numbers = _Numbers(node, count, dt_seconds)
    for name in ("v_leak", "v_reset"):
        if hasattr(node.value, name) and (away := numbers.each(name)).any():
            raise node.refused(f"{name} = {_first(away, away != 0.0):g}; 0 is allowed")
    try:
        return _OF_KIND[node.kind](numbers)
    except ConfigError as e:
        raise e if str(e).startswith(node.title) else node.refused(str(e)) from e


class _Numbers:
    """Parameters of a node, looked at."""

    def __init__(self, node: Node, count: int, dt_seconds: float) -> None:
        self.node, self.count, self.dt = node, count, dt_seconds

    def each(self, name: str) -> np.ndarray:
        """A parameter of every neuron, (neurons,) float64."""
        values = np.asarray(getattr(self.node.value, name))
        if values.dtype.kind not in "fiu" or not np.isfinite(values).all():
            raise self.node.refused(f"{name} holds what is no finite number")
        if values.size not in (1, self.count):
            raise self.node.refused(
                f"{name} is of {values.size} neurons, and {self.count} come in; one number each, "
                "or one for all"
            )
        return np.broadcast_to(values.astype(np.float64).ravel(), (self.count,))

    def positive(self, name: str) -> np.ndarray:
        """The same, above 0."""
        values = self.each(name)
        if (values <= 0.0).any():
            raise self.node.refused(f"{name} = {values.min():g}; it has to be above 0")
        return values

    def decay(self, name: str) -> float:
        """What is left of a state after a step by forward Euler, 1 - dt/tau, one for the layer."""
        taus = self.positive(name)
        if (other := taus != taus[0]).any():
            raise self.node.refused(
                f"{name} differs between its neurons ({taus[0]:g} and {_first(taus, other):g} s); "
                "a layer has one"
            )
        left = 1.0 - self.dt / float(taus[0])
        if left < 0.0:
            if self.dt / float(taus[0]) < 1.0 + 1e-6:  # rounded by whoever wrote it
                return 0.0
            raise self.node.refused(
                f"{name} = {taus[0]:g} s is shorter than a step of {self.dt:g} s; "
                "data.dt_seconds sets another"
            )
        return left

    def seconds(self, name: str) -> float:
        """The time constant by which exp(-dt / tau) is `decay`."""
        left = self.decay(name)
        if left <= NONE_LEFT and math.exp(-self.dt / SHORTEST_SECONDS) < NONE_LEFT:
            return SHORTEST_SECONDS
        if left == 0.0:
            raise self.node.refused(
                f"{name} is a step of {self.dt:g} s, after which nothing is left; "
                f"with steps so short it has to be longer"
            )
        return -self.dt / math.log(left)

    def factor(self, tau: str, gain: str) -> np.ndarray:
        """(dt / tau) gain of every neuron."""
        gains: np.ndarray = self.dt / self.each(tau) * self.positive(gain)
        return gains

    @property
    def reset(self) -> str:
        """What a spike does to the membrane, by the metadata of the node; else to 0."""
        given = _text(self.node.value.metadata.get("reset", RESETS[0]))
        if given not in RESETS:
            raise self.node.refused(
                f"its metadata has reset = {shown(given)}; one of {', '.join(RESETS)} is allowed"
            )
        return given


def _lif(n: _Numbers) -> Neurons:
    leaky = Leaky(beta=n.decay("tau"), reset=n.reset)  # type: ignore[arg-type]  # one of two
    return Neurons(leaky, n.factor("tau", "r") / n.positive("v_threshold"))


def _if(n: _Numbers) -> Neurons:
    leaky = Leaky(beta=1.0, reset=n.reset)  # type: ignore[arg-type]
    return Neurons(leaky, n.dt * n.positive("r") / n.positive("v_threshold"))


def _cuba_lif(n: _Numbers) -> Neurons:
    if n.reset != "zero":
        raise n.node.refused("its metadata has reset = 'subtract'; zero is allowed")
    lif = Lif(tau_mem_seconds=n.seconds("tau_mem"), tau_syn_seconds=n.seconds("tau_syn"))
    gain = n.factor("tau_syn", "w_in") * n.factor("tau_mem", "r")
    return Neurons(lif, gain / n.positive("v_threshold"))


def _li(n: _Numbers) -> Neurons:
    settings = LeakyIntegrator(tau_mem_seconds=n.seconds("tau"), tau_syn_seconds=None)
    return Neurons(settings, n.factor("tau", "r"))


def _cuba_li(n: _Numbers) -> Neurons:
    settings = LeakyIntegrator(
        tau_mem_seconds=n.seconds("tau_mem"), tau_syn_seconds=n.seconds("tau_syn")
    )
    return Neurons(settings, n.factor("tau_syn", "w_in") * n.factor("tau_mem", "r"))


def _i(n: _Numbers) -> Neurons:
    return Neurons(PerfectIntegrator(), n.dt * n.positive("r"))


_OF_KIND = {
    "LIF": _lif, "IF": _if, "CubaLIF": _cuba_lif, "LI": _li, "CubaLI": _cuba_li, "I": _i,
}  # fmt: skip


def node_of(nir: Any, settings: Record, shape: tuple[int, ...], dt_seconds: float) -> Any:
    """The node of neurons, whose input counts as it comes: the factors of `crossbar.nir` are 1.

    Args:
        nir: The library.
        settings: Of the neurons.
        shape: Of the layer.
        dt_seconds: Of a step.

    Raises:
        ConfigError: NIR has no such neurons.
    """

    def each(value: float) -> np.ndarray:
        return np.full(shape, value)

    def tau(left: float) -> tuple[np.ndarray, np.ndarray]:
        """Time constant of a decay, and the gain that takes (dt / tau) away."""
        return each(dt_seconds / (1.0 - left)), each(1.0 / (1.0 - left))

    fires: dict[str, np.ndarray] = {"v_threshold": each(1.0), "v_reset": each(0.0)}
    numbers: Any = settings.numbers(dt_seconds)  # type: ignore[attr-defined]  # of every neuron
    if isinstance(settings, Leaky):
        metadata = {"reset": settings.reset}
        if settings.beta == 1.0:
            return nir.IF(r=each(1.0 / dt_seconds), **fires, metadata=metadata)
        seconds, r = tau(numbers.beta)
        return nir.LIF(tau=seconds, r=r, v_leak=each(0.0), **fires, metadata=metadata)
    if isinstance(settings, PerfectIntegrator):
        return nir.I(r=each(1.0 / dt_seconds))
    if not isinstance(settings, Lif | LeakyIntegrator):
        raise ConfigError(f"NIR has no neurons such as {type(settings).__name__}")
    (seconds, r), rest = tau(numbers.beta), each(0.0)
    if isinstance(settings, LeakyIntegrator) and settings.tau_syn_seconds is None:
        return nir.LI(tau=seconds, r=r, v_leak=rest)
    tau_syn, w_in = tau(numbers.alpha)
    cuba = {"tau_mem": seconds, "tau_syn": tau_syn, "r": r, "w_in": w_in, "v_leak": rest}
    if isinstance(settings, LeakyIntegrator):
        return nir.CubaLI(**cuba)
    return nir.CubaLIF(**cuba, **fires, metadata={"reset": "zero"})


def _first(values: np.ndarray, chosen: np.ndarray) -> float:
    """The first of some values."""
    return float(values[chosen][0])


def _text(value: Any) -> str:
    """What metadata say, which files give as bytes."""
    return value.decode("utf8", "replace") if isinstance(value, bytes) else str(value)
