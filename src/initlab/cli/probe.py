"""What a probe found, in one table: a line per layer, then the numbers of the whole network."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import takewhile
from typing import Any

from rich.console import Group, RenderableType
from rich.text import Text

from initlab.cli.console import new_table

# Of each layer or block: metric, heading.
BY_LAYER = {
    "signal/forward_ratio": "|h|/|x|",
    "signal/backward_ratio": "|dL/da|",
    "correlation/cosine": "cosine",
    "gradient/ratio": "|dW|/|W|",
    "gr_scaling/weight": "GR",
}
# Of the whole network, first to last.
OVERALL = (
    "summary/parameters",
    "summary/flops",
    "summary/receptive_pixels",
    "gradient/loss",
    "jacobian/sigma_max",
    "jacobian/sigma_min",
    "jacobian/num_zero",
    "jacobian/logits/sigma_max",
    "hessian/spectral_norm",
)
MOST_ROWS = 24
Metrics = Mapping[str, Any]


def page(metrics: Metrics) -> RenderableType:
    """Return the table of a probe's metrics, of at most ``MOST_ROWS`` lines of numbers.

    Of a deep network layers are shown at even steps, the first and the last among them; all are in the
    run's CSV files.
    """
    shown = {name: heading for name, heading in BY_LAYER.items() if any(of_layer(metrics, name))}
    single = len({name.split("/")[0] for name in metrics}) == 1
    overall = [name for name in metrics if name.count("/") == 1] if single else list(OVERALL)
    overall = [name for name in overall if metrics.get(name) is not None][:MOST_ROWS]
    found = {name: dict(of_layer(metrics, name)) for name in shown}
    layers = list(dict.fromkeys(layer for values in found.values() for layer in values))
    layers.sort(key=lambda layer: layer != "input")  # the inputs themselves, of which only some metrics tell
    picked = evenly(layers, MOST_ROWS - len(overall))
    parts: list[RenderableType] = []
    if picked:
        lines = new_table("layer", *shown.values(), right=frozenset(shown.values()))
        lines.padding = (0, 1, 0, 0)  # narrow, so that 80 columns hold it
        common = len(shared_prefix([layer for layer in layers if layer != "input"]))
        for layer in picked:
            numbers = [number(values[layer]) if layer in values else "" for values in found.values()]
            lines.add_row(Text(layer if layer == "input" else layer[common:]), *numbers)
        parts.append(lines)
        if len(picked) < len(layers):
            parts.append(Text(f"{len(picked)} of {len(layers)} layers and blocks; all are in the CSV files"))
    width = max(map(len, overall), default=0)
    parts += [Text(f"{name:{width}}  {number(metrics[name])}") for name in overall]
    return Group(*parts)


def of_layer(metrics: Metrics, name: str) -> list[tuple[str, Any]]:
    """Return the values of one metric by layer."""
    return [(key[len(name) + 1 :], value) for key, value in metrics.items() if key.startswith(f"{name}/")]


def shared_prefix(names: Sequence[str]) -> str:
    """Return the first parts of dotted names that all have in common, such as ``network.``."""
    parents = [name.split(".")[:-1] for name in names]
    alike = takewhile(lambda parts: len({*parts}) == 1, zip(*parents, strict=False))
    return "".join(f"{parts[0]}." for parts in alike)


def evenly(items: Sequence[str], count: int) -> list[str]:
    """Return at most ``count`` items at even steps, the first and the last among them."""
    if len(items) <= count:
        return list(items)
    if count < 2:
        return list(items[:count])
    return [items[round(i * (len(items) - 1) / (count - 1))] for i in range(count)]


def number(value: Any) -> str:
    """Write a number in a few digits; nothing for one that is not finite or was not found."""
    if value is None:
        return "-"
    if isinstance(value, int):
        return f"{value:,}"
    return f"{value:.3g}"
