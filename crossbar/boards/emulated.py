"""A board made of simulated devices."""

from typing import Literal

import torch
from torch import Tensor

from device_models.errors import LimitError, ShapeError
from device_models.model import DeviceModel, DeviceState

from ..counters import Counters
from ..streams import torch_stream
from ..tile import Tiling, read
from .board import BoardInfo

_VERIFY_PASSES = 20
_UP = torch.ones(())


class EmulatedBoard:
    """The emulator behind the `Board` protocol, and the truths only an emulator can tell.

    The variance of a read is kept per device and renewed where a pulse went: no work per read that
    belongs to programming. Emulator-only: `state`, `g` (what a noiseless read would see now),
    `read_sigma`, `restore`, `reseed`, `wait`, `count_vmm`.
    """

    def __init__(
        self,
        model: DeviceModel,
        tiling: Tiling,
        selected: Tensor,
        *,
        v_read_volts: float,
        t_read_seconds: float,
        seed: int,
        place: int,
    ) -> None:
        """Manufacture the array.

        Args:
            model: Kind of device.
            tiling: Its size and how it is cut.
            selected: Which devices are ever programmed, bool (word lines, bit lines).
            v_read_volts: Read voltage.
            t_read_seconds: Duration of one read.
            seed: Seed of the run.
            place: Number of this board in the run; names its random streams.
        """
        self.info = BoardInfo(
            f"emulated {type(model).__name__}",
            (tiling.rows, tiling.columns),
            (tiling.tile_rows, tiling.tile_columns),
            v_read_volts,
            t_read_seconds,
            is_emulator=True,
        )
        self.counters = Counters()
        self.model, self._tiling, self._selected = model, tiling, selected
        self._seed, self._place = seed, place
        made = torch_stream("manufacture", seed, place)
        self.restore(model.manufacture(self.info.shape, generator=made))
        self.reseed(0)

    def restore(self, state: DeviceState) -> None:
        """Put the devices into a saved state."""
        self.state = state
        self._look()

    def reseed(self, epoch: int) -> None:
        """Start an epoch: its random streams, and the read noise of all devices anew.

        A resumed run does the same and so draws the same numbers from the same spreads: computed
        device by device instead, they could differ in the last bit.
        """
        self._look()
        self._pulse_noise = torch_stream("pulses", self._seed, self._place, epoch)
        self._read_noise = torch_stream("board reads", self._seed, self._place, epoch)
        self._time_noise = torch_stream("device time", self._seed, self._place, epoch)

    def wait(self, seconds: float, *, temperature_kelvin: float | None = None) -> None:
        """Let device time pass: relaxation, retention and slow fluctuation go on."""
        self.restore(
            self.model.advance(
                self.state,
                seconds,
                generator=self._time_noise,
                temperature_kelvin=temperature_kelvin,
            )
        )

    def read_all(self) -> Tensor:
        """See `Board.read_all`."""
        g, sigma = self.g, self.read_sigma
        self._count_reads(g)
        if sigma is None:
            return g
        return torch.addcmul(g, sigma, torch.randn(g.shape, generator=self._read_noise))

    def read_slice(self, line: int, axis: Literal["word", "bit"]) -> Tensor:
        """See `Board.read_slice`."""
        self._check_line(line, axis)
        place = (line, slice(None)) if axis == "word" else (slice(None), line)
        return self._read_at(place)

    def read_one(self, word_line: int, bit_line: int) -> float:
        """See `Board.read_one`."""
        self._check_line(word_line, "word")
        self._check_line(bit_line, "bit")
        return float(self._read_at((slice(word_line, word_line + 1), bit_line)))

    def vmm(self, v_volts: Tensor) -> Tensor:
        """See `Board.vmm`; columns of a tile are converted where one of its lines is driven."""
        if v_volts.ndim != 2 or v_volts.shape[1] != self.info.shape[0]:
            raise ShapeError(
                f"voltages have shape {tuple(v_volts.shape)}, not (vectors, {self.info.shape[0]} "
                "word lines); nothing was read"
            )
        driven = v_volts != 0
        tile_steps = sum(
            int(torch.count_nonzero(tile.any(1)))
            for tile in torch.split(driven, self._tiling.tile_rows, dim=1)
        )
        joules = float((v_volts.square() @ self.g.sum(1)).sum()) * self.info.t_read_seconds
        self.counters += Counters(
            row_activations=int(driven.sum()) * self._tiling.across,
            column_conversions=tile_steps * self._tiling.columns,
            read_joules=joules,
        )
        return read(self.g, self.read_sigma, v_volts, generator=self._read_noise)

    def count_vmm(self, activations: int, tile_steps: int, siemens: float) -> None:
        """Count products that a kernel computed from the state of this board.

        Args:
            activations: Word lines driven at the read voltage, over all steps.
            tile_steps: (row of tiles, step) pairs in which a line was driven.
            siemens: Conductance of all driven devices, summed.
        """
        self.counters += Counters(
            row_activations=activations * self._tiling.across,
            column_conversions=tile_steps * self._tiling.columns,
            read_joules=siemens * self.info.v_read_volts**2 * self.info.t_read_seconds,
        )

    def pulse_one(self, word_line: int, bit_line: int, count: int) -> None:
        """See `Board.pulse_one`."""
        self._check_line(word_line, "word")
        self._check_line(bit_line, "bit")
        counts = torch.zeros(self.info.shape, dtype=torch.int32)
        counts[word_line, bit_line] = count
        self.pulse_array(counts)

    def pulse_slice(self, line: int, axis: Literal["word", "bit"], counts: Tensor) -> None:
        """See `Board.pulse_slice`."""
        self._check_line(line, axis)
        everywhere = torch.zeros(self.info.shape, dtype=torch.int32)
        along = (everywhere if axis == "word" else everywhere.T)[line]
        if counts.shape != along.shape:  # torch would send a single count to the whole line
            raise ShapeError(
                f"counts has shape {tuple(counts.shape)}, the line {tuple(along.shape)}; "
                "no pulse was applied"
            )
        along.copy_(counts)
        self.pulse_array(everywhere)

    def pulse_array(self, counts: Tensor) -> None:
        """See `Board.pulse_array`."""
        after = self.model.program(self.state, counts, self._selected, generator=self._pulse_noise)
        self._moved(after.state)
        sets, resets = self.model.pulses(counts)
        programmed = int(torch.count_nonzero(counts))
        self.counters += Counters(
            set_pulses=sets,
            reset_pulses=resets,
            programming_operations=int(programmed > 0),
            programmed_devices=programmed,
            write_joules=after.energy_joules,
        )

    def program(self, targets_siemens: Tensor) -> None:
        """See `Board.program`.

        Each pass reads every selected device, with noise, and sends one that is off by more than
        half of its finer step the pulses the gap is worth, at least one: where SET is coarse and
        RESET fine, a device is set beyond its target and trimmed down to it. It ends when a pass
        leaves no fewer devices off than the one before: what remains is noise, or out of reach.
        """
        before = self.state.g.numel() + 1
        for _ in range(_VERIFY_PASSES):
            found = self.read_all()
            gap = targets_siemens - found
            up, down = (self.model.step_siemens(found, way) for way in (_UP, -_UP))
            steps = gap / torch.where(gap > 0, up, down)
            pulses = steps.sign() * steps.abs().round_().clamp_(min=1.0)
            pulses[(gap.abs() <= torch.minimum(up, down) / 2) | ~self._selected] = 0.0
            off = int(torch.count_nonzero(pulses))
            if not 0 < off < before:
                return
            before = off
            self.pulse_array(pulses.to(torch.int32))

    def close(self) -> None:
        """Nothing to let go of."""

    def _check_line(self, line: int, axis: Literal["word", "bit"]) -> None:
        """Raise LimitError for a line that the array does not have; a negative one is none."""
        lines = self.info.shape[0 if axis == "word" else 1]
        if not 0 <= line < lines:
            raise LimitError(
                f"there is no {axis} line {line}, the array has 0 to {lines - 1}; nothing was sent"
            )

    def _look(self) -> None:
        """What reads see of every device: conductance and spread."""
        self.g = self.model.conductance(self.state)
        self.read_sigma = self.model.read_sigma_siemens(self.g)

    def _moved(self, state: DeviceState) -> None:
        """Take up a state after pulses; only devices that moved get a new read spread."""
        g = self.model.conductance(state)
        if self.read_sigma is not None:
            moved = (g != self.g).flatten().nonzero().squeeze(1)
            fresh = self.model.read_sigma_siemens(g.flatten()[moved])
            if fresh is not None:
                self.read_sigma = self.read_sigma.flatten().index_copy(0, moved, fresh).view_as(g)
        self.state, self.g = state, g

    def _read_at(self, place: tuple[int | slice, int | slice]) -> Tensor:
        """Read the devices of one place with noise."""
        g = self.g[place]
        self._count_reads(g)
        if self.read_sigma is None:
            return g
        return g + self.read_sigma[place] * torch.randn(g.shape, generator=self._read_noise)

    def _count_reads(self, g: Tensor) -> None:
        """Count one read of each of these devices."""
        joules = float(g.sum()) * self.info.v_read_volts**2 * self.info.t_read_seconds
        self.counters += Counters(device_reads=g.numel(), read_joules=joules)
