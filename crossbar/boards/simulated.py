"""A board made of simulated devices."""

import math
from collections.abc import Callable
from typing import Literal

import torch
from torch import Tensor

from device_models.errors import ShapeError
from device_models.model import DeviceModel, DeviceState
from device_models.pulsed import Pulsed
from device_models.streams import stream, torch_stream

from ..array import half_select
from ..array.counters import Counters
from ..array.faults import Broken, FaultMap
from ..array.half_select import HalfSelect
from ..array.periphery import FrontEnd, convert
from ..array.tile import Tiling, read
from ..wires.array import WiredArray
from . import pulse_kernels
from .device_array import Devices
from .protocol import BoardInfo, PulseBatch, check_line, counts_of_line, counts_of_one

_VERIFY_PASSES = 20
_UP = torch.ones(())
_ALL = (slice(None), slice(None))


class SimulatedBoard:
    """The emulator behind the `Board` protocol, and the truths only an emulator can tell.

    The variance of a read is kept per device and renewed where a pulse went: no work per read that
    belongs to programming. With wires, `g` and all reads are those through the wires: a device is
    read by driving its word line alone. The noise of a device is scaled by what its own lines leave
    of its current; pulses lose nothing on their way. What is broken (`faults.Broken`) is a matter
    of the board: its devices below know nothing of it. Emulator-only: `state`, `g` (what a noiseless
    read would see now), `read_sigma`, `restore`, `reseed`, `settle`, `wait`, `count_vmm`, `broken`.
    `pulsed` counts the pulses that reached each device, int32 (word lines, bit lines).

    `g`, `read_sigma` and `pulsed` follow every pulse in place; a `state` stays as handed out.
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
        wired: WiredArray | None = None,
        faults: FaultMap | None = None,
        half: HalfSelect | None = None,
        front_end: FrontEnd | None = None,
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
            wired: The wires of its tiles, open and bridged lines among them; None without
                resistance.
            faults: What is broken; None for a perfect array.
            half: How pulses reach the neighbours of a device; None with a transistor at each.
            front_end: What its columns are read with; None for ideal ammeters.

        Raises:
            ConfigError: `half` is given for a device without pulse voltages.
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
        self._seed, self._place, self.wired = seed, place, wired
        self.front_end = front_end
        self.broken = None if faults is None else Broken(faults)
        self._half = None if half is None else (half_select.check(model), half)
        made = torch_stream("manufacture", seed, place)
        state = model.manufacture(self.info.shape, generator=made)
        self._devices = Devices(model, state, self.broken, is_alone=half is None)
        self.pulsed = torch.zeros(self.info.shape, dtype=torch.int32)
        self.reseed(0)

    @property
    def state(self) -> DeviceState:
        """The devices as they are now; pulses leave what was handed out alone."""
        return self._devices.state

    def restore(self, state: DeviceState, pulsed: Tensor | None = None) -> None:
        """Put the devices into a saved state, and their counts of pulses where given."""
        self.pulsed = self.pulsed if pulsed is None else pulsed.clone()
        self._devices.restore(state)
        self._show()

    def reseed(self, epoch: int) -> None:
        """Start an epoch: its random streams, read noise and wires of all devices anew.

        A resumed run does the same and so draws the same numbers from the same spreads: computed
        device by device instead, they could differ in the last bit.
        """
        if self.wired is not None:
            probes = stream("wire probes", self._seed, self._place, epoch)
            seen = self._devices.conductance(self._devices.state)
            self.wired.start(seen.double().numpy(), probes)
        self._devices.look()
        self._show()
        self._pulse_noise = torch_stream("pulses", self._seed, self._place, epoch)
        self._read_noise = torch_stream("board reads", self._seed, self._place, epoch)
        self._time_noise = torch_stream("device time", self._seed, self._place, epoch)
        self._conversion_noise = stream("conversion noise", self._seed, self._place, epoch)

    def pulses_per_device(self) -> Tensor:
        """Pulses that reached each device that is ever programmed, int32 (devices,)."""
        return self.pulsed[self._selected]

    def settle(self) -> None:
        """Look at all devices anew, and through the wires exactly, whatever their refresh policy.

        So devices restored from a file are seen as they were when it was written, to the last bit.
        """
        self._devices.look()
        self._show(exact=True)

    def wait(self, seconds: float, *, temperature_kelvin: float | None = None) -> None:
        """Let device time pass: relaxation, retention and slow fluctuation go on."""
        self._devices.advance(seconds, self._time_noise, temperature_kelvin)
        self._show()

    def read_all(self) -> Tensor:
        """See `Board.read_all`."""
        g, sigma = self.g, self.read_sigma
        self._count_reads(g)
        if sigma is None:
            return g.clone()
        noise = torch.randn(g.shape, generator=self._read_noise)
        return torch.addcmul(g, sigma, noise, out=noise)

    def read_slice(self, line: int, axis: Literal["word", "bit"]) -> Tensor:
        """See `Board.read_slice`."""
        check_line(self.info.shape, line, axis)
        place = (line, slice(None)) if axis == "word" else (slice(None), line)
        return self._read_at(place)

    def read_one(self, word_line: int, bit_line: int) -> float:
        """See `Board.read_one`."""
        check_line(self.info.shape, word_line, "word")
        check_line(self.info.shape, bit_line, "bit")
        return float(self._read_at((slice(word_line, word_line + 1), bit_line)))

    def vmm(self, v_volts: Tensor) -> Tensor:
        """See `Board.vmm`; columns of a tile are converted where one of its lines is driven."""
        if v_volts.ndim != 2 or v_volts.shape[1] != self.info.shape[0]:
            raise ShapeError(
                f"voltages have shape {tuple(v_volts.shape)}, not (vectors, {self.info.shape[0]} "
                "word lines); nothing was read"
            )
        driven = v_volts != 0
        out, clipped = self._read_out(v_volts)
        tile_steps = sum(
            int(torch.count_nonzero(tile.any(1)))
            for tile in torch.split(driven, self._tiling.tile_rows, dim=1)
        )
        joules = float((v_volts.square() @ self.g.sum(1)).sum()) * self.info.t_read_seconds
        self.counters += Counters(
            row_activations=int(driven.sum()) * self._tiling.across,
            column_conversions=tile_steps * self._tiling.columns,
            clipped_conversions=clipped,
            read_joules=joules,
        )
        return out

    def _read_out(self, v_volts: Tensor) -> tuple[Tensor, int]:
        """Bit-line currents through the front end, amperes, and how many conversions it clipped.

        Converters take currents of one sign; a negative current gives code 0.
        """
        if self.front_end is None:
            return read(self.g, self.read_sigma, v_volts, generator=self._read_noise), 0
        p, size = self.front_end.periphery, self._tiling.tile_rows
        seen = p.chord(v_volts.numpy()) * p.share(self.info.t_read_seconds)
        v = v_volts * torch.from_numpy(seen).to(v_volts.dtype)
        range_amperes = self.front_end.full_scale() if p.kind == "adc" else 0.0
        currents = []
        for first in range(0, self.info.shape[0], size):
            rows = slice(first, first + size)
            sigma = None if self.read_sigma is None else self.read_sigma[rows]
            currents.append(read(self.g[rows], sigma, v[:, rows], generator=self._read_noise))
        partial = torch.stack(currents, 1)  # (vectors, row tiles, columns)
        if p.kind != "adc":
            return partial.sum(1), 0
        driven = torch.stack([tile.any(1) for tile in torch.split(v != 0, size, dim=1)], 1).numpy()
        normals = self._conversion_noise.standard_normal(partial.shape)
        made = self.front_end.converters
        codes, above = convert(p, made, partial.double().numpy(), range_amperes, normals)
        total = (codes * driven[:, :, None]).sum(1) * (range_amperes / p.top)
        return torch.from_numpy(total).to(partial.dtype), int((above & driven[:, :, None]).sum())

    def count_vmm(
        self, activations: int, tile_steps: int, siemens: float, clipped: int = 0
    ) -> None:
        """Count products that a kernel computed from the state of this board.

        Args:
            activations: Word lines driven at the read voltage, over all steps.
            tile_steps: (row of tiles, step) pairs in which a line was driven.
            siemens: Conductance of all driven devices, summed.
            clipped: Conversions above the range.
        """
        self.counters += Counters(
            row_activations=activations * self._tiling.across,
            column_conversions=tile_steps * self._tiling.columns,
            clipped_conversions=clipped,
            read_joules=siemens * self.info.v_read_volts**2 * self.info.t_read_seconds,
        )

    def pulse_one(self, word_line: int, bit_line: int, count: int) -> None:
        """See `Board.pulse_one`."""
        self.pulse_array(counts_of_one(self.info.shape, word_line, bit_line, count))

    def pulse_slice(self, line: int, axis: Literal["word", "bit"], counts: Tensor) -> None:
        """See `Board.pulse_slice`."""
        self.pulse_array(counts_of_line(self.info.shape, line, axis, counts))

    def pulse_array(self, counts: Tensor) -> None:
        """See `Board.pulse_array`; pulses that a fault swallows are counted and paid for too."""
        self._devices.check(counts, self._selected)
        self.pulse_devices(PulseBatch.of(counts))

    def pulse_devices(self, sent: PulseBatch) -> None:
        """Send some devices their signed numbers of pulses: see `pulse_array`."""
        done = pulse_kernels.count_pulses(self.model, sent)
        reaching, chosen, lost, joules = sent, self._selected, 0, 0.0
        if self.broken is not None:
            counts = sent.array(self.info.shape)
            reaching, chosen = (
                PulseBatch.of(self.broken.reaching(counts)),
                chosen & ~self.broken.dead,
            )
            joules = self.broken.joules(self.model, counts)
            lost = self.broken.lost(self.model, counts)
        if not self._devices.is_in_place:
            joules += self._pulse_any(reaching, chosen, sent)
            self._show()
        elif len(reaching.where):
            joules += self._devices.pulse(reaching, self.pulsed, self._pulse_noise)
            self._show()
        self.counters += Counters(
            set_pulses=done.sets,
            reset_pulses=done.resets,
            lost_pulses=lost,
            programming_operations=int(done.devices > 0),
            programmed_devices=done.devices,
            write_joules=joules,
        )

    def read_devices(self, where: Tensor) -> Tensor:
        """Conductances of devices at flat indices, siemens, with the noise of one read."""
        columns = self.info.shape[1]
        return self._read_at((where // columns, where % columns))

    def program(
        self,
        targets_siemens: Tensor,
        only: Tensor | None = None,
        algorithm: "Algorithm | None" = None,
    ) -> Tensor:
        """See `Board.program`; another `algorithm` takes the place of what follows.

        Each pass reads every selected device, with noise, and sends one that is off by more than
        half of its finer step the pulses the gap is worth, at least one: where SET is coarse and
        RESET fine, a device is set beyond its target and trimmed down to it; a pass sends no more
        than cross the window. It ends when a pass
        leaves no fewer devices off than the one before: what remains is noise, or out of reach. A
        few devices may all be far from their targets for several passes: with `only`, the pulses
        that are still wanted are counted instead.
        """
        if algorithm is not None:
            chosen = self._selected if only is None else only & self._selected
            return algorithm(self, targets_siemens, chosen)
        place = _ALL if only is None else (only & self._selected).nonzero(as_tuple=True)
        targets, chosen = targets_siemens[place], self._selected[place]
        seen, before, most = targets, math.inf, math.ceil(self.model.pulses_across)
        for _ in range(_VERIFY_PASSES):
            seen = self.read_all() if only is None else self._read_at(place)
            gap = targets - seen
            up, down = (self.model.step_siemens(seen, way) for way in (_UP, -_UP))
            steps = gap / torch.where(gap > 0, up, down)
            pulses = steps.sign() * steps.abs().round_().clamp_(1.0, most)
            pulses[(gap.abs() <= torch.minimum(up, down) / 2) | ~chosen] = 0.0
            left = int(torch.count_nonzero(pulses) if only is None else pulses.abs().sum())
            if not 0 < left < before:
                break
            before = left
            counts = torch.zeros(self.info.shape, dtype=torch.int32)
            counts[place] = pulses.to(torch.int32)
            self.pulse_array(counts)
        found = targets_siemens.clone()
        found[place] = seen.to(found.dtype)
        return found

    def close(self) -> None:
        """Nothing to let go of."""

    def _pulse_any(self, reaching: PulseBatch, chosen: Tensor, sent: PulseBatch) -> float:
        """Pulse any kind of device in any array by the functions of its model; joules."""
        counts = reaching.array(self.info.shape)
        self.pulsed += pulse_kernels.own(self.model, counts)
        joules = self._devices.program(counts, chosen, self._pulse_noise)
        return joules if self._half is None else joules + self._disturb(sent, *self._half)

    def _disturb(self, sent: PulseBatch, model: Pulsed, half: HalfSelect) -> float:
        """Do to the devices what pulses do to those that they half select; joules."""
        state, counts = self._devices.state, sent.array(self.info.shape)
        seen = self._devices.conductance(state)
        if self.broken is not None:
            seen = seen.masked_fill(self.broken.cut, 0.0)
        after = half_select.disturb(model, state, seen, counts, self._tiling, half)
        found = after.state
        if self.broken is not None:
            found = state._replace(g=torch.where(self.broken.dead, state.g, found.g))
        self._devices.restore(found)
        return after.energy_joules

    def _show(self, exact: bool = False) -> None:
        """Bring `g` and `read_sigma` up to date: through the lines, with their wires if any."""
        own, sigma = self._devices.g, self._devices.sigma
        self.g, self.read_sigma = own, sigma
        if self.wired is None:
            if self.broken is not None:
                self.g = own.masked_fill(self.broken.cut, 0.0)
                self.read_sigma = None if sigma is None else sigma.masked_fill(self.broken.cut, 0.0)
            return
        array = own.double().numpy()
        seen = self.wired.checkpoint(array) if exact else self.wired.look(array)
        self.g = torch.from_numpy(seen.siemens).to(own.dtype)
        if sigma is not None:
            self.read_sigma = sigma * torch.from_numpy(seen.share).to(own.dtype)

    def _read_at(self, place: tuple[int | slice | Tensor, ...]) -> Tensor:
        """Read the devices of one place with noise."""
        g = self.g[place]
        self._count_reads(g)
        if self.read_sigma is None:
            return g.clone()
        return g + self.read_sigma[place] * torch.randn(g.shape, generator=self._read_noise)

    def _count_reads(self, g: Tensor) -> None:
        """Count one read of each of these devices."""
        joules = float(g.sum()) * self.info.v_read_volts**2 * self.info.t_read_seconds
        self.counters += Counters(device_reads=g.numel(), read_joules=joules)


# Writes the chosen devices of a board: (board, targets, chosen) -> what the last reads found.
Algorithm = Callable[[SimulatedBoard, Tensor, Tensor], Tensor]
