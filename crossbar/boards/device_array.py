"""The devices of an emulated board, in arrays that it owns, and what reads see of each."""

from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from device_models import open_loop, read_noise, telegraph
from device_models.linear import Ideal
from device_models.model import DeviceModel, DeviceState, Programmed, check_shapes
from device_models.pulse_law import OWN, PulseDrive
from device_models.pulsed import Pulsed
from device_models.tabulated import Tabulated

from ..array.faults import Broken
from . import pulse_kernels
from .device_kernels import DeviceArrays, arrays_of, interleaved, refresh_reads
from .protocol import PulseBatch

# Traits and dynamics that pulses and reads alone do not need, of devices that pulses move in place.
RARE = (*open_loop.TRAITS, read_noise.SLOW, "relax_speed", "slow")


class Devices:
    """An array of devices. Lines and wires are a matter of the board.

    Attributes:
        g: What a noiseless read of each device sees now, siemens, stuck ones included.
        sigma: Spread of one read, siemens; None without noise.
        broken: What is broken; `refresh_reads` sees another one.
    """

    g: Tensor
    sigma: Tensor | None

    def __init__(
        self, model: DeviceModel, make: Callable[[], DeviceState], broken: Broken | None
    ) -> None:
        """Make the devices.

        Args:
            model: Kind of device.
            make: Gives new devices, always the same: what is rarely needed is not kept, and made
                anew where it is.
            broken: What is broken.
        """
        self._model, self.broken = model, broken
        self._kind = pulse_kernels.in_place(model)
        self._state: DeviceState = DeviceState(torch.zeros(0), {}, {})
        self._make: Callable[[], DeviceState] | None = None
        self._is_unsettled = False
        self.restore(make())
        if isinstance(self._kind, pulse_kernels.InPlace):
            self._make, (g, *parts) = make, self._state
            self._state = DeviceState(
                g, *({n: part[n] for n in part if n not in RARE} for part in parts)
            )

    @property
    def state(self) -> DeviceState:
        """The devices as they are now; pulses leave what was handed out alone."""
        self._settle()
        self._complete()
        self._is_shared = True
        return self._state

    def _complete(self) -> None:
        """Put what is rarely needed back into the state, where it is not there."""
        if self._make is None:
            return
        made, (g, *here) = self._make(), self._state
        parts = (
            {n: own.get(n, new[n]) for n in new} for own, new in zip(here, made[1:], strict=True)
        )
        self._state, self._make = DeviceState(g, *parts), None

    def _settle(self) -> None:
        """Let the state say how its devices relax; see `relaxation_kernel`."""
        if self._is_unsettled and isinstance(self._kind, pulse_kernels.InPlace):
            pulse_kernels.settle(self._kind, self._arrays, self._state.traits)
        self._is_unsettled = False

    @property
    def is_in_place(self) -> bool:
        """Whether `pulse` serves them."""
        return self._kind is not None

    def check(self, counts: Tensor, selected: Tensor) -> None:
        """Raise ShapeError unless counts and selection describe the devices."""
        check_shapes(self._state, counts, selected)

    def restore(self, state: DeviceState) -> None:
        """Put the devices into a state."""
        is_known = state.traits is self._state.traits
        if isinstance(self._kind, pulse_kernels.InPlace) and not is_known:
            state, self._traits = interleaved(state)
        self._state, self._is_unsettled, self._make = state, False, None
        since = state.dynamics.get("since_seconds")
        self._has_drifted = since is not None and bool(since.any())
        self.refresh_reads()

    def refresh_reads(self) -> None:
        """Compute anew what reads see of every device."""
        self._settle()
        if isinstance(self._kind, pulse_kernels.InPlace):
            self._refresh_in_place(self._kind)
        else:
            self.g = self.conductance(self._state)
            self.sigma = self._model.read_spread(self._state, self.g)
        self._is_shared = True  # `g` may be that of the state

    def _refresh_in_place(self, kind: pulse_kernels.InPlace) -> None:
        """`refresh_reads` by the kernels."""
        g, has_traps = self._state.g, telegraph.STATES in self._state.dynamics
        none = g.new_zeros(0)
        if self._make is None:
            slow = read_noise.slow_deviation(self._state)
            self._slow = none if slow is None else slow
        self._traps = telegraph.deviation(self._state) if has_traps else none
        self.g, is_noisy = torch.empty(g.shape), max(kind.laws.read_floor, kind.laws.read[0]) > 0
        self.sigma = torch.empty(g.shape) if is_noisy else None
        self._bind()
        refresh_reads(self._arrays, kind.laws)
        self._show_stuck()

    def _bind(self) -> None:
        """The arrays of the kernels are those of the state."""
        self._arrays: DeviceArrays = arrays_of(
            self._state, self._traits, self._slow, self._traps, self.g, self.sigma
        )

    def _show_stuck(self) -> None:
        """Put down what reads see of stuck devices, which kernels know nothing of."""
        if self.broken is None:
            return
        g = self.broken.conductance(self.g)
        stuck = g != self.g
        self.g[stuck] = g[stuck]
        sigma = self._model.read_spread(self._state, g[stuck], stuck.view(-1).nonzero()[:, 0])
        if self.sigma is not None and sigma is not None:
            self.sigma[stuck] = sigma

    def conductance(self, state: DeviceState, where: Tensor | None = None) -> Tensor:
        """Of some devices (flat indices) or all, stuck ones included."""
        g = self._model.conductance(state, where)
        return g if self.broken is None else self.broken.conductance(g, where)

    def pulse(
        self,
        sent: PulseBatch,
        pulsed: Tensor,
        generator: torch.Generator,
        drive: PulseDrive = OWN,
    ) -> float:
        """Give devices that react their pulses, in place; joules. Only where `is_in_place`.

        Args:
            sent: The pulses.
            pulsed: Those of every device so far. Changed in place.
            generator: Source of their spread.
            drive: What they are, in their order; by default the device file's own.
        """
        self._unshare()
        if isinstance(self._kind, pulse_kernels.InPlace):
            self._is_unsettled = True
            how = generator, drive, self._state.traits, self._has_drifted
            return pulse_kernels.pulse(self._kind, self._arrays, sent, pulsed, *how)
        if isinstance(self._kind, Ideal):
            pulse_kernels.move(self._kind, self._state.g, sent, pulsed)
        if self.g is not self._state.g:
            self._refresh_at(torch.from_numpy(sent.device).long())
        return 0.0

    def program(
        self,
        counts: Tensor,
        selected: Tensor,
        generator: torch.Generator,
        drive: PulseDrive = OWN,
    ) -> float:
        """Pulse any kind of device by the functions of its model; joules.

        Another drive than the device file's is for devices that are `Pulsed`.
        """
        arguments = self._state, counts, selected
        if isinstance(self._model, Pulsed):
            after = self._model.program(*arguments, generator=generator, drive=drive)
        else:
            after = self._model.program(*arguments, generator=generator)
        if after.where is None:
            self.restore(after.state)
        else:
            self._unshare()
            self._state = after.state
            self._refresh_at(after.where)
        return after.energy_joules

    def disturb(self, by: Callable[[DeviceState, Tensor], Programmed]) -> float:
        """Lead devices that react somewhere else than by pulses of their own; joules.

        Args:
            by: From the state, which it keeps nothing of, and the conductances that carry a
                current to conductances after and an energy.
        """
        self._settle()  # relaxation is that of the conductances that pulses left
        state, broken = self._state, self.broken
        after = by(state, self.g if broken is None else self.g.masked_fill(broken.cut, 0.0))
        g = after.state.g
        if broken is not None:
            g = torch.where(broken.dead, state.g, g)
        if isinstance(self._kind, pulse_kernels.InPlace):
            self._unshare()
            self._state.g.copy_(g)
            refresh_reads(self._arrays, self._kind.laws)
            self._show_stuck()
        else:
            self.restore(state._replace(g=g))
        return after.energy_joules

    def advance(
        self, seconds: float, generator: torch.Generator, temperature_kelvin: float | None
    ) -> None:
        """Let device time pass."""
        if isinstance(self._kind, pulse_kernels.InPlace):
            self._complete()
            self._unshare()
            self._has_drifted, self._is_unsettled = True, False
            how = seconds, generator, temperature_kelvin
            pulse_kernels.advance(self._kind, self._arrays, self._state, *how)
            self._show_stuck()
            return
        after = self._model.advance(
            self._state, seconds, generator=generator, temperature_kelvin=temperature_kelvin
        )
        if after is not self._state:
            self.restore(after)

    def _refresh_at(self, where: Tensor) -> None:
        """`refresh_reads` at flat indices; relaxation and slow noise go on in `advance` alone."""
        g = self.conductance(self._state, where)
        sigma = self._model.read_spread(self._state, g, where)
        self.g.view(-1).index_copy_(0, where, g)
        if self.sigma is not None and sigma is not None:
            self.sigma.view(-1).index_copy_(0, where, sigma)

    def _unshare(self) -> None:
        """Copy the arrays that pulses change where somebody else may hold them."""
        if not self._is_shared:
            return
        is_state, old = self.g is self._state.g, self._state
        dynamics = {name: _copy(array) for name, array in old.dynamics.items()}
        self._state = DeviceState(_copy(old.g), old.traits, dynamics)
        if isinstance(self._kind, pulse_kernels.InPlace):
            self._bind()
        else:
            self.g = self._state.g if is_state else _copy(self.g)
            self.sigma = None if self.sigma is None else _copy(self.sigma)
        self._is_shared = False


def _copy(array: Tensor) -> Tensor:
    """A contiguous copy."""
    return array.clone(memory_format=torch.contiguous_format)


def check_alike(
    model: DeviceModel, state: Mapping[str, Tensor], present: Mapping[str, Tensor]
) -> None:
    """Refuse a saved state of devices that cannot be one of those that are there.

    Args:
        model: Kind of device.
        state: By name, see `Emulator.state_dict`; names of others in it are not looked at.
        present: That of the devices that are there.

    Raises:
        KeyError: A part is missing.
        ValueError: A part has another shape or type, or a number that no device can have.
    """
    strangers = {n for n in state if n.startswith(("trait.", "dynamic."))} - present.keys()
    if strangers:
        raise ValueError(
            f"it holds other devices than the configuration describes: {min(strangers)}"
        )
    for name, array in present.items():
        saved = state[name]
        if (saved.shape, saved.dtype) != (array.shape, array.dtype):
            raise ValueError(
                f"it holds other devices than the configuration describes: {name} is "
                f"{saved.dtype} {tuple(saved.shape)}, not {array.dtype} {tuple(array.shape)}"
            )
        if not saved.isfinite().all():
            raise ValueError(f"{name} holds what is no finite number")
        if name in ("g", "pulsed") and (saved < 0).any():
            raise ValueError(f"{name} holds a number below 0")
    if isinstance(model, Tabulated) and "trait.table" in present:
        table = state["trait.table"]
        if not ((table >= 0) & (table < model.tables)).all():
            raise ValueError(f"trait.table holds what is no table of 0 to {model.tables - 1}")
