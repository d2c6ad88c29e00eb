"""Which policy and mapping a device can serve; asked before anything is built."""

import torch

from device_models.errors import ConfigError
from device_models.model import DeviceModel
from device_models.pulsed import Pulsed
from device_models.record import Record, Tagged

from ...mappings import MAPPINGS, Mapping
from ..synapses import LEAST_SHARE
from . import POLICIES
from .tiki_taka import has_symmetry_point

MOST_LEVELS = 100_000  # for single pulses to teach anything in some thousand updates; ours


def policy_of(policy: Record | None, model: DeviceModel) -> Record:
    """The options of a policy; where it is left open, of the one that suits the device."""
    default = "closed_loop" if isinstance(model, Pulsed) else "accumulate"
    return policy or POLICIES[default].Options()


def policy_name(options: Record) -> str:
    """The name of the policy that some options belong to."""
    return Tagged(POLICIES).name_of(options)


def check_serving(name: str, model: DeviceModel, options: Record, mapping: Mapping) -> None:
    """Refuse a device that has not the pulses that policy and mapping send.

    Args:
        name: Of the device, for messages.
        model: Kind of device.
        options: Of the policy.
        mapping: Of any layer.

    Raises:
        ConfigError: It says which policy or mapping the device can serve.
    """
    policy, plain = (
        policy_name(options),
        [p for p in POLICIES if not POLICIES[p].needs_symmetry_point],
    )
    needs_point = POLICIES[policy].needs_symmetry_point
    others = f"{', '.join(plain[:-1])} and {plain[-1]}"
    if not can_reset(model):
        alone = (
            f"needs RESET, which {name} has not; by SET alone work the policies {others} with "
            "--mapping pair and mapping.refresh_share=1; nothing was written"
        )
        if needs_point:
            raise ConfigError(f"--policy {policy} {alone}")
        if sends_reset(mapping):
            raise ConfigError(f"--mapping {Tagged(MAPPINGS).name_of(mapping.options)} {alone}")
        if getattr(mapping.options, "refresh_share", 1.0) < 1.0:
            raise ConfigError(f"the refresh of --mapping pair {alone}")
    if policy == "sign" and model.pulses_across > MOST_LEVELS:
        raise ConfigError(
            f"--policy sign sends single pulses, and {model.pulses_across:,.0f} of them cross the "
            f"window of {name} (allowed: {MOST_LEVELS:,}); the policies accumulate, closed_loop and "
            "stochastic send many at once; nothing was written"
        )
    if needs_point and not has_symmetry_point(model):
        raise ConfigError(
            f"--policy {policy} needs a device whose SET and RESET steps are equal somewhere "
            f"(its symmetry point), and {name} has none; the policies {others} need none; nothing "
            "was written"
        )


def can_reset(model: DeviceModel) -> bool:
    """Whether RESET moves a device somewhere in its window, by `LEAST_SHARE` of a mean SET step."""
    g = torch.linspace(model.g_min_siemens, model.g_max_siemens, 257, dtype=torch.float64)
    largest = float(model.step_siemens(g, -torch.ones_like(g)).max())
    return largest >= LEAST_SHARE * model.window_siemens / model.pulses_across


def sends_reset(mapping: Mapping) -> bool:
    """Whether a pulse that moves some weight is a RESET, at some conductances."""
    rows, columns = mapping.shape[0], mapping.columns
    g = torch.linspace(mapping.g_min_siemens, mapping.g_max_siemens, rows * columns)
    rising = g.view(rows, columns)
    return any(
        bool((mapping.route(torch.full(mapping.shape, up), g).polarity < 0).any())
        for up in (True, False)
        for g in (rising, rising.flip(1))
    )
