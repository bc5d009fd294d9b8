"""Defazio & Bottou: Scaling Laws for the Design, Initialization and Preconditioning of ReLU Networks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from statistics import median

from initlab.report.claims import Findings
from initlab.report.evidence import Cell, Evidence
from initlab.report.form.accuracy import accuracy
from initlab.report.form.curves import curves
from initlab.report.form.distribution import distribution
from initlab.report.form.heat_map import heat_map
from initlab.report.layers import names, quotient
from initlab.report.measure import TRAINING_LOSS, Measure
from initlab.report.points import Point, Points, points
from initlab.report.verdict import better, keeps, smaller

SPREAD = Measure(
    ("gr_scaling/spread",), "largest GR scaling over the smallest", higher_is_better=False, log=True
)
BLOCKS = Measure(
    ("gr_scaling/block_spread",), "largest diagonal block over the smallest", higher_is_better=False,
    log=True, read=lambda cell: ratio_of_diagonal(cell),
)  # fmt: skip
OBSERVED = Measure(
    ("gr_scaling/theory_over_actual",), "GR scaling over its measured value", center="median", log=True
)
LOSS = Measure(("normalized_loss",), "median training loss over the worst init's", higher_is_better=False)
WORST = Measure(
    ("share_worst",),
    "data sets on which it is the worst (%)",
    factor=100,
    center="share",
    higher_is_better=False,
)
BEST = Measure(("share_best",), "data sets on which it is the best (%)", factor=100, center="share")


def fig1(evidence: Evidence) -> Findings:
    """The blocks of the Hessian of a strided LeNet, by default and preconditioned: Figure 1.

    The paper states that the preconditioned network keeps the diagonal blocks about alike (caption). The
    geometric initialization without preconditioning is ours, and is not judged.
    """
    found = points(evidence, BLOCKS, panel=())
    form = heat_map(
        found, "Figure 1: average squared singular value of every block.", blocks, "E[(G r)²]", "layer"
    )
    verdicts = [
        v
        for name in found.series
        if name.startswith("pytorch")
        for v in better(found, "preconditioned", name)
    ]
    return Findings((form,), tuple(verdicts))


def blocks(cell: Cell) -> list[list[float]]:
    """Return the matrix of ``gr_scaling/block/<row>/<column>``; an empty one where a run has none."""
    metrics = cell.result.metrics if cell.result else {}
    rows: dict[str, list[float]] = {}
    for name, value in metrics.items():
        if name.startswith("gr_scaling/block/"):
            rows.setdefault(name.split("/")[2], []).append(float(value or 0.0))
    return list(rows.values())


def ratio_of_diagonal(cell: Cell) -> float | None:
    """Return the largest diagonal block over the smallest."""
    matrix = blocks(cell)
    diagonal = [row[index] for index, row in enumerate(matrix) if index < len(row)]
    return max(diagonal) / min(diagonal) if diagonal and min(diagonal) > 0 else None


def fig2(evidence: Evidence) -> Findings:
    """The GR scaling against what is measured, in a strided LeNet with random inputs: Figure 2.

    The paper states that the GR scaling is in general agreement with the average squared singular value of a
    block (Sec. 3.1). The factor of 2 is ours.
    """
    of = quotient("gr_scaling/weight", "gr_scaling/actual")
    made = []
    for layer in names(evidence.cells, "gr_scaling/actual"):
        values = tuple(value for cell in evidence.cells if (value := of(layer)(cell)) is not None)
        made.append(Point("", "theory / actual", layer, values, evidence.cells))
    found = Points(tuple(made), OBSERVED, "layer")
    verdicts = [
        keeps(f"the ratio at {point.x} lies between 1/2 and 2 in the mean", point.values, 0.5, 2.0)
        for point in made
    ]
    return Findings(
        (distribution(found, "Figure 2: theory over actual, by layer.", target=1),), tuple(verdicts)
    )


def table1(evidence: Evidence) -> Findings:
    """Which layers keep the GR scaling of a balanced network when they are inserted: Table 1.

    The paper states of each kind whether the GR scaling stays equal. Ours is the largest GR scaling over the
    smallest, which is 1 in a balanced network; average pooling keeps it for inputs of mean zero alone.
    """
    keeping = {number.axes.get("model.insert"): number.value for number in evidence.published.numbers}
    found = points(evidence, SPREAD, x="model.insert", panel=(), x_label="inserted")
    words: dict[float | None, str] = {1: "published: keeps it", 0: "published: does not keep it"}
    made = [replace(point, panel=words.get(keeping.get(point.x), "")) for point in found.points]
    found = replace(
        found, points=tuple(sorted(made, key=lambda point: [*words.values(), ""].index(point.panel)))
    )
    verdicts = []
    for point in found.points:
        if point.cells and keeping.get(point.x) == 1:
            verdicts.append(
                keeps(f"{point.x}: the GR scalings stay within a factor of 2", point.values, high=2)
            )
        elif point.cells and keeping.get(point.x) == 0:
            verdicts.append(keeps(f"{point.x}: the GR scalings differ by more than 2", point.values, low=2))
    return Findings((accuracy(found, "Table 1: largest GR scaling over the smallest."),), tuple(verdicts))


def table2(evidence: Evidence) -> Findings:
    """Training loss of MLPs on 26 LIBSVM sets, each init at its best learning rate: Table 2 and Figure 4.

    The paper states that the geometric initialization is the most consistent, with the lowest mean of losses
    divided by the worst init's and the worst on no set; and that fan-out is the best on most sets, and the
    worst on some. The names of the sets stand in a picture alone.
    """
    losses = replace(TRAINING_LOSS, center="median")
    found = points(evidence, losses, x="data.dataset", panel=(), best="lr", choose=losses, x_label="data set")
    relative = _over_the_worst(found)
    ours = relative.get("geometric", {})
    verdicts = [
        smaller(
            f"loss over the worst init's, in the mean over data sets: geometric < {series}",
            [(ours[name], other[name]) for name in ours if name in other],
        )
        for series, other in relative.items()
        if series != "geometric"
    ]
    best = {x: min(values[x] for values in relative.values() if x in values) for x in ours}

    def is_best(x: str, value: float) -> float:
        return float(value == best.get(x))

    def each(measure: Measure, of: Callable[[str, float], float]) -> Points:
        told = {n.axes.get("init"): n for n in evidence.published.numbers if n.metric in measure.metrics}
        made = []
        for series, values in relative.items():
            cells = tuple(cell for point in found.at(series) for cell in point.cells)
            shown = tuple(measure.shown(of(x, value)) for x, value in values.items())
            made.append(Point("", series, None, shown, cells, published=told.get(series)))
        return Points(tuple(made), measure)

    worsts, bests = each(WORST, lambda _, value: float(value == 1)), each(BEST, is_best)
    verdicts += [
        v for other in worsts.series for v in better(worsts, "geometric", other) if other != "geometric"
    ]
    verdicts += [v for other in bests.series for v in better(bests, "fan_out", other) if other != "fan_out"]
    forms = (
        accuracy(
            each(LOSS, lambda _, value: value),
            "Table 2: mean over data sets of the loss divided by the worst init's.",
        ),
        accuracy(worsts, "Table 2: data sets on which an init is worst."),
        accuracy(bests, "Table 2: data sets on which an init is best."),
        accuracy(found, "Figure 4: median training loss by data set, at each init's best learning rate."),
    )
    return Findings(forms, tuple(verdicts))


def _over_the_worst(found: Points) -> dict[str, dict[str, float]]:
    """Divide the median loss of each init on a data set by that of the worst init there."""
    losses = {(p.series, p.x): median(p.values) for p in found.points if p.values and p.x is not None}
    worst = {x: max(value for (_, name), value in losses.items() if name == x) for _, x in losses}
    made: dict[str, dict[str, float]] = {series: {} for series in found.series}
    for (series, x), value in losses.items():
        made[series][str(x)] = value / worst[x] if worst[x] else 1.0
    return made


def fig3(evidence: Evidence) -> Findings:
    """Training loss of a strided AlexNet on CIFAR-10: Figure 3.

    The paper states that preconditioning, together with geometric initialization, improves the training loss
    over all others, by a small margin (Sec. 8.1).
    """
    found = points(evidence, TRAINING_LOSS, panel=(), best="lr", choose=TRAINING_LOSS)
    form = curves(
        evidence,
        found,
        "Figure 3: training loss over epochs.",
        "train/loss",
        "training loss (nats)",
        log_y=True,
    )
    others = [name for name in found.series if name != "preconditioned"]
    return Findings((form,), tuple(v for name in others for v in better(found, "preconditioned", name)))
