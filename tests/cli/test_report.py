"""``report`` and ``record`` as a person types them."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from fabricated import fabricate
from initlab.results.store import Store

CELLS = [
    ({"init": init, "lr": lr, "warmup_epochs": 0, "seed": seed}, "ok", {"test/acc": 0.5, "val/acc": 0.5})
    for init in ("proposed", "data_dependent")
    for lr in ("0.1", "0.3")
    for seed in range(3)
]


@pytest.fixture
def records(tmp_path: Path) -> str:
    return str(tmp_path / "docs")


@pytest.fixture
def filled(tmp_path: Path) -> Store:
    store = Store(tmp_path)
    fabricate(store, "arpit2019/fig4-laptop", CELLS, scale="laptop")
    fabricate(store, "quickstart", CELLS[:2])
    return store


def test_a_claim_is_reported_at_every_size_that_ran(type_: Any, filled: Store, records: str) -> None:
    result = type_("report", "arpit2019/fig4", "--record-dir", records)
    assert result.exit_code == 0, result.output
    assert "12 of 12 runs finished" in result.stdout
    assert "Reduced: these runs are not of the paper's size" in result.stdout
    folder = filled.output_dir / "report" / "arpit2019"
    assert {path.suffix for path in folder.glob("fig4-laptop.*")} == {".html", ".md", ".tex", ".png", ".svg"}


def test_a_claim_that_has_not_run_says_how_to_run_it(type_: Any, filled: Store, records: str) -> None:
    result = type_("report", "arpit2019/table2", "--record-dir", records)
    assert result.exit_code == 0, result.output
    assert "not run here: python train.py -m experiment=arpit2019/table2" in result.stdout


def test_a_pattern_reports_what_it_matches(type_: Any, filled: Store, records: str) -> None:
    result = type_("report", "defazio/fig*", "--record-dir", records)
    assert result.exit_code == 0, result.output
    assert {path.name for path in (filled.output_dir / "report" / "defazio").glob("*.html")} == {
        "fig1.html",
        "fig2.html",
        "fig3.html",
    }


@pytest.mark.parametrize(
    "words", [["report", "arpit2019/tabel1"], ["report", "nobody/*"], ["record", "nope"]]
)
def test_an_unknown_claim_is_a_sentence(type_: Any, filled: Store, records: str, words: list[str]) -> None:
    result = type_(*words, "--record-dir", records)
    assert result.exit_code == 2
    assert result.stderr.startswith("initlab: there is no claim and no sweep")
    assert result.stderr.count("\n") == 1
    if "tabel1" in words[1]:
        assert "did you mean arpit2019/table1?" in result.stderr


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("quickstart", "is no claim of a paper"),
        ("arpit2019/table2", "there is no result of arpit2019/table2"),
    ],
)
def test_what_cannot_be_recorded_is_a_sentence(
    type_: Any, filled: Store, records: str, name: str, reason: str
) -> None:
    result = type_("record", name, "--record-dir", records)
    assert result.exit_code == 2
    assert reason in result.stderr
    assert not Path(records).exists()


def test_a_record_is_all_that_a_fresh_clone_needs(
    type_: Any, filled: Store, records: str, tmp_path: Path
) -> None:
    result = type_("record", "arpit2019/fig4", "--record-dir", records)
    assert result.exit_code == 0, result.output
    page = (Path(records) / "arpit2019" / "fig4.md").read_text()
    assert "**Reduced:" in page
    assert "python train.py -m experiment=arpit2019/fig4" in page
    assert "0123456789ab" in page  # the commit
    assert (Path(records) / "arpit2019" / "fig4-laptop.png").is_file()
    fresh = tmp_path / "fresh"
    type_("report", "arpit2019/fig4", "--record-dir", records)
    result = type_("report", "arpit2019/fig4", "--record-dir", records, "-o", str(fresh))
    assert result.exit_code == 0, result.output
    for ending in ("svg", "tex"):  # figure and numbers are those of the output folder
        drawn = [root / "report" / "arpit2019" / f"fig4-laptop.{ending}" for root in (tmp_path, fresh)]
        assert drawn[0].read_bytes() == drawn[1].read_bytes()
    assert "12 from the record" in (fresh / "report" / "arpit2019" / "fig4-laptop.md").read_text()


@pytest.mark.slow
def test_all_makes_a_site(type_: Any, filled: Store, records: str) -> None:
    result = type_("report", "all", "--record-dir", records)
    assert result.exit_code == 0, result.output
    index = (filled.output_dir / "report" / "index.html").read_text()
    for name in ("arpit2019/fig4-laptop.html", "arpit2019/table1.html", "quickstart.html"):
        assert f'href="{name}"' in index
        assert (filled.output_dir / "report" / name).is_file()


def test_a_report_imports_no_network(filled: Store, records: str) -> None:
    code = (
        "import sys; from initlab.cli.app import app\n"
        f"app(['report', 'arpit2019/fig4', '--record-dir', {records!r}], standalone_mode=False)\n"
        "print({'torch', 'lightning', 'hydra', 'wandb', 'requests', 'sklearn'} & set(sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "INITLAB_OUTPUT_DIR": str(filled.output_dir)},
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "set()"
