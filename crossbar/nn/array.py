"""The crossbar behind one layer of a torch model: synapses, their board, and what was read."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal, NamedTuple

import numpy as np
import torch
from scipy.sparse import csr_array
from torch import Tensor

from device_models.errors import ConfigError, HardwareError, ShapeError
from device_models.model import DeviceModel

from .. import mappings
from ..array.counters import Counters
from ..boards.protocol import Board, PulseBatch, ReadCounts
from ..boards.simulated import SimulatedBoard
from ..boards.write_verify import Algorithm, WriteVerify, program, write_verify
from ..snn.engines.adc import measured_range
from ..synapses.effective import EffectiveWeights, effective_weights
from ..synapses.estimate import WeightEstimate
from ..synapses.synapses import Synapses
from .hardware import Hardware

Programming = Literal["program", "write_verify", "exact"]


@dataclass(frozen=True, eq=False, kw_only=True)
class Recipe:
    """All that an emulated array is made from.

    Attributes:
        device: Name of the kind of device.
        sheet: That kind.
        mapping: What the conductances mean.
        hardware: What is around the devices.
        seed: Of everything random.
        index: Of the array among those of the seed.
    """

    device: str
    sheet: DeviceModel
    mapping: mappings.Mapping
    hardware: Hardware
    seed: int
    index: int


class Driven(NamedTuple):
    """What drove the rows in some products, as tensors of any device of torch.

    Attributes:
        times: Activations of each row, (rows,) int64.
        squares: The same, weighted by the square of the share of the read voltage, (rows,).
        tile_steps: (row of tiles, product) pairs with a driven line, one int64.
    """

    times: Tensor
    squares: Tensor
    tile_steps: Tensor


class CrossbarArray:
    """Synapses on a board. Weights change by pulses and by device time, and in no other way.

    Every layer makes its own; it is here to be looked at, and to let time pass.

        >>> from crossbar import nn
        >>> array = nn.Linear(6, 3, device="ideal.yaml", bias=False, seed=1).array
        >>> array.board.info.shape, array.recipe.mapping.shape  # pairs of devices; weights
        ((6, 6), (6, 3))

    Source:
        Conductances and their physics are those of the board, `crossbar.boards`; what they mean is
        that of the mapping, `crossbar.mappings`.

    Attributes:
        recipe: What it is made from.
        synapses: Mapping, board and data sheet.
        emulator: The board where it is emulated here; None for one that was given.
        estimate: The weights as last read back and moved on by the pulses sent; None before.
        version: Rises whenever reads may see something else.
        products: Forward passes so far; each names its own noise.
    """

    def __init__(self, recipe: Recipe, board: Board | None = None) -> None:
        """Make the array, or take a board that is there; nothing is programmed.

        Raises:
            ConfigError, ShapeError: See `Hardware.array` and `Synapses`.
        """
        made = (recipe.sheet, recipe.mapping, recipe.seed, recipe.index)
        self.recipe = recipe
        self.emulator: SimulatedBoard | None = None
        if board is None:
            self.emulator = board = recipe.hardware.array(*made)
        self.synapses = Synapses(recipe.mapping, board, recipe.sheet)
        self.estimate: WeightEstimate | None = None
        self.version, self.products, self.is_closed = 0, 0, False
        self._driven: list[Driven] = []
        self._siemens = np.zeros(0)  # that a line drives, as of `effective`

    @property
    def board(self) -> Board:
        """What holds the weights."""
        return self.synapses.board

    def check_open(self) -> None:
        """Refuse to go on after `close`.

        Raises:
            HardwareError: The board was closed.
        """
        if self.is_closed:
            raise HardwareError(
                f"{self.board.info.name} of this layer was closed; nothing was read or sent"
            )

    def program(self, weights: Tensor, how: Programming) -> None:
        """Write weights (rows, outputs); beyond the window its edge is written.

        Args:
            weights: Float32.
            how: By pulses and reads as training begins, by the closed loop of `xbar program`, or
                `exact`: conductances are put there, which only an emulator can.

        Raises:
            ConfigError: `exact` on a board that is not emulated here.
            ShapeError: Other shapes, or a weight that is not finite; nothing was written.
        """
        self.check_open()
        self.flush()
        if how == "exact":
            self._put(weights)
        else:
            algorithm: Algorithm = program if how == "program" else _closed_loop
            self.synapses.program(weights, algorithm=algorithm)
        self.estimate = None
        self.version += 1

    def _put(self, weights: Tensor) -> None:
        """Put the conductances of an emulated array to what weights stand for."""
        if self.emulator is None:
            raise ConfigError(
                f"{self.board.info.name} is not emulated here, so conductances cannot be "
                "put there; choose programming = write_verify; nothing was written"
            )
        mapping = self.recipe.mapping
        if weights.shape != mapping.shape or not bool(torch.isfinite(weights).all()):
            raise ShapeError(
                f"weights of shape {tuple(weights.shape)} must be finite numbers of shape "
                f"{mapping.shape}; nothing was written"
            )
        targets = mapping.targets(mapping.clip(weights.double()))
        g = targets.clamp(mapping.g_min_siemens, mapping.g_max_siemens)
        state = self.emulator.state
        self.emulator.restore(state._replace(g=g.to(state.g.dtype).contiguous()))

    def effective(self) -> EffectiveWeights | None:
        """The weights as noiseless reads see them, with the variance of one; None on a board."""
        if self.emulator is None:
            return None
        front = self.emulator.front_end
        factor = 1.0 if front is None else front.factor
        weights = effective_weights(self.recipe.mapping, self.emulator.effective(), factor)
        self._siemens = weights.siemens
        return weights

    def known(self) -> Tensor:
        """The weights as last read back and moved on, (rows, outputs) float32."""
        return (self.estimate or self.read_back()).weights

    def read_back(self) -> WeightEstimate:
        """Read all weights, see `Synapses.read_back`."""
        self.check_open()
        self.flush()
        self.estimate = self.synapses.read_back(self.recipe.hardware.reads.readback_reads)
        self.version += 1
        return self.estimate

    def pulse(self, pulses: PulseBatch) -> None:
        """Send pulses to devices."""
        self.check_open()
        self.flush()
        self.board.pulse(pulses)
        self.version += 1

    def wait(self, seconds: float, temperature_kelvin: float | None = None) -> None:
        """Let device time pass, at a temperature where the array is emulated here.

        Raises:
            ConfigError: A temperature is asked of a board.
            LimitError: Such a time cannot pass.
        """
        self.check_open()
        self.flush()
        if self.emulator is not None:
            self.emulator.wait(seconds, temperature_kelvin=temperature_kelvin)
        elif temperature_kelvin is not None:
            name = self.board.info.name
            raise ConfigError(f"{name} has the temperature it has; nothing was done")
        else:
            self.board.wait(seconds)
        self.estimate = None
        self.version += 1

    @property
    def converts(self) -> bool:
        """Whether a product is more than one with the effective weights: it is left to `vmm`."""
        front = None if self.emulator is None else self.emulator.front_end
        kind = "" if front is None else front.periphery.kind
        return kind == "adc" or (front is not None and front.periphery.iv_volts is not None)

    def forward(self, lines: Tensor) -> Tensor:
        """lines @ weights through the board, (vectors, outputs), in the type of `lines`.

        The largest line drives the read voltage. Converters take currents of one sign, so that
        lines of either sign are read apart; the range is measured on the first lines.

        Args:
            lines: (vectors, rows), finite.
        """
        self.check_open()
        scale = float(lines.abs().max()) if lines.numel() else 0.0
        scale = scale or 1.0
        shares = (lines / scale).clamp_(-1.0, 1.0)
        self._calibrate(shares)
        parts = [shares]
        if self.converts and bool((shares < 0).any()):
            parts = [shares.clamp(min=0.0), (-shares).clamp_(min=0.0)]
        sums = [self.synapses.forward(part) for part in parts]
        return (sums[0] if len(sums) == 1 else sums[0] - sums[1]).mul_(scale)

    def _calibrate(self, shares: Tensor) -> None:
        """Measure the range of converters that have none."""
        front = None if self.emulator is None else self.emulator.front_end
        if self.emulator is None or front is None or front.periphery.kind != "adc":
            return
        if front.range_amperes is None:
            size = self.recipe.hardware.tiles.tile_rows
            lines = csr_array(shares.abs().float().numpy())
            amperes = measured_range(self.emulator.effective().siemens, front, lines, size)
            self.emulator.front_end = replace(front, range_amperes=amperes)

    def forget_range(self) -> None:
        """Let the next product measure the range of the converters, unless it is fixed."""
        if self.emulator is not None and self.emulator.front_end is not None:
            front = self.emulator.front_end
            fixed = front.periphery.adc_range_amperes
            self.emulator.front_end = replace(front, range_amperes=fixed)

    def count(self, driven: Driven) -> None:
        """Count products that were computed from `effective`; they are added up on their device."""
        if self._driven:
            before = self._driven.pop()
            driven = Driven(*(a + b for a, b in zip(before, driven, strict=True)))
        self._driven.append(driven)

    def flush(self) -> None:
        """Tell the emulator of the products so far: the next event may change the devices."""
        if not self._driven or self.emulator is None:
            return
        times, squares, steps = (part.cpu() for part in self._driven.pop())
        total = float(squares.double().numpy() @ self._siemens)
        reads = ReadCounts(int(times.sum()), int(steps), total, lines=times.double().numpy())
        self.emulator.count_vmm(reads)

    @property
    def counters(self) -> Counters:
        """All that the board did so far."""
        self.flush()
        return self.board.counters

    def close(self) -> None:
        """Let go of the board; later reads and pulses are refused."""
        self.is_closed = True
        self.board.close()

    def policy_board(self) -> Callable[[], Board]:
        """Makes an array of a policy's own, of the layer's kind of device."""

        def make() -> Board:
            if self.emulator is None:
                raise ConfigError(
                    f"this policy needs an array of its own beside {self.board.info.name}; choose "
                    "another policy; nothing was sent"
                )
            r = self.recipe
            return r.hardware.plain_array(r.sheet, r.mapping.shape, r.seed, r.index + 1)

        return make

    def state(self) -> dict[str, Tensor]:
        """Devices, counters, random streams; of a board that was given, nothing."""
        if self.emulator is None:
            return {}
        self.flush()
        devices = {name: part.clone() for name, part in self.emulator.state_dict().items()}
        streams = {f"stream.{n}": part for n, part in self.emulator.streams.state().items()}
        counters = [float(value) for value in vars(self.emulator.counters).values()]
        front = self.emulator.front_end
        amperes = None if front is None else front.range_amperes
        return {
            **devices,
            **streams,
            "counters": torch.tensor(counters, dtype=torch.float64),
            "products": torch.tensor(self.products),
            "w_max": torch.tensor(self.recipe.mapping.w_max, dtype=torch.float64),
            "range": torch.tensor([] if amperes is None else [amperes], dtype=torch.float64),
        }

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Put the array where `state` was taken.

        Raises:
            ShapeError: That is of other devices; nothing was loaded.
        """
        if self.emulator is None:
            return
        before = self.emulator.streams.state()
        try:
            devices = {n: part.clone() for n, part in state.items() if not n.startswith("stream.")}
            extra = [devices.pop(name) for name in ("counters", "products", "range")]
            self._check_scale(float(devices.pop("w_max")))
            streams = {n[7:]: state[n] for n in state if n.startswith("stream.")}
            numbers = [float(value) for value in extra[0]]
            names = vars(Counters())
            counters = {
                name: x if name.endswith("joules") else int(x)
                for name, x in zip(names, numbers, strict=True)
            }
            self.emulator.streams.restore(streams)
            self.emulator.load_state_dict(devices)
        except (KeyError, ValueError, TypeError) as e:
            self.emulator.streams.restore(before)
            raise ShapeError(f"{_reason(e)}; nothing was loaded into this layer") from e
        self.emulator.counters = Counters(**counters)  # type: ignore[arg-type]  # by their names
        self.emulator.refresh()
        if self.emulator.front_end is not None:
            amperes = float(extra[2][0]) if extra[2].numel() else None
            self.emulator.front_end = replace(self.emulator.front_end, range_amperes=amperes)
        self.products, self.estimate, self._driven = int(extra[1]), None, []
        self.version += 1

    def _check_scale(self, w_max: float) -> None:
        """Refuse conductances that stand for other weights here than where they were saved."""
        here = self.recipe.mapping.w_max
        if not math.isclose(w_max, here, rel_tol=1e-6):
            raise ValueError(
                f"its full window stands for the weight {w_max:.4g}, here for {here:.4g}; make the "
                f"layer with w_max={w_max!r}"
            )

    def __reduce__(self) -> tuple[Any, ...]:
        """A copy is made of the same recipe and put into the same state.

        Raises:
            ConfigError: A board that was given cannot be copied.
        """
        if self.emulator is None:
            raise ConfigError(
                f"{self.board.info.name} is a board, which cannot be copied or pickled "
                "with the layer on it; nothing was copied"
            )
        return _rebuilt, (self.recipe, self.state(), self.is_closed)


def _rebuilt(recipe: Recipe, state: dict[str, Tensor], is_closed: bool) -> CrossbarArray:
    """See `CrossbarArray.__reduce__`."""
    array = CrossbarArray(recipe)
    array.restore(state)
    array.is_closed = is_closed
    return array


def _reason(error: Exception) -> str:
    """Why a state is none, in words."""
    return f"it lacks {error.args[0]}" if isinstance(error, KeyError) else str(error)


def _closed_loop(
    board: Board, sheet: DeviceModel, targets: Tensor, selected: Tensor, only: Tensor | None
) -> Tensor:
    """`write_verify` with the settings of `xbar program`; an `Algorithm`."""
    chosen = selected if only is None else only & selected
    return write_verify(board, sheet, targets, chosen, WriteVerify()).siemens
