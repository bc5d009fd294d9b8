"""Gadhikar & Burkholz: Dynamical Isometry for Residual Networks (RISOTTO)."""

from __future__ import annotations

from initlab.report.claims import Findings
from initlab.report.evidence import Evidence
from initlab.report.form.accuracy import accuracy
from initlab.report.form.curves import curves
from initlab.report.form.lines import lines
from initlab.report.form.profile import profile
from initlab.report.groups import label
from initlab.report.layers import drift, last
from initlab.report.measure import TEST, TEST_INTERVAL, Measure
from initlab.report.points import points
from initlab.report.verdict import better, keeps

NETWORK = ("data", "model", "model.depth")
OURS = ("risotto", "n_risotto")
COSINE = Measure(
    ("correlation/cosine_post/stages.0.4",),
    "cosine of two inputs after the last block",
    read=last("correlation/cosine"),
)
DRIFT = Measure(("correlation/drift",), "largest change of the cosine", read=drift("correlation/cosine"))


def fig2b(evidence: Evidence) -> Findings:
    """How alike two inputs become, block by block, at initialization: Figure 2b.

    The paper states that RISOTTO keeps the correlation of inputs at every depth, and the others raise it.
    Ours is the cosine of pre-activations, on which the statement is exact.
    """
    ends, drifts = points(evidence, COSINE, panel=()), points(evidence, DRIFT, panel=())
    form = profile(
        ends,
        "Figure 2b: cosine between inputs by block.",
        "correlation/cosine",
        "cosine",
        x_label="block (0: after the stem)",
        count_from=0,
    )
    verdicts = [
        keeps("risotto: the cosine changes by less than 1e-4 from block to block", point.values, high=1e-4)
        for point in drifts.points
        if point.series == "risotto" and point.cells
    ]
    others = [name for name in ends.series if name != "risotto"]
    return Findings((form,), (*verdicts, *(v for name in others for v in better(ends, name, "risotto"))))


def fig2c(evidence: Evidence) -> Findings:
    """Test accuracy by the scale of the residual branches: Figure 2c.

    The paper states that RISOTTO trains best with a scale of 1, and that a scale of 0 is SkipInit.
    """
    found = points(evidence, TEST, x="model.residual_scale", panel=(), best="lr", x_label="residual scale")
    by_scale = points(evidence, TEST, series="model.residual_scale", panel=(), best="lr")
    full = label({"model.residual_scale": 1.0})
    verdicts = tuple(v for other in by_scale.series if other != full for v in better(by_scale, full, other))
    return Findings((lines(found, "Figure 2c: test accuracy by residual scale."),), verdicts)


def table1(evidence: Evidence) -> Findings:
    """Test accuracy of residual networks without batch normalization: Table 1.

    The paper states that RISOTTO is better than Fixup and SkipInit.
    """
    return _accuracies(evidence, "Table 1: test accuracy without batch normalization.")


def table2(evidence: Evidence) -> Findings:
    """Test accuracy of residual networks with batch normalization: Table 2.

    The paper states that RISOTTO is at least as good as He initialization.
    """
    return _accuracies(evidence, "Table 2: test accuracy with batch normalization.")


def table6(evidence: Evidence) -> Findings:
    """Test accuracy of N-RISOTTO, with batch normalization and without: Table 6.

    The paper states that a small noise on the weights of RISOTTO makes batch normalization less needed.
    """
    return _accuracies(evidence, "Table 6: test accuracy of N-RISOTTO.")


def fig4_left(evidence: Evidence) -> Findings:
    """A ResNet-50 on Tiny ImageNet with one batch normalization before the pooling: Figures 4 (left) and 7a.

    The paper states that RISOTTO learns faster and ends higher than He initialization.
    """
    return _learning(evidence, "Figure 4, left: test accuracy over epochs.")


def fig4_center(evidence: Evidence) -> Findings:
    """A network of 300 layers on CIFAR-100 without normalization: Figures 4 (center), 7b and 8a.

    The paper states that RISOTTO ends higher than Fixup. The caption of 8a names a ResNet-101.
    """
    return _learning(evidence, "Figure 4, center: accuracy over epochs.")


def fig4_right(evidence: Evidence) -> Findings:
    """RISOTTO against normalizer-free networks: Figures 4 (right) and 9.

    The paper states that RISOTTO learns at least as fast without weight standardization and clipping.
    """
    return _learning(evidence, "Figure 4, right: accuracy over epochs.")


def fig5(evidence: Evidence) -> Findings:
    """A ResNet-18 on CIFAR-10 with one batch normalization at the first, middle or last place: Figure 5.

    The paper states that RISOTTO is better than He initialization wherever it stands, and best with the last.
    """
    return _learning(evidence, "Figure 5: accuracy over epochs by the place of the batch normalization.")


def fig6(evidence: Evidence) -> Findings:
    """A ResNet-50 on CIFAR-100 with one batch normalization at the first, middle or last place: Figure 6.

    The paper states that RISOTTO is better than He initialization wherever it stands, and best with the last.
    """
    return _learning(evidence, "Figure 6: accuracy over epochs by the place of the batch normalization.")


def fig8b(evidence: Evidence) -> Findings:
    """A ResNet-101 on CIFAR-100 without normalization: Figure 8b.

    The paper states that RISOTTO ends higher than Fixup. Text and caption give two learning rates.
    """
    return _learning(evidence, "Figure 8b: accuracy over epochs.")


def fig10(evidence: Evidence) -> Findings:
    """A ResNet-50 on ImageNet with batch normalization and without: Figure 10.

    The paper states, from one run each, that N-RISOTTO is better than He initialization and Fixup.
    """
    return _learning(evidence, "Figure 10: accuracy over epochs.")


def fig11(evidence: Evidence) -> Findings:
    """A pre-activation ResNet-18 on CIFAR-10: Figure 11.

    The paper states that RISOTTO also carries over to pre-activation blocks.
    """
    return _learning(evidence, "Figure 11: accuracy over epochs.")


def fig12(evidence: Evidence) -> Findings:
    """A ResNet-18 with identity skips on CIFAR-10: Figure 12.

    The paper states that RISOTTO is better than normalizer-free networks, and than He initialization with one
    batch normalization at the end.
    """
    return _learning(evidence, "Figure 12: accuracy over epochs.")


def fig13(evidence: Evidence) -> Findings:
    """A network of 2000 layers on CIFAR-100: Figure 13.

    The paper states that N-RISOTTO trains it.
    """
    return _learning(evidence, "Figure 13: accuracy over epochs.")


def _accuracies(evidence: Evidence, title: str) -> Findings:
    found = points(evidence, TEST_INTERVAL, panel=NETWORK, best="lr")
    return Findings((accuracy(found, title),), _ours_against_all(found))


def _learning(evidence: Evidence, title: str) -> Findings:
    found = points(evidence, TEST, panel=("data", "norm.position"), best="lr")
    form = curves(evidence, found, title, "val/acc", "validation accuracy (%)", factor=100)
    return Findings((form,), _ours_against_all(found))


def _ours_against_all(found):  # type: ignore[no-untyped-def]
    ours = [name for name in found.series if name.split(",")[0] in OURS]
    others = [name for name in found.series if name not in ours]
    return tuple(v for mine in ours for other in others for v in better(found, mine, other))
