"""A real ArC TWO as a board: 32 x 32 devices behind the package pyarc2."""

from importlib import import_module
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from device_models.errors import HardwareError, LimitError
from device_models.pulsed import Pulsed

from ..array.counters import Counters
from .arc2_names import BIT_CHANNELS, GRID, LEAST_SECONDS, SIDE, STANDARD_VOLTS, WORD_CHANNELS
from .budget import costs
from .limited import LimitedBoard
from .limits import Limits
from .protocol import (
    BoardInfo,
    Indices,
    PulseBatch,
    PulseShape,
    check_batch,
    check_devices,
    check_volts,
    refuse_compliance,
)

READ_VOLTS, READ_SECONDS = 0.2, 320e-6
NANO = 1e-9


def open_arc2(
    firmware: str,
    limits: Limits,
    sheet: Pulsed,
    *,
    port: int | None = None,
    read_volts: float = READ_VOLTS,
    package: str = "pyarc2",
) -> LimitedBoard:
    """Connect to an ArC TWO, within limits.

    Args:
        firmware: Path of the firmware that it is loaded with.
        limits: What is checked before anything is sent.
        sheet: The devices: amplitude and width of the board's own pulses, largest conductance.
        port: Which instrument; None: the first.
        read_volts: Of all reads.
        package: Where the names of pyarc2 are; another one emulates.

    Raises:
        HardwareError: The package is not installed, or no instrument answers; nothing was sent.
        ConfigError: The limits are wider than the instrument's.
    """
    try:
        module = import_module(package)
    except ImportError as e:
        raise HardwareError(
            f"the package {package} is not there ({e}): pip install 'xbar-hil[arc2]'; "
            "nothing was sent"
        ) from e
    ports = module.find_ids()
    if not ports if port is None else port not in ports:
        wanted = "" if port is None else f" at port {port}"
        raise HardwareError(f"no ArC TWO answers{wanted}, ports: {ports}; nothing was sent")
    board = Arc2Board(module, ports[0] if port is None else port, firmware, sheet, read_volts)
    return LimitedBoard(board, limits, most_siemens=sheet.g_max_siemens)


class Arc2Board:
    """The array on an ArC TWO. A pulse above 0 V has the bit line high: it sets.

    Reads are the devices of a line at once; products drive all word lines and measure all
    bit lines. Counters are kept here: the instrument has none, and it says no energy.

    Attributes:
        info: See `Board`; the grid is that of the instrument.
        counters: See `Board`.
    """

    def __init__(
        self, module: Any, port: int, firmware: str, sheet: Pulsed, read_volts: float
    ) -> None:
        """Connect, and release all channels from hard ground.

        Args:
            module: pyarc2, or what has its names.
            port: Which instrument.
            firmware: Its firmware.
            sheet: The devices.
            read_volts: Of all reads.

        Raises:
            HardwareError: It does not answer.
        """
        self._module, self._is_closed = module, False
        try:
            self._arc = module.Instrument(port, firmware)
            self._arc.connect_to_gnd(np.array([], np.uint64)).execute()
        except Exception as e:  # whatever the driver raises
            raise HardwareError(f"ArC TWO at port {port}: {e}; nothing was sent") from e
        self.counters = Counters()
        self.info = BoardInfo(
            name=f"ArC TWO at port {port}",
            shape=(SIDE, SIDE),
            tile_shape=(SIDE, SIDE),
            read_volts=read_volts,
            read_seconds=READ_SECONDS,
            set_volts=sheet.set_volts,
            set_seconds=sheet.width_seconds,
            reset_volts=sheet.reset_volts,
            reset_seconds=sheet.width_seconds,
            grid=GRID,
            is_emulator=False,
        )

    def read(self, device: Indices | None = None) -> Tensor:
        """See `Board.read`."""
        self._check_open()
        if device is None:
            amperes = self._arc.read_all(self.info.read_volts, self._module.BiasOrder.Rows)
            self.counters += Counters(device_reads=SIDE * SIDE)
            return torch.from_numpy(np.array(amperes, np.float32)) / self.info.read_volts
        check_devices(self.info, device)
        word, bit = np.divmod(device.reshape(-1), SIDE)
        low, high = (word, WORD_CHANNELS), (bit, BIT_CHANNELS)
        if len(np.unique(bit)) < len(np.unique(word)):  # fewer slices
            low, high = high, low
        values = np.full(device.size, np.nan, np.float32)
        for line in np.unique(low[0]):
            here = low[0] == line
            mask = _channels(high[1][high[0][here]])
            chan = int(low[1][line])
            currents = self._arc.read_slice_masked(chan, mask, self.info.read_volts)
            values[here] = currents[high[0][here]]
        self.counters += Counters(device_reads=device.size)
        return torch.from_numpy(values.reshape(device.shape)) / self.info.read_volts

    def vmm(self, volts: Tensor) -> Tensor:
        """See `Board.vmm`. Word lines are driven to minus the voltage, as the low one of a read."""
        self._check_open()
        check_volts(self.info, volts)
        vectors = volts.double().numpy()
        if not (np.abs(vectors) <= STANDARD_VOLTS).all():
            raise LimitError(f"a voltage is beyond +/-{STANDARD_VOLTS} V; nothing was read")
        amperes = np.zeros((len(vectors), SIDE), np.float32)
        for number, vector in enumerate(vectors):
            config = [(int(c), -float(v)) for c, v in zip(WORD_CHANNELS, vector, strict=True)]
            self._arc.config_channels(config, 0.0)
            currents = self._arc.read_slice_open(_channels(BIT_CHANNELS), True)
            amperes[number] = currents[BIT_CHANNELS]
        steps = int(np.count_nonzero(vectors.any(1)))
        self.counters += Counters(
            row_activations=int(np.count_nonzero(vectors)), column_conversions=steps * SIDE
        )
        return torch.from_numpy(amperes)

    def pulse(self, pulses: PulseBatch, shape: PulseShape | None = None) -> None:
        """See `Board.pulse`: word line after word line, a device's pulses one after another.

        Raises:
            LimitError: A device, an amplitude, a width or a compliance that the instrument has not.
        """
        self._check_open()
        check_batch(self.info, pulses)
        refuse_compliance(self.info, pulses, None if shape is None else shape.compliance_amperes)
        each = costs(self.info, pulses, shape, None)
        least, most = LEAST_SECONDS, STANDARD_VOLTS
        if not ((each.volts > 0.0) & (each.volts <= most)).all():
            raise LimitError(f"an amplitude is not in (0, {most}] V; nothing was sent")
        if not ((each.seconds >= least) & (each.seconds < np.inf)).all():
            raise LimitError(f"a pulse is shorter than {least} s; nothing was sent")
        signed = np.where(each.is_set, each.volts, -each.volts)
        nanos = np.round(each.seconds / NANO).astype(np.int64)
        word, bit = np.divmod(each.device, SIDE)
        for number in range(int(each.count.max(initial=0))):
            active = each.count > number
            groups = sorted(set(zip(word[active], signed[active], nanos[active], strict=True)))
            for line, volts, width in groups:
                here = active & (word == line) & (signed == volts) & (nanos == width)
                mask = _channels(BIT_CHANNELS[bit[here]])
                low = int(WORD_CHANNELS[line])
                self._arc.pulse_slice_masked(low, float(volts), int(width), mask)
            self._arc.execute()
        self._arc.wait()
        self.counters += Counters(
            set_pulses=int(each.count[each.is_set].sum()),
            reset_pulses=int(each.count[~each.is_set].sum()),
            programming_operations=int(len(each.count) > 0),
            programmed_devices=len(each.count),
        )

    def wait(self, seconds: float) -> None:
        """See `Board.wait`."""
        self._check_open()
        self._arc.delay(round(seconds / NANO)).execute()
        self._arc.wait()

    def close(self) -> None:
        """See `Board.close`; all channels are left at hard ground."""
        if not self._is_closed:
            self._is_closed = True
            self._arc.finalise_operation(self._module.IdleMode.HardGnd)

    def _check_open(self) -> None:
        """Refuse to go on after `close`."""
        if self._is_closed:
            raise HardwareError(f"{self.info.name} is closed; nothing was sent")


def _channels(channels: NDArray[np.int64]) -> NDArray[np.uint64]:
    """Channels as the driver takes them."""
    return np.sort(channels).astype(np.uint64)
