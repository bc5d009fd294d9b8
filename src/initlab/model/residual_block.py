"""One block of a residual ReLU network: RISOTTO paper, Eq. 1, in post- and pre-activation form."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from initlab.model.scalar_bias import scalar_bias
from initlab.norm.base import Norm
from initlab.norm.scaled import scaled


class ResidualBlock(nn.Module):
    r"""One block, :math:`z = \alpha F(x / s) + \beta h(x)`, with the skip h the identity or a 1x1 projection.

    Post-activation: :math:`x' = \phi(z)` with F = conv-ReLU-conv(-ReLU-conv). Pre-activation: the stream is z
    itself and F = ReLU-conv-ReLU-conv(-ReLU-conv), with no ReLU after the addition. Activation norms follow
    every conv in the first form and stand before every ReLU in the second.

    Attributes:
        alpha: the learned residual scale, a scalar, or None where it is the constant ``residual_scale``.
        residual_scale: the value :math:`\alpha` starts from.
        skip_scale: :math:`\beta`, a constant.
        input_std: s, a constant that divides what the branch and a projection see; 1 unless the network
            scales branch inputs.
        preact: whether this is the pre-activation form.
        projects_raw: whether a projection of a pre-activation block sees z rather than :math:`\phi(z)`.
        scalar_biases: whether a :class:`ScalarBias` stands before every conv and every ReLU.

    Args:
        in_channels: channels of the input.
        widths: output channels of each conv of the branch.
        kernel_sizes: kernel size of each conv of the branch.
        strides: stride of each conv of the branch.
        projection: whether the skip is a 1x1 conv (with the stride of the block, and no bias).
        preact: see above.
        projects_raw: see above.
        bias: whether the convs of the branch have biases.
        residual_scale: see above.
        learn_residual_scale: whether alpha is a parameter.
        skip_scale: see above.
        input_std: see above.
        scalar_biases: see above. The projection shares the bias of the first conv.
        norm: normalization.
    """

    def __init__(
        self,
        in_channels: int,
        widths: Sequence[int],
        kernel_sizes: Sequence[int],
        strides: Sequence[int],
        *,
        projection: bool,
        preact: bool,
        projects_raw: bool,
        bias: bool,
        residual_scale: float,
        learn_residual_scale: bool,
        skip_scale: float,
        input_std: float,
        scalar_biases: bool,
        layer_scales: bool,
        norm: Norm,
    ) -> None:
        super().__init__()
        self.preact = preact
        self.projects_raw = projects_raw
        self.residual_scale = residual_scale
        self.skip_scale = skip_scale
        self.input_std = input_std
        self.scalar_biases = scalar_biases
        self.alpha = nn.Parameter(torch.tensor(float(residual_scale))) if learn_residual_scale else None
        ins = [in_channels, *widths[:-1]]
        self.convs = nn.ModuleList(
            scaled(norm.wrap(nn.Conv2d(n, m, k, stride, k // 2, bias=bias)), layer_scales)
            for n, m, k, stride in zip(ins, widths, kernel_sizes, strides, strict=True)
        )
        self.norms = nn.ModuleList(_normalization(norm, n) for n in (ins if preact else widths))
        self.conv_biases = nn.ModuleList(scalar_bias(scalar_biases) for _ in widths)
        self.relu_biases = nn.ModuleList(scalar_bias(scalar_biases) for _ in widths)
        self.shortcut: nn.Module | None = None
        self.shortcut_norm: nn.Module = nn.Identity()
        if projection:
            stride = max(strides)
            projection_layer = norm.wrap(nn.Conv2d(in_channels, widths[-1], 1, stride, bias=False))
            self.shortcut = scaled(projection_layer, layer_scales)
            if not preact:
                self.shortcut_norm = _normalization(norm, widths[-1])

    def reset_parameters(self) -> None:
        """Set alpha to the value it starts from."""
        if self.alpha is not None:
            nn.init.constant_(self.alpha, self.residual_scale)

    def forward(self, inputs: Tensor) -> Tensor:
        """Map ``(N, C, H, W)`` to ``(N, C', H', W')``: x to x', or z to z' in the pre-activation form."""
        return self._preact(inputs) if self.preact else self._postact(inputs)

    def _postact(self, inputs: Tensor) -> Tensor:
        seen = self._divided(inputs)
        last = len(self.convs) - 1
        hidden = seen
        for i, conv in enumerate(self.convs):
            hidden = self.norms[i](conv(self.conv_biases[i](hidden)))
            if i < last:
                hidden = torch.relu(self.relu_biases[i](hidden))
        branch = self.relu_biases[last](self._scaled(hidden))
        skip = inputs
        if self.shortcut is not None:
            skip = self.shortcut_norm(self.shortcut(self.conv_biases[0](seen)))
        return torch.relu(branch + self._skip_scaled(skip))

    def _preact(self, inputs: Tensor) -> Tensor:
        hidden = self._divided(inputs)
        skip = inputs
        for i, conv in enumerate(self.convs):
            active = torch.relu(self.relu_biases[i](self.norms[i](hidden)))
            if i == 0 and self.shortcut is not None:
                skip = self.shortcut(self.conv_biases[0](hidden if self.projects_raw else active))
            hidden = conv(self.conv_biases[i](active))
        return self._scaled(hidden) + self._skip_scaled(skip)

    def _divided(self, inputs: Tensor) -> Tensor:
        return inputs if self.input_std == 1 else inputs / self.input_std

    def _scaled(self, branch: Tensor) -> Tensor:
        if self.alpha is not None:
            return self.alpha * branch
        return branch if self.residual_scale == 1 else self.residual_scale * branch

    def _skip_scaled(self, skip: Tensor) -> Tensor:
        return skip if self.skip_scale == 1 else self.skip_scale * skip


def _normalization(norm: Norm, channels: int) -> nn.Module:
    return norm.activation(channels) or nn.Identity()
