"""Gadhikar & Burkholz: Dynamical Isometry for Residual Networks (RISOTTO)."""

from __future__ import annotations

from collections.abc import Sequence

from initlab.report.claims import Findings
from initlab.report.evidence import Cell, Evidence
from initlab.report.form.accuracy import accuracy
from initlab.report.form.base import Form
from initlab.report.form.curves import average, curves
from initlab.report.form.lines import lines
from initlab.report.form.profile import profile
from initlab.report.layers import drift, last, rise
from initlab.report.measure import TEST, TEST_INTERVAL, Measure
from initlab.report.points import SERIES, Points, points
from initlab.report.values import label
from initlab.report.verdict import Verdict, better, keeps

DATA = ("data", "model.depth")
NETWORK = ("data", "model", "model.depth")
PLACES = ("data", "norm.position")
CHANCE = {"cifar10": 10.0, "cifar100": 1.0, "tiny_imagenet": 0.5}  # %
COSINE = Measure(
    ("correlation/cosine_post/stages.0.4",),
    "cosine of two inputs after the last block",
    read=last("correlation/cosine"),
)
RISE = Measure(("correlation/rise",), "rise of the cosine", read=rise("correlation/cosine"))
DRIFT = Measure(("correlation/drift",), "largest change of the cosine", read=drift("correlation/cosine"))


def fig2b(evidence: Evidence) -> Findings:
    """How alike two inputs become, block by block, at initialization: Figure 2b.

    The paper states that RISOTTO alone keeps the correlation of inputs after each block, and that it rises
    with depth for the others (caption). Ours is the cosine of pre-activations, on which this is exact.
    """
    ends, drifts, rises = (points(evidence, measure, panel=()) for measure in (COSINE, DRIFT, RISE))
    form = profile(
        ends,
        "Figure 2b: cosine between inputs by block.",
        "correlation/cosine",
        "cosine",
        x_label="block (0: after the stem)",
        count_from=0,
    )
    verdicts = [
        keeps("risotto: the cosine stays within 1e-4 of that after the stem", point.values, high=1e-4)
        for point in drifts.points
        if point.series == "risotto" and point.cells
    ]
    verdicts += [
        keeps(f"{point.series}: the cosine rises from the stem to the last block", point.values, low=0.0)
        for point in rises.points
        if point.series != "risotto" and point.cells
    ]
    return Findings((form,), tuple(verdicts))


def fig2c(evidence: Evidence) -> Findings:
    """Test accuracy by the scale of the residual branches: Figure 2c.

    The paper states that a scale of 0, which is SkipInit, gives the lowest accuracy (caption).
    """
    found = points(evidence, TEST, x="model.residual_scale", panel=(), best="lr", x_label="residual scale")
    by_scale = points(evidence, TEST, series="model.residual_scale", panel=(), best="lr")
    none = label({"model.residual_scale": 0.0})
    verdicts = tuple(v for other in by_scale.series if other != none for v in better(by_scale, other, none))
    return Findings((lines(found, "Figure 2c: test accuracy by residual scale."),), verdicts)


def table1(evidence: Evidence) -> Findings:
    """Test accuracy of residual networks without batch normalization: Table 1.

    The paper states that RISOTTO with ResNet (C) is the best of all on each data set (p. 7).
    """
    found = points(evidence, TEST_INTERVAL, series="init", panel=NETWORK, best="lr")
    every = points(evidence, TEST, series=("init", "model"), panel=DATA, best="lr")
    best = label({"init": "risotto", "model": "resnet_c"})
    verdicts = [v for other in every.series if other != best for v in better(every, best, other)]
    return Findings(
        (accuracy(found, "Table 1: test accuracy without batch normalization."),), tuple(verdicts)
    )


def table2(evidence: Evidence) -> Findings:
    """Test accuracy of residual networks with batch normalization: Table 2.

    The paper states that RISOTTO is marginally below He initialization on CIFAR-10, with ResNet-18, and above
    it on CIFAR-100 and Tiny ImageNet, with ResNet-50 (caption and p. 7). In its table that is so of each
    init's better network, which ours are by validation, and not of all.
    """
    found = points(evidence, TEST_INTERVAL, panel=NETWORK, best="lr")
    deep, shallow = (_better_network(evidence, deep) for deep in (True, False))
    verdicts = (
        *(v for other in _others(shallow) for v in better(shallow, other, "risotto")),
        *(v for other in _others(deep) for v in better(deep, "risotto", other)),
    )
    return Findings((accuracy(found, "Table 2: test accuracy with batch normalization."),), verdicts)


def table6(evidence: Evidence) -> Findings:
    """Test accuracy of N-RISOTTO, with batch normalization and without: Table 6.

    The paper states no order here: it shows that RISOTTO with a little noise, which breaks its symmetry,
    trains with the normalization and without.
    """
    found = points(evidence, TEST_INTERVAL, panel=NETWORK, best="lr")
    return Findings((accuracy(found, "Table 6: test accuracy of N-RISOTTO."),), _trains(found))


def fig4_left(evidence: Evidence) -> Findings:
    """A ResNet-50 on Tiny ImageNet with one batch normalization before the pooling: Figures 4 (left) and 7a.

    The paper states that RISOTTO is better than He normal, and that He uniform fails (caption of Figure 7).
    """
    found, form = _learning(evidence, "Figure 4, left: test accuracy over epochs.")
    return Findings((form,), tuple(v for other in _others(found) for v in better(found, "risotto", other)))


def fig4_center(evidence: Evidence) -> Findings:
    """A network of 300 layers on CIFAR-100 without normalization: Figures 4 (center), 7b and 8a.

    The paper states that RISOTTO trains faster than Fixup and ends higher (p. 7). The caption of 8a names a
    ResNet-101.
    """
    found, form = _learning(evidence, "Figure 4, center: accuracy over epochs.")
    return Findings((form,), (*better(found, "risotto", "fixup"), *_faster(evidence, "risotto", "fixup")))


def fig4_right(evidence: Evidence) -> Findings:
    """RISOTTO against normalizer-free networks: Figures 4 (right) and 9.

    The paper states that RISOTTO is above both on CIFAR-10, with ResNet-18, and on Tiny ImageNet, and like He
    normal on CIFAR-100 (caption of Figure 9).
    """
    inits = ("init", "init.distribution")  # each has a normalization of its own
    _, form = _learning(evidence, "Figure 4, right: accuracy over epochs.", series=inits, panel=DATA)
    stated = points(evidence, TEST, series=inits, panel=DATA, best="lr", where=_small_or_tiny)
    return Findings((form,), tuple(v for other in _others(stated) for v in better(stated, "risotto", other)))


def fig5(evidence: Evidence) -> Findings:
    """A ResNet-18 on CIFAR-10 with one batch normalization at the first, middle or last place: Figure 5.

    The paper states that RISOTTO trains with all three while He initialization fails unless the normalization
    is the last, and that the last place is the best (App. A.5).
    """
    _, form = _learning(evidence, "Figure 5: accuracy over epochs by the place of the batch normalization.")
    places = points(evidence, TEST, series="norm.position", panel="init", best="lr")
    last_place = label({"norm.position": "last"})
    best = [
        verdict
        for place in places.series
        if place != last_place
        for verdict in better(places, last_place, place, panel="risotto")
    ]
    return Findings((form,), (*_unless_last(evidence), *best))


def fig6(evidence: Evidence) -> Findings:
    """A ResNet-50 on CIFAR-100 with one batch normalization at the first, middle or last place: Figure 6.

    The paper states that RISOTTO trains stably with all three, and of He initialization only the normal one
    competes, with the normalization at the last (caption).
    """
    found, form = _learning(
        evidence, "Figure 6: accuracy over epochs by the place of the batch normalization."
    )
    uniform = [name for name in _others(found) if "uniform" in name]
    last_place = [panel for panel in found.panels if panel.endswith("last")]
    fails = [v for name in uniform for at in last_place for v in better(found, "risotto", name, panel=at)]
    return Findings((form,), (*_unless_last(evidence), *fails))


def fig8b(evidence: Evidence) -> Findings:
    """A ResNet-101 on CIFAR-100 without normalization: Figure 8b.

    The paper states that RISOTTO trains faster than Fixup, and to a similar accuracy (p. 7). Its text gives
    one learning rate, and the caption of Figure 8a, on another ResNet-101, a second.
    """
    _, form = _learning(evidence, "Figure 8b: accuracy over epochs.")
    return Findings((form,), _faster(evidence, "risotto", "fixup"))


def fig10(evidence: Evidence) -> Findings:
    """A ResNet-50 on ImageNet with batch normalization and without: Figure 10.

    The paper states, from one run each, that with the normalization N-RISOTTO trains faster than He
    initialization and ends higher; without it, it follows Fixup closely (caption).
    """
    found, form = _learning(evidence, "Figure 10: accuracy over epochs.")
    ours = label({"init": "n_risotto", "norm": "batch"})
    he = [name for name in found.series if name.startswith("he")]
    faster = (v for other in he for v in _faster(evidence, ours, other))
    return Findings((form,), (*(v for other in he for v in better(found, ours, other)), *faster))


def fig11(evidence: Evidence) -> Findings:
    """A pre-activation ResNet-18 on CIFAR-10: Figure 11.

    The paper states that without normalization RISOTTO is above Fixup, and with it competes with He
    initialization (caption).
    """
    found, form = _learning(evidence, "Figure 11: accuracy over epochs.")
    ours, fixup = (label({"init": init, "norm": "none"}) for init in ("risotto", "fixup"))
    return Findings((form,), better(found, ours, fixup))


def fig12(evidence: Evidence) -> Findings:
    """A ResNet-18 with identity skips on CIFAR-10: Figure 12.

    The paper states that RISOTTO is effective for ResNet (B) too (App. A.10), and no order.
    """
    found, form = _learning(evidence, "Figure 12: accuracy over epochs.")
    return Findings((form,), _trains(found, "risotto"))


def fig13(evidence: Evidence) -> Findings:
    """A network of 2000 layers on CIFAR-100: Figure 13.

    The paper states that N-RISOTTO trains it (caption).
    """
    found, form = _learning(evidence, "Figure 13: accuracy over epochs.")
    return Findings((form,), _trains(found))


def _learning(
    evidence: Evidence, title: str, series: Sequence[str] = SERIES, panel: Sequence[str] = PLACES
) -> tuple[Points, Form]:
    found = points(evidence, TEST, series=series, panel=panel, best="lr")
    return found, curves(evidence, found, title, "val/acc", "validation accuracy (%)", factor=100)


def _faster(evidence: Evidence, first: str, second: str) -> tuple[Verdict, ...]:
    """Judge that one trains faster: of two that end alike, its learning curve has the higher mean."""
    measure = Measure(
        ("mean/val_acc",), "validation accuracy in the mean over epochs (%)", factor=100, diverged=0.0,
        read=lambda cell: average(evidence, cell, "val/acc"),
    )  # fmt: skip
    return better(points(evidence, measure, panel=PLACES, best="lr"), first, second)


def _unless_last(evidence: Evidence) -> tuple[Verdict, ...]:
    early = points(
        evidence, TEST, panel=PLACES, best="lr", where=lambda c: c.value("norm.position") != "last"
    )
    return tuple(v for other in _others(early) for v in better(early, "risotto", other))


def _better_network(evidence: Evidence, deep: bool) -> Points:
    return points(
        evidence,
        TEST,
        panel=DATA,
        best=("model", "lr"),
        where=lambda cell: (cell.value("model.depth") > 18) == deep,
    )


def _small_or_tiny(cell: Cell) -> bool:
    return cell.value("model.depth") == 18 or cell.value("data") == "tiny_imagenet"


def _others(found: Points) -> list[str]:
    return [name for name in found.series if not name.startswith("risotto")]


def _trains(found: Points, ours: str = "") -> tuple[Verdict, ...]:
    """Judge of each point whose series starts so that its accuracy is above chance."""
    judged = [point for point in found.points if point.series.startswith(ours) and point.cells]
    verdicts = []
    for point in judged:
        chance = CHANCE.get(str(point.cells[0].value("data")))
        if chance is not None:
            where = f"{point.series} at {point.panel}" if point.panel else point.series
            what = f"{where}: test accuracy (%) is above {chance:g}, which is chance"
            verdicts.append(keeps(what, point.values, low=chance))
    return tuple(verdicts)
