"""What a pulse of another amplitude or width does, relative to the pulse of the device file.

With V0, t0 the file's own pulse (`set_volts` or `reset_volts`, `width_seconds`), one pulse of V, t
moves a device by its own mean step times

    a(V) w(t),   a = sinh(V / s) / sinh(V0 / s)   or   exp((V - V0) / s)
                     or   max(0, 1 + (V - V0) / s),                            s = scale_volts
                 w = (t / t0)^n                   or   max(0, 1 + n ln(t / t0)),  n = width_exponent

s and n of its polarity. a w is the factor of the pulse. Both are exactly 1 at the own pulse, n is
the slope of ln w against ln t there in both forms, and 1 / s that of ln a against V in the last
two: the threshold of the linear one is V0 - s. V is a magnitude; the polarity is the sign of a
count.

The relative spread of a step from cycle to cycle is that of the own pulse, over the square root of
the factor where this is above 1: a strong pulse is as many draws.

A pulse below `LEAST_FACTOR` moves nothing: the device goes on relaxing as if there had been none.
But a device whose steps scatter where their mean is 0 (`Pulsed.scatters_at_zero`) does so at weak
pulses too, where the amplitudes of its file were measured (`fitted_range`): there such a pulse has
the least factor. A device whose own threshold is not below V does not move. The current limit I_cc
of a pulse ends a SET: g afterwards is at most I_cc / compliance_volts, unless it was higher before.

With `set_kind: abrupt` a SET that moves a device switches it, whatever the factor.

Source:
    sinh and exponential: hopping of ions in a field, N. F. Mott and R. W. Gurney, Electronic
    Processes in Ionic Crystals, 1940; in compact models X. Guan et al., IEEE Electron Device Lett.
    33, 1405, 2012 (sinh), F. L. Aguirre et al., Micromachines 13, 330, 2022 (exponential, with SET
    and RESET apart). R_LRS I_cc about constant: D. Ielmini, IEEE Trans. Electron Devices 58, 4309,
    2011. Steps linear above a threshold, that amplitude and width make a product, the spread of
    strong pulses and the cut at `LEAST_FACTOR` are ours.
"""

import math
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor

from . import fitted_range, physics
from .errors import ConfigError, LimitError, ShapeError

if TYPE_CHECKING:
    from .pulsed import Pulsed

LEAST_FACTOR = 1e-4  # a hundred thousand such pulses are ten of the own ones
MOST_FACTOR = 1e9  # of any use: every window is crossed, and 32-bit numbers still hold it
WAYS = {1: "set", -1: "reset"}
THRESHOLDS = {1: "set_threshold", -1: "reset_threshold"}  # traits: volts of the device's own


class PulseDrive(NamedTuple):
    """Amplitude and width of pulses; what is None is that of the device file.

    Attributes:
        volts: Amplitudes, positive for SET and RESET alike: one, or one per device (shape of the
            conductances, float64).
        seconds: Widths, likewise.
        compliance_amperes: Current limit of the SETs; None: the file's, which may be none.
    """

    volts: float | Tensor | None = None
    seconds: float | Tensor | None = None
    compliance_amperes: float | None = None

    @property
    def is_own(self) -> bool:
        """Whether amplitude and width are those of the device file."""
        return self.volts is None and self.seconds is None

    def at(self, where: slice | Tensor) -> "PulseDrive":
        """The drive of some devices: flat indices, or a mask."""
        volts, seconds = (
            value.flatten()[where] if isinstance(value, Tensor) else value for value in self[:2]
        )
        return self._replace(volts=volts, seconds=seconds)


OWN = PulseDrive()


def check_fields(p: "Pulsed") -> None:
    """Refuse parameters that contradict each other.

    Raises:
        ConfigError: There is a current limit but nothing says what it does, or an amplitude law
            without an amplitude, or a fitted range is none.
    """
    fitted_range.check(p)
    if p.compliance_amperes is not None and p.compliance_volts is None:
        raise ConfigError("compliance_amperes needs compliance_volts, V = R_LRS x I_cc")
    for way in WAYS.values():
        if getattr(p, f"{way}_scale_volts") is not None and getattr(p, f"{way}_volts") == 0.0:
            raise ConfigError(f"{way}_scale_volts needs {way}_volts above 0")


def own_volts(p: "Pulsed", sign: int) -> float:
    """Amplitude of the file's pulse of one polarity (1 or -1)."""
    return p.set_volts if sign > 0 else p.reset_volts


def has_law(p: "Pulsed", sign: int, name: str) -> bool:
    """Whether the device file says what other `volts` or `seconds` do to one polarity."""
    return getattr(p, law_field(sign, name)) is not None


def law_field(sign: int, name: str) -> str:
    """The parameter that says what other `volts` or `seconds` do to one polarity."""
    return f"{WAYS[sign]}_{'scale_volts' if name == 'volts' else 'width_exponent'}"


def check_drive(p: "Pulsed", counts: Tensor, drive: PulseDrive) -> None:
    """Refuse pulses that the law of a device does not reach.

    Args:
        p: The device.
        counts: Signed; devices with 0 get no pulse.
        drive: Theirs.

    Raises:
        LimitError: An amplitude is not finite or negative, a width not finite or 0, or either is
            not the file's own and the file has no law for it; an amplitude is too far from those
            the law was fitted to (`fitted_range`); or a current limit is not positive, or nothing
            says where it ends a SET.
        ShapeError: One value per device is given, for another array.
    """
    _check_compliance(p, drive.compliance_amperes)
    for name, unit in (("volts", "V"), ("seconds", "s")):
        value = getattr(drive, name)
        if value is None:
            continue
        if isinstance(value, Tensor) and value.shape != counts.shape:
            raise ShapeError(
                f"{name} has shape {tuple(value.shape)}, the array {tuple(counts.shape)}; "
                "no pulse was applied"
            )
        given = torch.as_tensor(value, dtype=torch.float64).expand(counts.shape)
        for sign in WAYS:
            values = given[counts * sign > 0]
            wrong = values[
                ~(values.isfinite() & ((values >= 0.0) if name == "volts" else (values > 0.0)))
            ]
            allowed = "0 or more" if name == "volts" else "above 0"
            standing = own_volts(p, sign) if name == "volts" else p.width_seconds
            if not len(wrong) and not has_law(p, sign, name):
                wrong = values[values != standing]
                allowed = f"{standing:g} {unit} without {law_field(sign, name)} in the device file"
            ends = fitted_range.allowed_volts(p, WAYS[sign]) if name == "volts" else None
            if not len(wrong) and ends is not None:
                wrong = values[(values != standing) & ((values < ends[0]) | (values > ends[1]))]
                allowed = fitted_range.in_words(p, WAYS[sign])
            if len(wrong):
                raise LimitError(
                    f"a {WAYS[sign].upper()} pulse of {float(wrong[0]):g} {unit} is asked of "
                    f"{type(p).__name__}; it must be {allowed}; nothing was sent"
                )


def _check_compliance(p: "Pulsed", amperes: float | None) -> None:
    """Refuse a current limit that is none, or that the device file gives no meaning."""
    if amperes is None:
        return
    asked = f"a current limit of {amperes:g} A is asked of {type(p).__name__}"
    if not 0.0 < amperes < math.inf:
        raise LimitError(f"{asked}; it must be above 0; nothing was sent")
    if p.compliance_volts is None:
        raise LimitError(
            f"{asked}; it needs compliance_volts in the device file: it says where a SET ends; "
            "nothing was sent"
        )


def step_factor(p: "Pulsed", counts: Tensor, drive: PulseDrive) -> Tensor:
    """a(V) w(t) of each pulse, see the module: its mean step over that of the file's own pulse.

    Args:
        p: The device.
        counts: Signed; only the sign is used.
        drive: What `check_drive` let pass.

    Returns:
        Not negative, float64, the shape of `counts`; exactly 1 where the pulse is the own one.
    """
    up, down = (_log_factor(p, sign, drive) for sign in WAYS)
    factor = torch.where(counts > 0, up, down).exp().clamp(max=MOST_FACTOR)
    weak = torch.where(counts > 0, _least_factor(p, 1), _least_factor(p, -1)).double()
    return torch.where(factor < LEAST_FACTOR, weak, factor)


def _least_factor(p: "Pulsed", sign: int) -> float:
    """The factor of weaker pulses than `LEAST_FACTOR`, see the module."""
    measured = p.scatters_at_zero and fitted_range.allowed_volts(p, WAYS[sign]) is not None
    return LEAST_FACTOR if measured and p.c2c_additive_siemens > 0.0 else 0.0


def relative_spread(factor: Tensor) -> Tensor:
    """Spread of the step of a pulse, relative to it and to that of the own pulse: 1 or less."""
    return factor.clamp(min=1.0).rsqrt()


def averaged(p: "Pulsed", drawn: Tensor, g: Tensor, counts: Tensor, drive: PulseDrive) -> Tensor:
    """Drawn steps with the spread of pulses of other strength; see the module. Consumes `drawn`.

    A model without c2c_sigma, for its spread was measured as it is, keeps what it drew.

    Args:
        p: The device.
        drawn: Steps with the spread of own pulses, siemens.
        g: Conductances before.
        counts: Signed; only the sign is used.
        drive: Of these devices.
    """
    if drive.is_own or p.c2c_sigma == 0.0:
        return drawn
    spread = relative_spread(step_factor(p, counts, drive)).to(drawn.dtype)
    mean = p.mean_siemens(g, counts)
    return torch.where(spread < 1.0, mean + (drawn - mean) * spread, drawn)


def _log_factor(p: "Pulsed", sign: int, drive: PulseDrive) -> Tensor:
    """ln(a w) of one polarity; a number that has no law counts as the own one."""
    total = torch.zeros((), dtype=torch.float64)
    if drive.volts is not None and has_law(p, sign, "volts"):
        scale = p.set_scale_volts if sign > 0 else p.reset_scale_volts
        total = total + log_amplitude(drive.volts, own_volts(p, sign), scale or 1.0, p.voltage_law)
    if drive.seconds is not None and has_law(p, sign, "seconds"):
        exponent = p.set_width_exponent if sign > 0 else p.reset_width_exponent
        total = total + log_width(drive.seconds, p.width_seconds, exponent or 0.0, p.width_law)
    return total


def log_amplitude(volts: float | Tensor, standing: float, scale: float, law: str) -> Tensor:
    """ln a(V); see the module."""
    x = torch.as_tensor(volts, dtype=torch.float64) / scale
    x0 = torch.tensor(standing, dtype=torch.float64) / scale
    if law == "exponential":
        return x - x0
    if law == "linear":
        return torch.log((1.0 + x - x0).clamp(min=0.0))
    # ln sinh x = x + ln(1 - exp(-2 x)) - ln 2, which does not overflow
    return (x - x0) + (torch.log(-torch.expm1(-2.0 * x)) - torch.log(-torch.expm1(-2.0 * x0)))


def log_width(seconds: float | Tensor, standing: float, exponent: float, law: str) -> Tensor:
    """ln w(t); see the module."""
    late = torch.log(torch.as_tensor(seconds, dtype=torch.float64) / standing)
    if law == "power":
        return exponent * late
    return torch.log((1.0 + exponent * late).clamp(min=0.0))


def square_seconds(p: "Pulsed", counts: Tensor, drive: PulseDrive) -> Tensor:
    """V^2 t of each pulse, float64: its energy per siemens."""
    amplitudes = torch.tensor((p.set_volts, p.reset_volts), dtype=torch.float64)
    volts = torch.where(counts > 0, *amplitudes) if drive.volts is None else drive.volts
    volts = torch.as_tensor(volts, dtype=torch.float64)
    seconds = p.width_seconds if drive.seconds is None else drive.seconds
    return (volts.square() * seconds).expand(counts.shape)


def joules(p: "Pulsed", doubled: Tensor, counts: Tensor, drive: PulseDrive) -> float:
    """Energy of one pulse to each of some devices.

    Args:
        p: The device.
        doubled: Conductances before plus after, siemens; consumed.
        counts: Signed; only the sign is used.
        drive: Of these devices.
    """
    if not drive.is_own:
        return float((doubled * square_seconds(p, counts, drive)).sum()) / 2
    squares = physics.by_sign(counts, p.set_volts**2, p.reset_volts**2, doubled.dtype)
    return float(doubled.mul_(squares).sum(dtype=torch.float64)) * p.width_seconds / 2


def ceiling_siemens(p: "Pulsed", compliance_amperes: float | None) -> float:
    """Highest conductance that a SET leaves under a current limit; infinite without one."""
    amperes = p.compliance_amperes if compliance_amperes is None else compliance_amperes
    if amperes is None or p.compliance_volts is None:
        return math.inf
    return amperes / p.compliance_volts


def add_thresholds(
    p: "Pulsed", traits: dict[str, Tensor], shape: tuple[int, int], generator: torch.Generator
) -> None:
    """The devices' own thresholds.

    Without an amplitude law the gains of those that the one pulse does not move become 0; with one
    the thresholds stay traits, for `gain` to look at.
    """
    for sign, way in WAYS.items():
        threshold = p.set_threshold_volts if sign > 0 else p.reset_threshold_volts
        if threshold == 0.0:
            continue
        thresholds = threshold + p.d2d_threshold_volts * torch.randn(shape, generator=generator)
        if has_law(p, sign, "volts"):
            traits[THRESHOLDS[sign]] = thresholds
        else:
            traits[f"{way}_gain"] *= own_volts(p, sign) > thresholds


def gain(
    p: "Pulsed", traits: dict[str, Tensor], sign: int, volts: float | Tensor | None = None
) -> Tensor:
    """Factor of each device to its steps of one polarity; 0 where its threshold is not passed.

    Args:
        p: The device.
        traits: Of the devices.
        sign: Polarity.
        volts: Amplitude; None: the file's own.
    """
    free, threshold = traits[f"{WAYS[sign]}_gain"], traits.get(THRESHOLDS[sign])
    if threshold is None:
        return free
    return free * ((own_volts(p, sign) if volts is None else volts) > threshold)


def signed_gain(
    p: "Pulsed", wanted: Tensor, traits: dict[str, Tensor], drive: PulseDrive, dtype: torch.dtype
) -> Tensor:
    """Factor of each pulse to the mean step of its type of device, negative for RESET.

    Args:
        p: The device.
        wanted: Signed pulses of some devices.
        traits: Theirs.
        drive: Theirs.
        dtype: Of the result.
    """
    up, down = (gain(p, traits, sign, drive.volts) for sign in WAYS)
    both = physics.by_sign(wanted, up, -down, dtype)
    return both if drive.is_own else both * step_factor(p, wanted, drive).to(dtype)
