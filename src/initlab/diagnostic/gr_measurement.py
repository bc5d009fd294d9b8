"""The result of diagnostic ``gr_scaling``: numbers, table and figure."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class LayerScaling:
    """The GR scaling of one layer and what it is made of; second moments are over samples and elements.

    Args:
        layer: dotted name.
        fan_in: inputs of one output unit, ``n_in k^2``.
        positions: places of the layer in one sample's output, ``rho^2``.
        input_moment: ``E[x^2]``.
        output_moment: ``E[y^2]``.
        gradient_moment: ``E[Dy^2]``, of each sample's own loss.
        weight: GR scaling of the weight; None where ``E[y^2]`` is 0.
        bias: GR scaling of the bias; None where there is none or ``E[y^2]`` is 0.
        weight_to_gradient: ``E[DW^2] / E[W^2]`` of each sample's own loss; None where W is 0.
        actual: measured ``E[(G r)^2]`` of each sample's own Hessian; None when not asked for.
    """

    layer: str
    fan_in: int
    positions: int
    input_moment: float
    output_moment: float
    gradient_moment: float
    weight: float | None
    bias: float | None
    weight_to_gradient: float | None
    actual: float | None


@dataclass(frozen=True)
class GrScalingMeasurement:
    """The GR scaling of every layer, in order of use in the network's list.

    Args:
        layers: one entry per layer.
        left_out: sentences that name the layers not measured, and why.
        heat_map: ``E[(G_ij r_j)^2]``, row i and column j in the order of ``layers``; None when not asked for.
    """

    layers: tuple[LayerScaling, ...]
    left_out: tuple[str, ...] = ()
    heat_map: tuple[tuple[float, ...], ...] | None = None

    def metrics(self) -> dict[str, float | int | None]:
        """Return ``gr_scaling/<quantity>/<layer>`` and ``gr_scaling/spread`` for ``result.json``.

        The spread is the largest weight GR scaling over the smallest, 1 in a balanced network. With a heat
        map there is also ``gr_scaling/block/<row layer>/<column layer>``.
        """
        found: dict[str, float | int | None] = {}
        for entry in self.layers:
            found[f"gr_scaling/weight/{entry.layer}"] = entry.weight
            found[f"gr_scaling/bias/{entry.layer}"] = entry.bias
            found[f"gr_scaling/weight_to_gradient/{entry.layer}"] = entry.weight_to_gradient
            found[f"gr_scaling/actual/{entry.layer}"] = entry.actual
        scalings = [entry.weight for entry in self.layers if entry.weight]
        found["gr_scaling/spread"] = max(scalings) / min(scalings) if scalings else None
        names = [entry.layer for entry in self.layers]
        for row, blocks in zip(names, self.heat_map or (), strict=False):
            for column, value in zip(names, blocks, strict=True):
                found[f"gr_scaling/block/{row}/{column}"] = value
        return found

    def rows(self) -> list[dict[str, Any]]:
        """Return one row per layer; with a heat map, also its row of blocks."""
        rows = [dict(vars(entry)) for entry in self.layers]
        for row, blocks in zip(rows, self.heat_map or (), strict=False):
            row |= {f"block/{entry.layer}": value for entry, value in zip(self.layers, blocks, strict=True)}
        return rows

    def figure(self) -> Figure:
        """Draw each quantity over the layers, and the heat map of the blocks where there is one."""
        from matplotlib.figure import Figure

        count = len(self.layers)
        width = max(5.0, 0.22 * count)
        panels = 1 if self.heat_map is None else 2
        figure = Figure(figsize=(width + 5 * (panels - 1), 4), layout="constrained")
        axes = figure.subplots(1, panels, squeeze=False)[0]
        series = {
            "GR scaling, weight": ("o-", [entry.weight for entry in self.layers]),
            "weight-to-gradient ratio": ("s--", [entry.weight_to_gradient for entry in self.layers]),
            "measured E[(Gr)²]": ("^:", [entry.actual for entry in self.layers]),
            "GR scaling, bias": ("x-.", [entry.bias for entry in self.layers]),
        }
        for label, (style, values) in series.items():
            if any(value is not None for value in values):
                points = [value if value else math.nan for value in values]
                axes[0].semilogy(range(count), points, style, label=label, markersize=4)
        names = [entry.layer for entry in self.layers]
        axes[0].set_xticks(range(count), names, rotation=90, fontsize=7)
        axes[0].set(ylabel="per sample", title="GR scaling")
        axes[0].legend(fontsize=7)
        if self.heat_map is not None:
            logs = [[math.log10(value) if value > 0 else math.nan for value in row] for row in self.heat_map]
            image = axes[1].imshow(logs, cmap="viridis")
            figure.colorbar(image, ax=axes[1], label="log10 E[(G_ij r_j)²]")
            axes[1].set_xticks(range(count), names, rotation=90, fontsize=7)
            axes[1].set_yticks(range(count), names, fontsize=7)
            axes[1].set_title("blocks of the Hessian")
        return figure
