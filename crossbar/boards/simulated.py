"""A board made of simulated devices."""

import functools
from collections.abc import Mapping
from dataclasses import replace

import torch
from torch import Tensor

from device_models.model import DeviceModel, DeviceState
from device_models.pulse_law import PulseDrive
from device_models.streams import stream, torch_stream

from ..array import half_select
from ..array.counters import Counters
from ..array.faults import Broken, FaultMap, healthy, with_stuck_devices
from ..array.half_select import HalfSelect
from ..array.periphery import FrontEnd, convert
from ..array.tile import Tiling, read
from ..wires.array import WiredArray
from ..wires.wires import Floats
from . import pulse_kernels
from .board_info import info_of
from .board_streams import BoardStreams
from .device_array import Devices, check_alike
from .pending_reads import pending_reads
from .protocol import (
    EffectiveArray,
    Indices,
    PulseBatch,
    PulseShape,
    ReadCounts,
    check_batch,
    check_devices,
    check_seconds,
    check_volts,
)
from .pulse_loss import pulse_loss, siemens_of
from .pulse_shapes import drive_of, reaching_of, refuse_half_selected, spread


class SimulatedBoard:
    """The emulator: what `Board` and `Emulator` ask, on one array.

    The variance of a read is kept per device and renewed where a pulse went: no work per read that
    belongs to programming. With wires, `g` and all reads are those through the wires: a device is
    read by driving its word line alone. The noise of a device is scaled by what its own lines leave
    of its current; pulses lose on their way what `PulseLoss` says, where `wires.pulse_loss` is set.
    What is broken (`faults.Broken`) is a matter of the board: its devices know nothing of it.

    Attributes:
        info: See `Board`.
        counters: See `Board`.
        front_end: See `Emulator`.
        wired: See `Emulator`.
        broken: What is broken, as pulses and reads meet it; None for a perfect array.
        g: What a noiseless read would see now, siemens.
        read_sigma: Spread of one read, siemens; None without noise.
        pulsed: Pulses that reached each device, int32 (word lines, bit lines).
        streams: What is random since `begin_epoch`.

    The three before the last follow every pulse in place; a `state` stays as handed out.
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
        index: int,
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
            index: Number of this board in the run; names its random streams.
            wired: The wires of its tiles, open and bridged lines among them; None without
                resistance.
            faults: What is broken besides the stuck devices of the kind; None for nothing.
            half: How pulses reach the neighbours of a device; None with a transistor at each.
            front_end: What its columns are read with; None for ideal ammeters.

        Raises:
            ConfigError: `half` is given for a device without pulse voltages.
        """
        self.info = info_of(model, tiling, v_read_volts, t_read_seconds)
        self.counters = Counters()
        self._model, self._tiling, self._selected = model, tiling, selected
        self._seed, self._index, self.wired = seed, index, wired
        self.front_end = front_end
        stuck = model.draw_stuck(
            self.info.shape, generator=torch_stream("stuck devices", seed, index)
        )
        faults = with_stuck_devices(faults, tiling, stuck)
        self.broken = None if faults is None else Broken(faults)
        self._half = None if half is None else (half_select.check(model), half)
        self._loss = pulse_loss(model, wired, half)
        self._reads = pending_reads(model, self.info.shape, v_read_volts)
        make = functools.partial(_manufactured, model, self.info.shape, seed, index)
        self._devices = Devices(model, make, self.broken)
        self.pulsed = torch.zeros(self.info.shape, dtype=torch.int32)
        self.begin_epoch(0)

    @property
    def state(self) -> DeviceState:
        """The devices as they are now; pulses leave what was handed out alone."""
        return self._devices.state

    def restore(self, state: DeviceState, pulsed: Tensor | None = None) -> None:
        """Put the devices into a saved state, and their counts of pulses where given."""
        self.pulsed = self.pulsed if pulsed is None else pulsed.clone()
        self._devices.restore(state)
        self._show()

    def begin_epoch(self, epoch: int) -> None:
        """Start an epoch: its random streams, read noise and wires of all devices anew.

        A resumed run does the same and so draws the same numbers from the same spreads: computed
        device by device instead, they could differ in the last bit.
        """
        self._take_reads()
        self._devices.refresh_reads()
        if self.wired is not None:
            probes = stream("wire probes", self._seed, self._index, epoch)
            self.wired.start(self._devices.g.double().numpy(), probes)
        self._show()
        self.streams = BoardStreams(self._seed, self._index, epoch)

    def pulses_per_device(self) -> Tensor:
        """Pulses that reached each device that is ever programmed, int32 (devices,)."""
        return self.pulsed[self._selected]

    def refresh(self) -> None:
        """See `Emulator.refresh`, whatever the refresh policy of the wires.

        So devices restored from a file are seen as they were when it was written, to the last bit.
        """
        self._take_reads()
        self._devices.refresh_reads()
        self._show(exact=True)

    @property
    def faults(self) -> FaultMap | None:
        """See `Emulator.faults`."""
        return None if self.broken is None else self.broken.faults

    def stick(self, device: Indices, siemens: Floats) -> None:
        """Make devices stuck from now on, or heal them; a healed one is where it was before.

        Args:
            device: Flat indices.
            siemens: What each reads from now on, (devices,); nan for a healthy one.

        Raises:
            LimitError: There is no such device or conductance; nothing was changed.
        """
        check_devices(self.info, device)
        faults = healthy(self._tiling) if self.faults is None else self.faults
        stuck = faults.stuck_siemens.copy()
        stuck.reshape(-1)[device] = siemens
        self.broken = Broken(replace(faults, stuck_siemens=stuck))
        self._devices.broken = self.broken
        self.refresh()

    def effective(self) -> EffectiveArray:
        """See `Emulator.effective`."""
        return EffectiveArray(self.g, self.read_sigma)

    def array_siemens(self) -> Tensor:
        """See `Emulator.array_siemens`."""
        return self.g

    def driven_siemens(self) -> Tensor:
        """See `Emulator.driven_siemens`: the layer fills the array."""
        return self.g

    def healthy(self) -> Tensor:
        """See `Emulator.healthy`: 1 or 0."""
        return torch.ones(self.info.shape) if self.broken is None else (~self.broken.dead).float()

    def state_dict(self) -> dict[str, Tensor]:
        """See `Emulator.state_dict`: conductances, pulses, traits and dynamics."""
        state = self.state
        traits = {f"trait.{name}": trait for name, trait in state.traits.items()}
        dynamics = {f"dynamic.{name}": dynamic for name, dynamic in state.dynamics.items()}
        waiting = {} if self._reads is None else {"reads": self._reads.lines}
        return {"g": state.g, "pulsed": self.pulsed} | traits | dynamics | waiting

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """See `Emulator.load_state_dict`."""
        check_alike(self._model, state, self.state_dict())
        if self._reads is not None:
            self._reads.lines = state["reads"].clone()
        traits, dynamics = _named(state, "trait."), _named(state, "dynamic.")
        self.restore(DeviceState(state["g"], traits, dynamics), state["pulsed"])

    def wait(self, seconds: float, *, temperature_kelvin: float | None = None) -> None:
        """Let device time pass: relaxation, retention and slow fluctuation go on."""
        check_seconds(seconds)
        self._take_reads()
        self._devices.advance(seconds, self.streams.time, temperature_kelvin)
        self._show()

    def read(self, device: Indices | None = None) -> Tensor:
        """See `Board.read`."""
        g, sigma = self.g, self.read_sigma
        if device is not None:
            check_devices(self.info, device)
            index = torch.from_numpy(device).reshape(-1).long()
            g = g.reshape(-1).index_select(0, index).view(device.shape)
            if sigma is not None:
                sigma = sigma.reshape(-1).index_select(0, index).view(device.shape)
        self._count_reads(g, device)
        if sigma is None:
            return g.clone()
        noise = torch.randn(g.shape, generator=self.streams.reads)
        if device is None:
            return torch.addcmul(g, sigma, noise, out=noise)
        return g + sigma * noise

    def vmm(self, volts: Tensor) -> Tensor:
        """See `Board.vmm`; columns of a tile are converted where one of its lines is driven."""
        check_volts(self.info, volts)
        volts = volts.to(self.g.dtype)
        driven = volts != 0
        out, clipped = self._read_out(volts)
        tile_steps = sum(
            int(torch.count_nonzero(tile.any(1)))
            for tile in torch.split(driven, self._tiling.tile_rows, dim=1)
        )
        joules = float((volts.square() @ self.g.sum(1)).sum()) * self.info.read_seconds
        if self._reads is not None:
            self._reads.lines += driven.sum(0)
        self.counters += Counters(
            row_activations=int(driven.sum()) * self._tiling.across,
            column_conversions=tile_steps * self._tiling.columns,
            clipped_conversions=clipped,
            read_joules=joules,
        )
        return out

    def _read_out(self, volts: Tensor) -> tuple[Tensor, int]:
        """Bit-line currents through the front end, amperes, and how many conversions it clipped.

        Converters take currents of one sign; a negative current gives code 0.
        """
        if self.front_end is None:
            return read(self.g, self.read_sigma, volts, generator=self.streams.reads), 0
        p, size = self.front_end.periphery, self._tiling.tile_rows
        factor = p.chord(volts.numpy()) * p.charge_fraction(self.info.read_seconds)
        v = volts * torch.from_numpy(factor).to(volts.dtype)
        range_amperes = self.front_end.full_scale() if p.kind == "adc" else 0.0
        currents = []
        for first in range(0, self.info.shape[0], size):
            rows = slice(first, first + size)
            sigma = None if self.read_sigma is None else self.read_sigma[rows]
            currents.append(read(self.g[rows], sigma, v[:, rows], generator=self.streams.reads))
        partial = torch.stack(currents, 1)  # (vectors, row tiles, columns)
        if p.kind != "adc":
            return partial.sum(1), 0
        driven = torch.stack([tile.any(1) for tile in torch.split(v != 0, size, dim=1)], 1).numpy()
        normals = self.streams.conversions.standard_normal(partial.shape)
        converters = self.front_end.converters
        codes, above = convert(p, converters, partial.double().numpy(), range_amperes, normals)
        total = (codes * driven[:, :, None]).sum(1) * (range_amperes / p.top)
        return torch.from_numpy(total).to(partial.dtype), int((above & driven[:, :, None]).sum())

    def count_vmm(self, reads: ReadCounts) -> None:
        """See `Emulator.count_vmm`."""
        if self._reads is not None:
            self._reads.add_products(reads)
        self.counters += Counters(
            row_activations=reads.activations * self._tiling.across,
            column_conversions=reads.tile_steps * self._tiling.columns,
            clipped_conversions=reads.clipped,
            read_joules=reads.siemens * self.info.read_volts**2 * self.info.read_seconds,
        )

    def pulse(self, pulses: PulseBatch, shape: PulseShape | None = None) -> None:
        """See `Board.pulse`; pulses that a fault swallows are counted and paid for too.

        Raises:
            LimitError: A shape for which the device file has no law, or a device that the array has
                not.
            ShapeError: A shape per device that does not fit the batch.
        """
        check_batch(self.info, pulses)
        drive = drive_of(self._model, self.info, pulses, shape)
        if not drive.is_own and self._half is not None:
            refuse_half_selected(self.info)
        self._take_reads()
        counted = pulse_kernels.count_pulses(self._model, pulses)
        reaching, chosen, lost, joules = pulses, self._selected, 0, 0.0
        if self.broken is not None:
            counts = pulses.array(self.info.shape)
            chosen = chosen & ~self.broken.dead
            joules = self.broken.joules(
                self._model, counts, spread(drive, self.info.shape, pulses.device)
            )
            lost = self.broken.lost(self._model, counts)
            reaching, drive = reaching_of(self.broken, pulses, drive)
        met = None if self._loss is None else self._loss.met(self._devices.g, reaching, drive)
        drive = drive if met is None else met.drive
        if not self._devices.is_in_place:
            joules += self._pulse_any(reaching, chosen, drive)
        elif len(reaching.device):
            joules += self._devices.pulse(reaching, self.pulsed, self.streams.pulses, drive)
        if len(pulses.device):
            joules += self._disturb(pulses)
            self._show()
        if met is not None:
            joules += met.line_joules(siemens_of(self._devices.g, reaching))
        self.counters += Counters(
            set_pulses=counted.sets,
            reset_pulses=counted.resets,
            lost_pulses=lost,
            programming_operations=int(counted.devices > 0),
            programmed_devices=counted.devices,
            write_joules=joules,
        )

    def close(self) -> None:
        """Nothing to let go of."""

    def _pulse_any(self, reaching: PulseBatch, chosen: Tensor, drive: PulseDrive) -> float:
        """Pulse any kind of device by the functions of its model; joules."""
        counts = reaching.array(self.info.shape)
        self.pulsed += pulse_kernels.pulses_of_each(self._model, counts)
        drive = spread(drive, self.info.shape, reaching.device)
        return self._devices.program(counts, chosen, self.streams.pulses, drive)

    def _disturb(self, sent: PulseBatch) -> float:
        """Do to the devices what pulses do to those that they half select; joules."""
        if self._half is None:
            return 0.0
        (model, half), counts = self._half, sent.array(self.info.shape)
        return self._devices.disturb(
            lambda state, carrying: half_select.disturb(
                model, state, carrying, counts, self._tiling, half
            )
        )

    def _show(self, exact: bool = False) -> None:
        """Bring `g` and `read_sigma` up to date: through the lines, with their wires if any."""
        g, sigma = self._devices.g, self._devices.sigma
        self.g, self.read_sigma = g, sigma
        if self.wired is None:
            if self.broken is not None:
                self.g = g.masked_fill(self.broken.cut, 0.0)
                self.read_sigma = None if sigma is None else sigma.masked_fill(self.broken.cut, 0.0)
            return
        array = g.double().numpy()
        through = self.wired.checkpoint(array) if exact else self.wired.follow(array)
        self.g = torch.from_numpy(through.siemens).to(g.dtype)
        if sigma is not None:
            self.read_sigma = sigma * torch.from_numpy(through.fraction).to(g.dtype)

    def _take_reads(self) -> None:
        """Move the devices by the reads so far, where reads move them."""
        if self._reads is not None and self._reads.is_due:
            self._devices.restore(self._reads.moved(self._devices.state))
            self._show()

    def _count_reads(self, g: Tensor, device: Indices | None) -> None:
        """Count one read of each of these devices."""
        if self._reads is not None:
            self._reads.add_devices(device)
        joules = float(g.sum()) * self.info.read_volts**2 * self.info.read_seconds
        self.counters += Counters(device_reads=g.numel(), read_joules=joules)


def _manufactured(model: DeviceModel, shape: tuple[int, int], seed: int, index: int) -> DeviceState:
    """The devices of a board, new."""
    return model.manufacture(shape, generator=torch_stream("manufacture", seed, index))


def _named(state: Mapping[str, Tensor], start: str) -> dict[str, Tensor]:
    """The arrays whose names start so, by the rest of their name."""
    return {
        name.removeprefix(start): array for name, array in state.items() if name.startswith(start)
    }
