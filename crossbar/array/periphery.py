"""The circuits at the edge of a tile: drivers, sample-and-hold, converters, integrating neurons.

A read drives some word lines of a tile for t_read at V_read. Column j then carries

    I_j = (sum of G_ij over the driven lines) V_read  chord(V_read) / chord(V_ref)  share

with the chord conductance chord(V) = v0 sinh(V / v0) / V of a sinh law, because G was measured at
V_ref, and the share 1 - tau / t_read (1 - exp(-t_read / tau)) of the charge that a driver of rise
time tau delivers. A converter of N bits, with D = 2^N - 1 and one LSB = range / D, turns it into

    x    = (1 + gain) I_j (1 - droop)^k / LSB + offset + noise
    code = the nearest of 0 ... D to  x + a p(u) + b c(u),   u = x / D cut to [0, 1]

where k is the place of the column in the queue of its converter and p(u) = 4 u (1 - u), c(u) =
6 sqrt(3) u (1 - u) (1 - 2 u) bow without moving the ends. The digital side works with code x LSB:
it adds the tiles of a column and then combines columns. A tile that drives no line converts
nothing.

A neuron without converter (`analog`) sums the tiles and combines the columns in current and keeps
them on a capacitor; `Neurons` has its errors.

Sources:
    P. E. Allen and D. R. Holberg, CMOS Analog Circuit Design, 3rd ed., 2012, for offset, gain and
    INL of a converter. The bow of two terms, and that a stuck converter is stuck at one code, are
    ours.
"""

import math
from dataclasses import dataclass, fields
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from device_models.errors import ConfigError
from device_models.record import Record, quantity

Floats = NDArray[np.float64]

_MEANT_FOR = {"adc": "adc", "columns": "adc", "hold": "adc", "neuron": "analog"}
_CUBIC_PEAK = 6.0 * math.sqrt(3.0)  # makes the peak of u (1 - u) (1 - 2 u) one


@dataclass(frozen=True, kw_only=True)
class Periphery(Record):
    """What stands between the columns of a tile and the digital side; by default nothing.

    Attributes:
        kind: `ideal`; `adc`: every column of every tile is converted; `analog`: the neuron
            integrates the currents themselves.
        adc_bits: Resolution.
        adc_range_amperes: Full scale. None: measured in every layer, see
            `crossbar.snn.engines.adc`.
        adc_clip_share: Share of column currents that a measured range leaves above itself.
        adc_calibrate_every: Updates between two measurements of the range while training.
        adc_offset_lsb: Spread of the offset.
        adc_gain_sigma: Relative spread of the gain.
        adc_inl_lsb: Peak of the bow of each converter.
        adc_noise_lsb: Spread of one conversion.
        adc_stuck_share: Chance that a converter always gives one random code.
        adc_seconds: Duration of a conversion; the default is about that of the SAR converter of
            ISAAC (A. Shafiee et al., ISCA 2016: 1.28 GS/s).
        columns_per_adc: Neighbouring columns of a tile that share a converter, one after another.
        hold_droop: Loss of a held current in each conversion that it waits for.
        driver_rise_seconds: Time constant of a word-line driver.
        iv_volts: v0 of the sinh law; None for ohmic devices. 1,024 oxide cells read from 0 to
            0.35 V have a median of 0.64 V, quartiles 0.38 and 1.10 V (NIR-RAM 1T1R array,
            Stanford; an instrument offset of -2 uA is fitted beside; 13 % of the cells are linear
            within their noise). From V_ref = 0.2 V, 0.64 V makes a read at 0.4 V 5 % larger.
        iv_reference_volts: V_ref, at which the conductances were measured.
        neuron_gain_sigma: Relative spread of the gain of an integrator.
        neuron_offset: Spread of what it takes in beside the currents, per step that drives a line.
        neuron_leak: Share of its content lost per step, beside the decay that the network wants.
        neuron_saturation: Largest content, either sign; None without limit.
    """

    kind: Literal["ideal", "adc", "analog"] = "ideal"
    adc_bits: int = quantity("bit", 1, 16, default=8)
    adc_range_amperes: float | None = quantity("A", 1e-12, 1.0, default=None)
    adc_clip_share: float = quantity("", 0.0, 0.5, default=1e-4)
    adc_calibrate_every: int = quantity("updates", 1, 1_000_000, default=64)
    adc_offset_lsb: float = quantity("LSB", 0.0, 65_535.0, default=0.0)
    adc_gain_sigma: float = quantity("", 0.0, 1.0, default=0.0)
    adc_inl_lsb: float = quantity("LSB", 0.0, 65_535.0, default=0.0)
    adc_noise_lsb: float = quantity("LSB", 0.0, 65_535.0, default=0.0)
    adc_stuck_share: float = quantity("", 0.0, 1.0, default=0.0)
    adc_seconds: float = quantity("s", 1e-11, 1.0, default=1e-9)
    columns_per_adc: int = quantity("columns", 1, 65_536, default=1)
    hold_droop: float = quantity("", 0.0, 1.0, default=0.0)
    driver_rise_seconds: float = quantity("s", 0.0, 1.0, default=0.0)
    iv_volts: float | None = quantity("V", 1e-2, 1e3, why="sinh overflows below", default=None)
    iv_reference_volts: float = quantity("V", 1e-3, 1.0, default=0.2)
    neuron_gain_sigma: float = quantity("", 0.0, 1.0, default=0.0)
    neuron_offset: float = quantity("thresholds", 0.0, 1e3, default=0.0)
    neuron_leak: float = quantity("", 0.0, 1.0, default=0.0)
    neuron_saturation: float | None = quantity("thresholds", 1e-6, 1e9, default=None)

    def __post_init__(self) -> None:
        """Check the fields, and that none is set which the kind has no use for.

        Raises:
            ConfigError: One is out of range, or would silently do nothing.
        """
        super().__post_init__()
        for field in fields(self):
            kind = _MEANT_FOR.get(field.name.split("_")[0], self.kind)
            if kind != self.kind and getattr(self, field.name) != field.default:
                raise ConfigError(
                    f"periphery.{field.name} = {getattr(self, field.name):g} does nothing with "
                    f"periphery.kind = {self.kind}; it needs kind = {kind}"
                )

    @property
    def top(self) -> int:
        """The highest code."""
        return int(2**self.adc_bits - 1)

    def tile_seconds(self, t_read_seconds: float) -> float:
        """From the start of a read of one tile to the last code of its columns."""
        queue = self.columns_per_adc * self.adc_seconds if self.kind == "adc" else 0.0
        return t_read_seconds + queue

    def charge_fraction(self, t_read_seconds: float) -> float:
        """Fraction of the charge of a read that a driver of finite rise time delivers."""
        tau = self.driver_rise_seconds
        if tau == 0.0:
            return 1.0
        return 1.0 + tau / t_read_seconds * math.expm1(-t_read_seconds / tau)

    def chord(self, volts: Floats | float) -> Floats:
        """Conductance at `volts` relative to that at `iv_reference_volts`, elementwise."""
        v = np.asarray(volts, np.float64)
        if self.iv_volts is None:
            return np.ones_like(v)
        x, reference = v / self.iv_volts, self.iv_reference_volts / self.iv_volts
        there = np.where(x == 0.0, 1.0, np.sinh(x) / np.where(x == 0.0, 1.0, x))
        return np.asarray(there * (reference / math.sinh(reference)))

    def factor(self, v_read_volts: float, t_read_seconds: float) -> float:
        """What a column carries, relative to conductance x read voltage."""
        return float(self.chord(v_read_volts)) * self.charge_fraction(t_read_seconds)


class Converters(NamedTuple):
    """The converters of one array, as each column of each row of tiles meets them."""

    gain: Floats  # (down, columns): 1 + relative error, and what the wait left of the current
    offset: Floats  # (down, columns) LSB
    parabola: Floats  # (down, columns) LSB, a
    cubic: Floats  # (down, columns) LSB, b, with the peak of c in it: b u (1 - u) (1 - 2 u)
    stuck: Floats  # (down, columns): the code of a stuck converter, else -1


class Neurons(NamedTuple):
    """The integrators of one layer, content q in thresholds: after each step of the network

        q <- cut(keep decay q + gain d + offset),   cut to [-ceiling, ceiling]

    with d the combined current of the step and the offset only where a line was driven.
    """

    gain: Floats  # (outputs,)
    offset: Floats  # (outputs,)
    keep: float
    ceiling: float


def make_converters(
    p: Periphery,
    rows_of_tiles: int,
    columns: int,
    tile_columns: int,
    *,
    generator: np.random.Generator,
) -> Converters:
    """Manufacture the converters of one array.

    All errors are drawn, whether wanted or not, so that no field moves the draws of another.

    Args:
        p: Their statistics.
        rows_of_tiles: Tiles along a bit line; each has converters of its own.
        columns: Columns of the array.
        tile_columns: Columns of a tile; a converter serves columns of one tile.
        generator: Source of the errors.
    """
    column = np.arange(columns)
    within = column % tile_columns
    per_tile = -(-tile_columns // p.columns_per_adc)
    which = column // tile_columns * per_tile + within // p.columns_per_adc
    count = int(which[-1]) + 1
    gain, offset, a, b = generator.standard_normal((4, rows_of_tiles, count))
    broken, code = generator.random((2, rows_of_tiles, count))
    a, b = p.adc_inl_lsb * _unit_bow(a, b)
    stuck = np.where(broken < p.adc_stuck_share, np.floor(code * (p.top + 1)), -1.0)
    queue = (1.0 - p.hold_droop) ** (within % p.columns_per_adc)
    return Converters(
        (1.0 + p.adc_gain_sigma * gain)[:, which] * queue,
        (p.adc_offset_lsb * offset)[:, which],
        a[:, which],
        b[:, which],
        stuck[:, which],
    )


def _unit_bow(a: Floats, b: Floats) -> Floats:
    """Both coefficients of `bow`, stacked, scaled so that its largest deviation is one."""
    both = np.stack((4.0 * a, _CUBIC_PEAK * b))
    u = np.linspace(0.0, 1.0, 1001)
    peak = np.zeros(a.shape)
    for at in u:  # 1001 small arrays: a tile has thousands of converters, not millions
        peak = np.maximum(peak, np.abs(bow(np.float64(at), both[0], both[1])))
    return np.asarray(both / peak)


def bow(u: Floats | np.float64, parabola: Floats, cubic: Floats) -> Floats:
    """Nonlinearity in LSB at the share u of full scale; zero at both ends."""
    return np.asarray(u * (1.0 - u) * (parabola + cubic * (1.0 - 2.0 * u)))


def convert(
    p: Periphery, c: Converters, amperes: Floats, range_amperes: float, normals: Floats
) -> tuple[Floats, NDArray[np.bool_]]:
    """Send column currents through their converters; the equation is that of the module.

    Args:
        p: Resolution and noise.
        c: The converters.
        amperes: (..., down, columns).
        range_amperes: Full scale.
        normals: Standard normals of the noise, shape of `amperes`.

    Returns:
        The codes, whole numbers of one LSB = range / top; and which were above the range.
    """
    lsb = range_amperes / p.top
    x = amperes / lsb * c.gain + c.offset + p.adc_noise_lsb * normals
    x = x + bow(np.clip(x / p.top, 0.0, 1.0), c.parabola, c.cubic)
    code = np.rint(x)
    above = (code > p.top) & (c.stuck < 0.0)
    code = np.where(c.stuck >= 0.0, c.stuck, np.clip(code, 0.0, p.top))
    return code, above


def make_neurons(p: Periphery, outputs: int, *, generator: np.random.Generator) -> Neurons:
    """Manufacture the integrators of one layer; exact ones unless they are `analog`."""
    gain, offset = generator.standard_normal((2, outputs))
    ceiling = math.inf if p.neuron_saturation is None else p.neuron_saturation
    return Neurons(
        1.0 + p.neuron_gain_sigma * gain, p.neuron_offset * offset, 1.0 - p.neuron_leak, ceiling
    )


@dataclass(frozen=True)
class FrontEnd:
    """The periphery of one array as it was made, with the full scale in use.

    Attributes:
        periphery: Its statistics.
        converters: One per column or group of columns, and row of tiles.
        neurons: One per output.
        factor: See `Periphery.factor`.
        v_read_volts: Read voltage.
        range_amperes: Full scale; None until it is measured.
    """

    periphery: Periphery
    converters: Converters
    neurons: Neurons
    factor: float
    v_read_volts: float
    range_amperes: float | None

    def full_scale(self) -> float:
        """The range, amperes.

        Raises:
            ConfigError: It was never measured and is not fixed.
        """
        if self.range_amperes is None:
            raise ConfigError(
                "the converters have no range; set periphery.adc_range_amperes or measure it on a "
                "batch first; nothing was converted"
            )
        return self.range_amperes
