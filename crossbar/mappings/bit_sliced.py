"""Several pairs a synapse, each finer than the one before."""

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor

from device_models.record import Record, quantity

from . import pairs
from .mapping import Mapping, Route


class BitSliced(Mapping):
    """w = sum over s of base^-s (G+_s - G-_s) / g_unit, s = 0 ... slices - 1.

    The columns are those of the pairs of slice 0, then of slice 1, and so on; the shift and the sum
    of the slices are digital. A weight is split greedily: each slice takes the nearest whole number
    of base-ths of its window, the next one what is left, the last one all of it. Programming goes
    slice by slice, and a slice also takes over by how much those before it missed their targets, as
    the last verifying read found them. A weight so ends as fine as the finest slice: base^(slices -
    1) times finer than on one pair, read noise aside.

    Updates pulse the finest slice, in the manner of a one-sided row without a sign. When one of its
    devices is beyond `refresh_share` of the window and the weight would be split otherwise, the
    synapse is programmed anew: the carry. In a row with a sign the coarsest slice is bound to it;
    the finer ones are not, and the weight stops at zero as `Mapping` says.

    Source:
        I. Boybat et al., Nat. Commun. 9, 2514, 2018 (several devices a synapse); A. Shafiee et al.,
        ISCA 2016, 14-26 (slices of one base, shifted and added). Split and carry are ours.
    """

    is_sliced = True

    @dataclass(frozen=True, kw_only=True)
    class Options(Record):
        """`slices` pairs hold a weight, each `base` times finer than the one before.

        Beyond `refresh_share` of the window the finest slice hands over to the coarser ones; above
        0.5, because it may stand at half of the window after a carry.
        """

        refresh_share: float = quantity("", 0.55, 1.0, default=0.7)
        slices: int = quantity("pairs", 1, 8, default=2)
        base: int = quantity("", 2, 64, default=4)

    @property
    def columns(self) -> int:
        """See `Mapping.columns`."""
        slices: int = self.options.slices
        return 2 * self.outputs * slices

    @property
    def w_max(self) -> float:
        """See `Mapping.w_max`: the full windows of all slices."""
        return sum((self.g_max_siemens - self.g_min_siemens) / unit for unit in self._units)

    @property
    def update_unit_siemens(self) -> float:
        """See `Mapping.update_unit_siemens`: that of the finest slice."""
        return self._units[-1]

    @property
    def stages(self) -> tuple[slice, ...]:
        """See `Mapping.stages`: the slices."""
        width = 2 * self.outputs
        return tuple(slice(s * width, (s + 1) * width) for s in range(self.options.slices))

    @property
    def _units(self) -> list[float]:
        """Conductance of a weight of one in each slice."""
        return [self.g_unit_siemens * self.options.base**s for s in range(self.options.slices)]

    def weights(self, g: Tensor) -> Tensor:
        """See `Mapping.weights`."""
        slices = zip(self.stages, self._units, strict=True)
        return _sum(pairs.weights(g[:, columns], unit) for columns, unit in slices)

    def variance(self, sigma: Tensor) -> Tensor:
        """See `Mapping.variance`."""
        slices = zip(self.stages, self._units, strict=True)
        return _sum(pairs.variance(sigma[:, columns], unit) for columns, unit in slices)

    def targets(self, weights: Tensor) -> Tensor:
        """See `Mapping.targets`; one device of each pair is at the floor."""
        parts, left = [], weights
        for stage, unit in enumerate(self._units):
            part = self._digit(left, stage)
            parts.append(pairs.targets(part, unit, self.g_min_siemens))
            left = left - part
        return torch.cat(parts, dim=1)

    def retargeted(self, weights: Tensor, written: Tensor, stage: int) -> Tensor:
        """See `Mapping.retargeted`."""
        targets = written.clone()
        targets[:, self.stages[stage].start :] = self.g_min_siemens
        part = self._digit(weights - self.weights(targets), stage)
        targets[:, self.stages[stage]] = pairs.targets(part, self._units[stage], self.g_min_siemens)
        return targets

    def _digit(self, left: Tensor, stage: int) -> Tensor:
        """What one slice takes of the weights that are left for it and the finer ones."""
        if stage == self.options.slices - 1:
            return left
        full = (self.g_max_siemens - self.g_min_siemens) / self._units[stage]
        digit = full / self.options.base
        return torch.round(left / digit).mul_(digit).clamp_(-full, full)

    def selected(self) -> Tensor:
        """See `Mapping.selected`."""
        free = torch.zeros_like(self.signs)
        signs = [self.signs] + [free] * (self.options.slices - 1)
        return torch.cat([pairs.selected(sign, self.outputs) for sign in signs], dim=1)

    def devices_of(self, synapses: Tensor) -> Tensor:
        """See `Mapping.devices_of`."""
        return synapses.repeat(1, 2 * self.options.slices)

    @property
    def is_fixed(self) -> bool:
        """See `Mapping.is_fixed`: where a single slice is a one-sided pair of a row with a sign."""
        return self.options.slices == 1 and bool((self.signs != 0).all())

    def route(self, up: Tensor, g: Tensor) -> Route:
        """See `Mapping.route`."""
        signs = torch.zeros_like(self.signs) if self.options.slices > 1 else self.signs
        finest = self.stages[-1]
        route = pairs.one_sided(signs, up, g[:, finest])
        return route._replace(column=route.column + finest.start)

    def headroom(self, g: Tensor) -> Tensor | None:
        """See `Mapping.headroom`."""
        return self.to_zero(g)

    @property
    def may_refresh(self) -> bool:
        """See `Mapping.may_refresh`."""
        return bool(self.options.slices > 1)

    def needs_refresh(self, g: Tensor) -> Tensor | None:
        """See `Mapping.needs_refresh`: the finest slice is full, and a coarser can take over."""
        if self.options.slices == 1:
            return None
        window = self.g_max_siemens - self.g_min_siemens
        top: float = self.g_min_siemens + self.options.refresh_share * window
        full = torch.maximum(*g[:, self.stages[-1]].chunk(2, dim=1)) > top
        rows = full.any(1).nonzero()[:, 0]
        there = g[rows]
        coarse = there[:, : self.stages[-1].start]
        low, high = (bound[rows].to(g.dtype) for bound in self.limits())
        wanted = self.targets(self.weights(there).clamp_(low, high))[:, : coarse.shape[1]]
        half_digit: float = window / self.options.base / 2
        other = (wanted - coarse).abs() > half_digit
        full[rows] &= other.view(len(rows), self.options.slices * 2 - 2, self.outputs).any(1)
        return full


def _sum(parts: Iterable[Tensor]) -> Tensor:
    """Their sum, in the first of them."""
    first, *others = parts
    for part in others:
        first += part
    return first
