"""Every claim has an experiment, published numbers and a report, under one name; and every report draws."""

from pathlib import Path
from typing import Any

import pytest

import components
from fabricated import fabricate
from initlab.report import claims
from initlab.report.claim_report import ClaimReport, as_latex, as_markdown
from initlab.report.evidence import Evidence, gather
from initlab.results.store import Store

REPORTED = {
    f"{paper}/{name}" for paper in ("arpit2019", "defazio", "risotto") for name in claims.functions(paper)
}
EXPERIMENTS = {
    path.relative_to(components.CONFIGS / "experiment").with_suffix("").as_posix()
    for path in (components.CONFIGS / "experiment").glob("*/*.yaml")
}
PUBLISHED = {
    path.relative_to(components.ROOT / "papers").with_suffix("").as_posix()
    for path in (components.ROOT / "papers").glob("*/*.csv")
}
RECORDED = {
    path.parent.relative_to(components.ROOT / "docs" / "results").as_posix().removesuffix("-laptop")
    for path in (components.ROOT / "docs" / "results").glob("**/runs.jsonl.xz")
}


def test_reports_are_found() -> None:
    assert {"arpit2019/fig4", "arpit2019/table1", "risotto/fig2b", "defazio/table2"} <= REPORTED


def test_experiments_reports_published_numbers_and_records_are_of_the_same_claims() -> None:
    assert EXPERIMENTS == REPORTED == PUBLISHED == RECORDED


@pytest.mark.parametrize("name", sorted(EXPERIMENTS))
def test_an_experiment_of_a_paper_has_a_report(name: str) -> None:
    assert claims.find(name) is not None, f"write {name.replace('/', '.')}() in src/initlab/report"


@pytest.mark.parametrize("name", sorted(EXPERIMENTS | RECORDED))
def test_an_experiment_of_a_paper_has_its_published_numbers(name: str) -> None:
    assert name in PUBLISHED


@pytest.mark.parametrize("name", sorted(PUBLISHED | RECORDED))
def test_published_and_recorded_numbers_have_an_experiment(name: str) -> None:
    assert name in EXPERIMENTS


@pytest.mark.parametrize("name", sorted(RECORDED))
def test_a_recorded_claim_has_a_page(name: str) -> None:
    assert (components.ROOT / "docs" / "results" / f"{name}.md").is_file()


@pytest.mark.parametrize("name", sorted(REPORTED))
def test_a_claim_says_what_the_paper_states(name: str) -> None:
    claim = claims.find(name)
    assert claim is not None
    assert claim.title.endswith(".")
    assert claim.statement.startswith("The paper states")
    assert claims.find(f"{name}-laptop") == claim


def measured(axes: dict[str, Any], seed: int) -> tuple[dict[str, Any], str, dict[str, Any]]:
    """A run with every metric that a report may ask for."""
    metrics: dict[str, Any] = {
        "train/loss": 0.5 + 0.1 * seed, "val/acc": 0.6 + 0.01 * seed, "best/val_acc": 0.61, "train/acc": 0.7,
        "test/acc": 0.6 + 0.01 * seed, "hessian/log10_spectral_norm": 2 + 0.1 * seed,
        "gr_scaling/spread": 1.5 + seed,
    }  # fmt: skip
    for layer in ("a", "b", "c", "head"):
        metrics |= {f"signal/{kind}/{layer}": 1.0 for kind in ("forward_ratio", "backward_ratio")} | {
            f"signal/log10_forward_ratio/{layer}": 0.0,
            f"correlation/cosine/{layer}": 0.3,
        }
        metrics |= {f"gr_scaling/weight/{layer}": 1.0, f"gr_scaling/actual/{layer}": 1.1 + 0.1 * seed}
        metrics |= {f"gr_scaling/block/{layer}/{other}": 1.0 + seed for other in ("a", "b", "c")}
    return {**axes, "seed": seed}, "ok", metrics


INITS = (
    ("proposed", 2, 0), ("proposed", 100, 1), ("data_dependent", 100, 1), ("risotto", 2, 0),
    ("geometric", 2, 0), ("preconditioned", 100, 0), ("unit_gain", 2, 0), ("fan_in", 2, 0),
    ("pytorch", 2, 0),
)  # fmt: skip
AXES = [
    {
        "init": init,
        "lr": lr,
        "model.depth": depth,
        "model.num_blocks": 2 * depth,
        "model.insert": "relu",
        "data.dataset": f"set_{depth}",
        "warmup_epochs": warmup,
    }
    for init, depth, warmup in INITS
    for lr in (0.01, 0.1)
]
ONE_OF_EACH_FORM = (
    *(f"arpit2019/fig{number}" for number in (1, 2, 4)),
    *(f"defazio/{name}" for name in ("fig1", "fig2", "fig3", "table2")),
)
DRAWN = [
    name if name in ONE_OF_EACH_FORM else pytest.param(name, marks=pytest.mark.slow)
    for name in sorted(REPORTED)
]


@pytest.fixture(scope="module")
def output(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("output")
    cells = [measured(axes, seed) for axes in AXES for seed in range(3)]
    cells += [({**AXES[0], "seed": 7}, "diverged", {}), ({**AXES[0], "seed": 8}, "missing", {})]
    fabricate(Store(folder), "any", cells)
    return folder


def report_of(name: str, output: Path) -> ClaimReport:
    store = Store(output)
    store.write_sweep(name, store.read_sweep("any") | {"experiment": name})
    claim = claims.find(name)
    assert claim is not None
    return ClaimReport(claim, gather(name, name, store, papers=output))


@pytest.mark.parametrize("name", sorted(REPORTED))
def test_a_report_tells_of_all_runs(name: str, output: Path) -> None:
    report = report_of(name, output)
    page = as_markdown(report)
    assert f"{len(AXES) * 3} of {len(AXES) * 3 + 2} runs finished, 1 diverged, 1 missing" in page
    assert "nan" not in page.lower().replace("finance", "")
    # Those of RISOTTO are judged on their own grids in test_statements.py.
    assert report.findings.verdicts or name.startswith("risotto/") or name == "defazio/table1"
    assert as_latex(report).count(r"\begin{table}") == as_latex(report).count(r"\end{table}") >= 1


@pytest.mark.parametrize("name", DRAWN)
def test_a_report_draws_what_is_there(name: str, output: Path) -> None:
    report = report_of(name, output)
    figures = report.figures()
    assert len(figures) == len(report.findings.forms) >= 1
    assert all(figure["png"].startswith(b"\x89PNG") for figure in figures)


@pytest.mark.parametrize("name", sorted(REPORTED))
def test_a_report_of_nothing_judges_nothing(name: str) -> None:
    claim = claims.find(name)
    assert claim is not None
    report = ClaimReport(claim, Evidence(name, name))
    assert report.counts == "not run here"
    assert {verdict.outcome for verdict in report.findings.verdicts} <= {"no verdict: n < 3"}
