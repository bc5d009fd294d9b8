"""The figures of a sweep without accuracies: what probes found along the network, what agents got."""

from __future__ import annotations

from collections.abc import Sequence

from initlab.report.evidence import Cell, Evidence
from initlab.report.form.base import Form
from initlab.report.form.curves import curves
from initlab.report.form.profile import profile
from initlab.report.layers import FEWEST_LAYERS, last
from initlab.report.measure import RETURN, Measure
from initlab.report.points import points
from initlab.report.values import REPLICATE, varying

LOG = "log10_"
MOST_SERIES = 30  # that a figure can tell apart


def forms(evidence: Evidence) -> list[Form]:
    """Return a profile for each metric that layers have, and the curve of the return where runs play.

    There is none of more than ``MOST_SERIES`` series.
    """
    series = [axis for axis in varying([cell.axes for cell in evidence.cells]) if axis != REPLICATE]
    made = []
    for prefix in families(evidence.cells):
        measure = Measure((prefix,), f"{prefix} at the last layer before the head", read=last(prefix))
        along = points(evidence, measure, series=series or "init", panel=())
        made.append(profile(along, f"{prefix} along the network.", prefix, prefix))
    if any(cell.metric(*RETURN.metrics) is not None for cell in evidence.cells):
        played = points(evidence, RETURN, series=series or "init", panel=())
        made.append(curves(evidence, played, "Return over epochs.", "train/return", "return"))
    return [form for form in made if len(form.points.series) <= MOST_SERIES]


def families(cells: Sequence[Cell]) -> list[str]:
    """Return the prefixes ``<diagnostic>/<name>`` of the metrics that layers have, in their order.

    Of a metric with a ``log10_<name>`` that alone: a ratio may grow beyond all numbers, its logarithm not.
    """
    layers: dict[str, set[str]] = {}
    for cell in cells:
        for metric in cell.result.metrics if cell.result else ():
            if metric.count("/") == 2 and not of_whole_network(metric):
                prefix, _, layer = metric.rpartition("/")
                layers.setdefault(prefix, set()).add(layer)
    many = [prefix for prefix, names in layers.items() if len(names) >= FEWEST_LAYERS]
    return [prefix for prefix in many if prefix.replace("/", f"/{LOG}") not in many]


def of_whole_network(metric: str) -> bool:
    """Whether a metric is one number of a network, and none of a layer or a block."""
    return metric.count("/") < 2 or metric.startswith("jacobian/logits/")
