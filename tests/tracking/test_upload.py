"""A report in W&B: its files, its figures, and the numbers of each group over its seeds."""

from pathlib import Path
from statistics import stdev

import pytest

from initlab.report.comparison import compare
from initlab.results.record import RunResult
from initlab.results.store import NotFound, Store
from initlab.tracking.upload import COLUMNS, files_of, groups_table, upload
from offline_wandb import no_account, read

ACCURACIES = {"proposed": [0.9, 0.8, 0.85], "he": [0.5]}


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """A sweep of two inits with a report; of the second, one seed of two diverged."""
    store, cells = Store(tmp_path), []
    for init, accuracies in ACCURACIES.items():
        for seed, accuracy in enumerate([*accuracies, *([None] if init == "he" else [])]):
            run_id = f"{init}{seed}"
            metrics = {} if accuracy is None else {"best/val_acc": accuracy, "test/acc": accuracy / 2}
            status = "diverged" if accuracy is None else "ok"
            config = {"init": {"name": init}, "lr": 0.1}
            result = RunResult(run_id, status, config, seed, metrics, {}, {}, "cpu", 1.0)  # type: ignore[arg-type]
            store.folder(run_id).create()
            store.folder(run_id).write_result(result)
            cells.append({"run_id": run_id, "overrides": {"init": init, "seed": seed}})
    manifest = {"cells": cells, "experiment": "paper/fig1", "scale": "laptop"}
    store.write_sweep("paper/fig1-laptop", manifest)
    folder = tmp_path / "report" / "paper"
    folder.mkdir(parents=True)
    for name in ("fig1-laptop.html", "fig1-laptop-1.png", "fig1-laptop-2.png", "fig1-laptop.md", "fig1.html"):
        (folder / name).write_bytes(PNG if name.endswith("png") else b"<p>a page</p>")
    return store


PNG = bytes.fromhex(
    "89504e470d0a1a0a0000000d49484452000000010000000108060000001f15c4890000000d49444154789c6360606060000000050001"
    "a5f645400000000049454e44ae426082"
)


def test_a_report_is_its_own_files_and_no_other_sweeps(store: Store) -> None:
    names = {file.name for file in files_of(store.output_dir, "paper/fig1-laptop")}
    assert names == {"fig1-laptop.html", "fig1-laptop-1.png", "fig1-laptop-2.png", "fig1-laptop.md"}
    assert [file.name for file in files_of(store.output_dir, "paper/fig1")] == ["fig1.html"]
    folder = store.output_dir / "report"
    assert len(files_of(store.output_dir, str(folder))) == 5
    assert files_of(store.output_dir, str(folder / "paper" / "fig1.html")) == [folder / "paper" / "fig1.html"]


def test_a_report_that_was_not_written_is_a_sentence(store: Store) -> None:
    with pytest.raises(
        NotFound, match=r"^there is no report 'paper/fig9' in .*: `report paper/fig9` writes it$"
    ):
        files_of(store.output_dir, "paper/fig9")


def test_a_group_is_told_by_mean_sd_and_number_of_its_seeds(store: Store) -> None:
    rows = groups_table([compare(store, "paper/fig1-laptop")])
    proposed, he = (dict(zip(COLUMNS, row, strict=True)) for row in rows)
    assert (proposed["series"], proposed["lr"], proposed["n"]) == ("proposed", 0.1, 3)
    assert proposed["val_acc_mean"] == pytest.approx(0.85)
    assert proposed["val_acc_sd"] == pytest.approx(stdev(ACCURACIES["proposed"]))
    assert (he["n"], he["val_acc_mean"], he["val_acc_sd"], he["diverged"]) == (1, 0.5, None, 1)


@pytest.mark.slow
def test_the_report_is_logged_offline_with_its_artifact(store: Store, tmp_path: Path) -> None:
    with no_account(tmp_path):
        assert upload(store, "paper/fig1-laptop", "initlab", None) is None
        (file,) = read("wandb/offline-run-*/run-report-paper-fig1-laptop.wandb", store.output_dir)
    report = next(artifact for artifact in file.artifacts if artifact.type == "report")
    assert {entry.path for entry in report.manifest.contents} == {
        "fig1-laptop.html", "fig1-laptop-1.png", "fig1-laptop-2.png", "fig1-laptop.md"
    }  # fmt: skip
    assert (file.run.job_type, file.run.run_group) == ("report", "paper/fig1-laptop")
    assert {"experiment": "paper/fig1", "scale": "laptop"}.items() <= file.config.items()
    assert file.summary["report/groups"]["nrows"] == 2
    assert file.summary["report/figure"]["count"] == 2
    assert file.summary["report/page"]["_type"] == "html-file"
