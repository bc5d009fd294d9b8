"""The figures of a sweep without accuracies: what probes found along the network, what agents got."""

from __future__ import annotations

from collections.abc import Sequence

from initlab.report.evidence import Cell, Evidence
from initlab.report.form.base import Form
from initlab.report.form.curves import curves
from initlab.report.form.profile import profile
from initlab.report.layers import FEWEST_LAYERS, last
from initlab.report.measure import Measure
from initlab.report.points import points
from initlab.report.values import REPLICATE, varying

RETURN = Measure(("train/return",), "return in the last epoch")
LOG = "log10_"


def forms(evidence: Evidence) -> list[Form]:
    """Return a profile for each metric that layers have, and the curve of the return where runs play."""
    series = [axis for axis in varying([cell.axes for cell in evidence.cells]) if axis != REPLICATE]
    made = []
    for prefix, log in families(evidence.cells).items():
        measure = Measure((prefix,), f"{prefix} at the last layer before the head", read=last(prefix))
        along = points(evidence, measure, series=series or "init", panel=())
        made.append(profile(along, f"{prefix} along the network.", prefix, prefix, log_y=log))
    if any(cell.metric(*RETURN.metrics) is not None for cell in evidence.cells):
        played = points(evidence, RETURN, series=series or "init", panel=())
        made.append(curves(evidence, played, "Return over epochs.", "train/return", "return"))
    return made


def families(cells: Sequence[Cell]) -> dict[str, bool]:
    """Return the prefixes ``<diagnostic>/<name>`` of the metrics that layers have, in their order.

    With each, whether it is to be read on a logarithmic scale: where there is a ``log10_<name>``, which is
    not listed beside it.
    """
    layers: dict[str, set[str]] = {}
    for cell in cells:
        for metric in cell.result.metrics if cell.result else ():
            if metric.count("/") == 2:
                prefix, _, layer = metric.rpartition("/")
                layers.setdefault(prefix, set()).add(layer)
    many = [prefix for prefix, names in layers.items() if len(names) >= FEWEST_LAYERS]
    logarithms = {prefix: prefix.replace("/", f"/{LOG}") for prefix in many}
    twins = {twin for twin in logarithms.values() if twin in many}
    return {prefix: logarithms[prefix] in twins for prefix in many if prefix not in twins}
