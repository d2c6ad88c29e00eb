"""`Recurrent`: a layer whose outputs come back on word lines of its own array."""

from typing import Any

import torch
from torch import Tensor

from device_models.model import DeviceModel
from device_models.record import Record

from ..boards.protocol import Board
from .array import Programming
from .hardware import Hardware
from .layers import Vectors, check_sizes
from .module import Mode, wrong_shape
from .settings import Bias, signs_of


class Recurrent(Vectors):
    """y = x W + z R + b of one time step on a crossbar; z is what its neurons sent a step before.

    Input lines and neurons drive rows of the same array, and so the same columns: one read gives
    the sum. What makes spikes of y, and keeps z, is any neuron of torch, snnTorch or norse.

        >>> import torch
        >>> from crossbar import nn
        >>> layer, spikes = nn.Recurrent(6, 3, device="oxram.yaml", seed=1), None
        >>> for x in torch.ones(10, 2, 6):  # time first
        ...     spikes = (layer(x, spikes) > 0.5).float()
        >>> spikes.shape, layer.weight_ih.shape, layer.weight_hh.shape
        (torch.Size([2, 3]), torch.Size([3, 6]), torch.Size([3, 3]))

    Source:
        As `torch.nn.RNNCell` without its nonlinearity, and with one bias; read noise at the output:
        independent normals add, see `crossbar.array.tile.read`.
    """

    def __init__(
        self,
        in_features: int,
        out_features: int,
        bias: Bias | bool = "digital",
        *,
        device: str | DeviceModel = "oxram.yaml",
        mapping: str | Record = "one_sided",
        ei: str | None = None,
        ei_recurrent: str | None = None,
        w_max: float | None = None,
        mode: Mode = "exact",
        hardware: Hardware | None = None,
        board: Board | None = None,
        seed: int | torch.Generator = 0,
        weight: Tensor | None = None,
        programming: Programming = "program",
    ) -> None:
        """Make the array and write its first weights.

        Args:
            in_features: Size of an input vector: the first word lines.
            out_features: Neurons: as many columns of weights, and as many more word lines.
            bias: See `Linear`, like all that is not said here.
            device: Likewise.
            mapping: Likewise.
            ei: Dale's law of the lines that come in.
            ei_recurrent: Of the neurons of the layer.
            w_max: Likewise.
            mode: Likewise.
            hardware: Likewise.
            board: Likewise, of in_features + out_features rows.
            seed: Likewise.
            weight: First weights (out_features, in_features + out_features), those of the inputs
                first.
            programming: Likewise.

        Raises:
            ConfigError, ShapeError: A setting is wrong, or does not fit; nothing was built.
        """
        check_sizes(in_features=in_features, out_features=out_features)
        signs = signs_of(ei, in_features), signs_of(ei_recurrent, out_features)
        super().__init__(
            in_features + out_features,
            out_features,
            device=device,
            mapping=mapping,
            signs=torch.cat(signs),
            bias=bias,
            w_max=w_max,
            mode=mode,
            hardware=hardware,
            board=board,
            seed=seed,
            weights=None if weight is None else weight.detach().cpu().T.contiguous(),
            programming=programming,
        )
        self.in_features, self.out_features = in_features, out_features

    @property
    def weight_ih(self) -> Tensor:
        """Weights of the inputs, (out_features, in_features); see `ArrayModule.weight`."""
        return self.weight[:, : self.in_features]

    @property
    def weight_hh(self) -> Tensor:
        """Weights of the layer's own neurons, (out_features, out_features)."""
        return self.weight[:, self.in_features :]

    def forward(self, x: Tensor, spikes: Tensor | None = None) -> Tensor:
        """What a time step drives on the columns, with read noise.

        Args:
            x: (..., in_features).
            spikes: What the neurons sent a step before, (..., out_features); None: nothing.

        Raises:
            ShapeError, LimitError, HardwareError: See `ArrayModule.forward`. Nothing was read.
        """
        return super().forward(self.joined(x, spikes))

    def joined(self, *inputs: Any) -> Tensor:
        """See `ArrayModule`: inputs, then spikes, (..., in_features + out_features).

        Raises:
            ShapeError: They do not go together.
        """
        x, spikes = (*inputs, None)[:2]
        self._check_kind(x)
        if x.ndim == 0 or x.shape[-1] != self.in_features:
            raise wrong_shape(x, f"(..., {self.in_features})")
        shape = (*x.shape[:-1], self.out_features)
        if spikes is None:
            return torch.cat((x, x.new_zeros(shape)), -1)
        self._check_kind(spikes)
        if spikes.shape != shape:
            raise wrong_shape(spikes, f"{shape}, as spikes of the step before")
        return torch.cat((x, spikes), -1)
