"""Two devices a synapse, both only ever SET until they are refreshed."""

from dataclasses import dataclass

import torch
from torch import Tensor

from device_models.record import Record, quantity

from . import pairs
from .mapping import Route


class Pair(pairs.Paired):
    """w = (G+ - G-) / g_unit, both devices programmable: the differential update.

    A weight rises by a SET of its positive device and falls by a SET of its negative one. A pair of
    which both devices have climbed beyond `refresh_share` of the window is refreshed: both are
    brought down and the difference is programmed anew, by pulses and verifying reads like any
    other. A device at its top whose partner has not climbed so far stays there: the weight only
    moves the other way. Rows with a sign stop at zero as `Mapping` says.

    Source:
        M. Suri et al., IEDM 2011, 4.4 (two devices a synapse, both only ever made more conductive,
        and a refresh); G. W. Burr et al., IEEE Trans. Electron Devices 62(11), 3498-3507, 2015.
        That a pair is due when both are beyond a share of the window is ours.
    """

    @dataclass(frozen=True, kw_only=True)
    class Options(Record):
        """`refresh_share` is the share of the window beyond which both devices are refreshed."""

        refresh_share: float = quantity("", 0.55, 1.0, default=0.7)

    def selected(self) -> Tensor:
        """See `Mapping.selected`: all."""
        return torch.ones((len(self.signs), self.columns), dtype=torch.bool)

    def route(self, up: Tensor, g: Tensor) -> Route:
        """See `Mapping.route`: always a SET."""
        column = self.own_columns() + self.outputs * ~up
        polarity = torch.ones(up.shape, dtype=torch.int8)
        return Route(column, polarity)

    def headroom(self, g: Tensor) -> Tensor | None:
        """See `Mapping.headroom`."""
        return self.to_zero(g)

    @property
    def may_refresh(self) -> bool:
        """See `Mapping.may_refresh`."""
        return bool(self.options.refresh_share < 1.0)

    def needs_refresh(self, g: Tensor) -> Tensor:
        """See `Mapping.needs_refresh`: pairs of which both devices are beyond `refresh_share`."""
        window = self.g_max_siemens - self.g_min_siemens
        top: float = self.g_min_siemens + self.options.refresh_share * window
        plus, minus = g.chunk(2, dim=1)
        return torch.minimum(plus, minus) > top
