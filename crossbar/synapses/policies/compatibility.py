"""Which policy and mapping a device can serve; asked before anything is built."""

from collections.abc import Sequence

import torch

from device_models.errors import ConfigError
from device_models.model import DeviceModel

from ...mappings import Mapping
from ..synapses import LEAST_SHARE
from . import POLICIES
from .tiki_taka import has_symmetry_point

MOST_LEVELS = 100_000  # for single pulses to teach anything in some thousand updates; ours


def default_policy(sheet: DeviceModel) -> str:
    """The policy that suits a device where none is named."""
    return "accumulate" if sheet.count_is_width else "closed_loop"


def check_serving(
    device: str, sheet: DeviceModel, policy: str, mapping_name: str, mapping: Mapping
) -> None:
    """Refuse a device that has not the pulses that policy and mapping send.

    Args:
        device: Its name, for the message.
        sheet: Kind of device.
        policy: Name in `POLICIES`.
        mapping_name: Name in `MAPPINGS`.
        mapping: Of any layer.

    Raises:
        ConfigError: It says which policy or mapping the device can serve.
    """
    plain = [p for p in POLICIES if not POLICIES[p].needs_symmetry_point]
    needs_point = POLICIES[policy].needs_symmetry_point
    many = [p for p in plain if not POLICIES[p].sends_single_pulses]
    others = in_words(plain)
    if not can_reset(sheet):
        alone = (
            f"needs RESET, which {device} has not; by SET alone work the policies {others} with "
            "--mapping pair and mapping.refresh_share=1; nothing was written"
        )
        if needs_point:
            raise ConfigError(f"--policy {policy} {alone}")
        if sends_reset(mapping):
            raise ConfigError(f"--mapping {mapping_name} {alone}")
        if mapping.may_refresh:
            raise ConfigError(f"the refresh of --mapping {mapping_name} {alone}")
    if POLICIES[policy].sends_single_pulses and sheet.pulses_across > MOST_LEVELS:
        raise ConfigError(
            f"--policy {policy} sends single pulses, and {sheet.pulses_across:,.0f} of them cross "
            f"the window of {device} (allowed: {MOST_LEVELS:,}); the policies {in_words(many)} "
            "send many at once; nothing was written"
        )
    if needs_point and not has_symmetry_point(sheet):
        raise ConfigError(
            f"--policy {policy} needs a device whose SET and RESET steps are equal somewhere "
            f"(its symmetry point), and {device} has none; the policies {others} need none; "
            "nothing was written"
        )


def in_words(names: Sequence[str]) -> str:
    """`a, b and c`."""
    return f"{', '.join(names[:-1])} and {names[-1]}"


def can_reset(sheet: DeviceModel) -> bool:
    """Whether RESET moves a device somewhere in its window, by `LEAST_SHARE` of a mean SET step."""
    g = torch.linspace(sheet.g_min_siemens, sheet.g_max_siemens, 257, dtype=torch.float64)
    largest = float(sheet.step_siemens(g, -torch.ones_like(g)).max())
    return largest >= LEAST_SHARE * sheet.window_siemens / sheet.pulses_across


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
