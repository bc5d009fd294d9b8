"""Arpit, Campos & Bengio 2019: How to Initialize your Network?"""

from __future__ import annotations

from collections.abc import Callable
from math import e
from typing import Any

from initlab.report.claims import Findings
from initlab.report.evidence import Cell, Evidence
from initlab.report.form.accuracy import accuracy
from initlab.report.form.curves import curves
from initlab.report.form.jobs import jobs
from initlab.report.form.lines import lines
from initlab.report.form.profile import profile
from initlab.report.form.survival import survival
from initlab.report.layers import last, start
from initlab.report.measure import RETURN, SURVIVAL, TEST, TEST_ERROR, TRAINING, VALIDATION, Measure
from initlab.report.points import SERIES, Points, points
from initlab.report.verdict import Verdict, better, keeps, more_often

FORWARD = Measure(
    ("signal/forward_ratio",), "|h| / |x| at the last layer or block before the head", log=True,
    read=last("signal/forward_ratio"),
)  # fmt: skip
BACKWARD = Measure(
    ("signal/backward_ratio",), "|dL/da| at the first layer or block over the last", log=True,
    read=start("signal/backward_ratio"),
)  # fmt: skip
FIRST = Measure(
    ("signal/forward_ratio/hidden.1",), "|h| / |x| at the first layer or block",
    read=start("signal/forward_ratio"),
)  # fmt: skip
HESSIAN = Measure(
    ("hessian/log10_spectral_norm",), "log10 of the Hessian's spectral norm", higher_is_better=False
)
ABOVE = Measure(
    ("share_above_0.9",), "jobs with a test accuracy above 90% (%)", factor=100, diverged=0.0, center="share",
    read=lambda cell: above(cell, 0.9),
)  # fmt: skip
MEAN_RETURN = Measure(("train/mean_return",), "mean return of all episodes")
METHODS = (*SERIES, "warmup_epochs")
NETWORK = ("data", "model", "model.depth", "model.num_blocks", "model.widen_factor")


def fig1(evidence: Evidence) -> Findings:
    """Norms of activations and gradients along a deep MLP and a residual network at initialization: Figure 1.

    The paper states that with the proposed gains both norms keep their size, in the residual network within
    [sqrt(2), sqrt(e)], and that with gains of 1 they vanish or explode. The other bounds are ours.
    """
    panel = ("model", "model.width", "model.hidden_width")
    ends, gradients, starts = (
        points(evidence, measure, panel=panel) for measure in (FORWARD, BACKWARD, FIRST)
    )
    forms = tuple(
        profile(
            found, f"Figure 1: {what} along the network.", f"signal/{way}_ratio", label, log_y=True, target=1,
            x_label="layer or block",
        )
        for found, way, what, label in (
            (ends, "forward", "activations", "|h| / |x|"),
            (gradients, "backward", "gradients", "|dL/da| over the last"),
        )
    )  # fmt: skip
    verdicts = []
    for what, point in [("|h| / |x| at the end", p) for p in ends.points] + [
        ("|dL/da| at the start over the last", p) for p in gradients.points
    ]:
        if not point.cells:
            continue
        where = f"{point.series} ({point.panel}): {what}"
        residual = point.panel.startswith("mlp_residual")
        if not point.series.startswith("unit_gain") and residual:
            verdicts.append(keeps(f"{where} lies between √2 and √e", point.values, 2**0.5, e**0.5))
        elif not point.series.startswith("unit_gain"):
            verdicts.append(keeps(f"{where} lies between 1/2 and 2", point.values, 0.5, 2.0))
        elif residual:
            verdicts.append(keeps(f"{where} is above 10", point.values, low=10.0))
        else:
            verdicts.append(keeps(f"{where} is below 1/10", point.values, high=0.1))
    read = accuracy(starts, "Figure 1: activations after the first layer, where the figure can be read.")
    return Findings((*forms, read), tuple(verdicts))


def fig2(evidence: Evidence) -> Findings:
    """Accuracy of weight-normalized MLPs on MNIST by depth, and over all jobs: Figure 2.

    The paper states that the proposed initialization trains up to 200 layers and for a wider range of
    learning rates than the data-dependent one, which fails at 100 layers and more.
    """
    by_depth = points(evidence, TEST, x="model.depth", panel=(), best=("model.width", "lr"))
    every = points(evidence, TEST, panel=())
    return Findings(
        (
            lines(
                by_depth,
                "Figure 2, left: test accuracy by depth, each at its best width and learning rate.",
                True,
            ),
            jobs(every, "Figure 2, right: test accuracy of every job, sorted."),
            accuracy(points(evidence, ABOVE, panel=()), "Figure 2, right, read off at 90%."),
        ),
        (
            *over(by_depth, "proposed", "data_dependent", at=lambda depth: depth >= 100),
            *over(every, "proposed", "data_dependent"),
        ),
    )


def above(cell: Cell, accuracy: float) -> float | None:
    """Return 1 where a run ends with a higher test accuracy, else 0; None where it has not ended."""
    value = cell.metric("test/acc") if cell.status == "ok" else None
    return None if value is None else float(value > accuracy)


def fig3_left(evidence: Evidence) -> Findings:
    """Accuracy of weight-normalized convolutional networks on CIFAR-10 by depth: Figure 3, left.

    The paper states that only the proposed initialization trains 100 layers.
    """
    found = points(evidence, VALIDATION, x="model.depth", panel=(), best=("lr", "optim.weight_decay"))
    fitted = points(
        evidence, TRAINING, x="model.depth", panel=(), best=("lr", "optim.weight_decay"), choose=VALIDATION
    )
    forms = (
        lines(found, "Figure 3, left: validation accuracy by depth, each at its best setting.", log_x=True),
        lines(fitted, "Figure 3, left: training accuracy of the same runs.", log_x=True),
    )
    return Findings(forms, over(found, "proposed", "data_dependent", at=lambda depth: depth >= 50))


def fig3_right(evidence: Evidence) -> Findings:
    """Accuracy of weight-normalized residual networks after one epoch, by depth: Figure 3, right.

    The paper states that the proposed initialization comes to similar accuracies at all depths, PyTorch's
    default diverges at most of them, and the data-dependent one is slower in deeper networks: in the figure
    in those of 1,000 and more.
    """
    found = points(
        evidence,
        VALIDATION,
        x="model.num_blocks",
        panel=(),
        best="lr",
        x_label="blocks per stage (6N+4 layers)",
    )
    form = lines(found, "Figure 3, right: validation accuracy after one epoch, at the best lr.", log_x=True)
    return Findings(
        (form,),
        (
            *better(found, "proposed", "pytorch", at=lambda blocks: blocks >= 16),
            *better(found, "proposed", "data_dependent", at=lambda blocks: blocks > 100),
        ),
    )


def fig4(evidence: Evidence) -> Findings:
    """Which runs of a wide residual network survive three epochs, by learning rate and warmup: Figure 4.

    The paper states that the proposed initialization is the most robust, with a warmup and without, and that
    a warmup widens the range of learning rates for all initializations.
    """
    shares = points(evidence, SURVIVAL, x="lr", panel="warmup_epochs")
    over_warmup = points(evidence, SURVIVAL, x="lr", series="warmup_epochs", panel="init")
    with_warmup = [name for name in over_warmup.series if not name.endswith("=0")]
    return Findings(
        (survival(shares, "Figure 4: runs that finish without diverging."),),
        (
            *(
                verdict
                for other in shares.series
                if other != "proposed"
                for verdict in more_often(shares, "proposed", other)
            ),
            *(v for name in with_warmup for v in more_often(over_warmup, name, "warmup_epochs=0")),
        ),
    )


def fig6(evidence: Evidence) -> Findings:
    """Return of an agent with a very deep network, where batch norm cannot be used: Figure 6.

    The paper states that the proposed initialization learns Pong the fastest, and that with PyTorch's default
    a weight-normalized network does not learn it and is worse than one without normalization. Beside it: the
    networks before training.
    """
    final, mean = (
        points(evidence, measure, panel="model.num_blocks", where=_plays) for measure in (RETURN, MEAN_RETURN)
    )
    ends, gradients = (
        points(evidence, measure, panel=(), where=lambda cell: not _plays(cell))
        for measure in (FORWARD, BACKWARD)
    )
    forms = (
        curves(evidence, final, "Figure 6: return over the training.", "train/return", "return"),
        accuracy(mean, "Figure 6: return, averaged over the training: the earlier learned, the higher."),
        *(
            profile(
                found, f"Figure 6: {what} along the networks before training.", f"signal/{way}_ratio", label,
                log_y=True, target=1, x_label="block or layer",
            )
            for found, way, what, label in (
                (ends, "forward", "activations", "|h| / |x|"),
                (gradients, "backward", "gradients", "|dL/da| over the last"),
            )
        ),
    )  # fmt: skip
    proposed = [name for name in mean.series if name.startswith("proposed")]
    default = [name for name in mean.series if name not in proposed]
    verdicts = [verdict for a in proposed for b in default for verdict in better(mean, a, b)]
    return Findings(forms, (*verdicts, *better(mean, "pytorch, none", "pytorch, weight")))


def _plays(cell: Cell) -> bool:
    return cell.value("task") != "rl_probe"


def table1(evidence: Evidence) -> Findings:
    """Test errors of residual networks with weight normalization, warmup, and batch normalization: Table 1.

    The paper states that the proposed initialization with warmup comes to errors comparable with those of
    batch normalization, which is better on WRN-40-10 alone, and in its table it is better than the
    data-dependent one.
    """
    found = points(evidence, TEST_ERROR, series=METHODS, panel=NETWORK, best="lr")
    batch = [name for name in found.series if "batch" in name]
    warm = [name for name in found.series if name.startswith("proposed") and not name.endswith("=0")]
    wide = [panel for panel in found.panels if "wrn" in panel]
    verdicts = (
        *over(found, "proposed", "data_dependent"),
        *(v for a in batch for b in warm for at in wide for v in better(found, a, b, panel=at)),
    )
    return Findings((accuracy(found, "Table 1: test error."),), verdicts)


def over(
    points: Points, first: str, second: str, at: Callable[[Any], bool] | None = None
) -> tuple[Verdict, ...]:
    """Judge that an init does better than another, each with all directions that were run."""
    firsts, seconds = ([s for s in points.series if s.split(",")[0] == name] for name in (first, second))
    return tuple(v for a in firsts for b in seconds for v in better(points, a, b, at))


def table2(evidence: Evidence) -> Findings:
    """Spectral norm of the Hessian at initialization: Table 2.

    The paper states that the proposed initialization has the smallest. Its code takes second derivatives of
    torch's own weight norm, which are wrong in the versions measured here: rows with weight_norm=torch show
    what that does.
    """
    found = points(evidence, HESSIAN, panel=(*NETWORK, "diagnostic.weight_norm"))
    verdicts: list[Verdict] = []
    for other in found.series:
        if other != "proposed":
            verdicts += better(found, "proposed", other)
    return Findings((accuracy(found, "Table 2: log10 of the Hessian's spectral norm."),), tuple(verdicts))
