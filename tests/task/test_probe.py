"""A probe measures the network that a fit would start from, whatever a single diagnostic cannot do."""

import csv
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

import components
from initlab.diagnostic.signal import Signal
from initlab.errors import ConfigError, InitlabError
from initlab.init import initialize
from initlab.model.mlp import Mlp
from initlab.norm.none import NoNorm
from initlab.results.run_folder import RunFolder
from initlab.sweep.compose import Composer, config_loader
from initlab.task import run_task
from initlab.task.build import build_source, first_batch, generator
from initlab.task.probe import build_diagnostics, probe

SMALL = [
    "task=probe", "model=mlp", "model.depth=2", "model.width=8", "norm=none", "init=he", "batch_size=6",
    "data=synthetic", "data.shape=[2,6,6]", "data.train_size=40", "data.test_size=10",
    "trainer.accelerator=cpu",
]  # fmt: skip
LAYERS = ["hidden.1", "hidden.3", "head"]


def composed(folder: Path, *overrides: str) -> dict[str, Any]:
    with config_loader() as loader:
        return Composer(loader).compose([*SMALL, f"paths.output_dir={folder}", *overrides])


def several(config: dict[str, Any], *names: str) -> dict[str, Any]:
    """The same run with only some of all diagnostics."""
    node = config["diagnostic"]
    return {**config, "diagnostic": {"name": "all", **{name: node[name] for name in names}}}


def rows(path: Path) -> list[dict[str, str]]:
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def everything(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    """A run of all diagnostics."""
    config = composed(tmp_path_factory.mktemp("probe"), "diagnostic=all")
    result = run_task(config)
    assert (result.status, result.error) == ("ok", None)
    return RunFolder(config["paths"]["output_dir"], result.run_id)


@pytest.mark.gpu
def test_on_a_gpu_every_diagnostic_measures_what_it_measures_on_the_cpu(
    everything: RunFolder, tmp_path: Path
) -> None:
    here = json.loads(everything.result_path.read_text())["metrics"]
    result = run_task(composed(tmp_path, "diagnostic=all", "trainer.accelerator=gpu"))
    assert (result.status, result.error) == ("ok", None)
    assert result.metrics.keys() == here.keys()
    numbers = {key: value for key, value in here.items() if value is not None}
    found = {key: result.metrics[key] for key in numbers}
    assert found == pytest.approx(numbers, rel=1e-2, abs=1e-4, nan_ok=True)


@pytest.mark.xdist_group("probe")  # one run of everything
def test_every_diagnostic_leaves_metrics_a_table_and_a_figure(everything: RunFolder) -> None:
    result = json.loads(everything.result_path.read_text())
    names = components.names("diagnostic")
    assert {*names} == {"all", *(name.split("/")[0] for name in result["metrics"])}
    assert result["config"]["diagnostic"]["name"] == "all"
    for name in names:
        if name != "all":
            assert rows(everything.path / f"{name}.csv"), name
            assert (everything.path / f"{name}.png").read_bytes().startswith(b"\x89PNG")
            assert b"<svg" in (everything.path / f"{name}.svg").read_bytes()


@pytest.mark.xdist_group("probe")  # one run of everything
def test_tables_have_a_row_per_layer_and_metrics_the_fixed_names(everything: RunFolder) -> None:
    metrics = json.loads(everything.result_path.read_text())["metrics"]
    for name in ("signal", "gradient", "gr_scaling", "summary"):
        assert [row["layer"] for row in rows(everything.path / f"{name}.csv")] == LAYERS
    per_layer = ["signal/forward_ratio", "signal/backward_ratio", "correlation/cosine"]
    per_layer += [f"gr_scaling/{name}" for name in ("weight", "bias", "weight_to_gradient")]
    fixed = [f"{name}/{layer}" for name in per_layer for layer in LAYERS]
    fixed += [f"hessian/{name}" for name in ("spectral_norm", "log10_spectral_norm", "residual")]
    fixed += [f"jacobian/{name}" for name in ("sigma_min", "sigma_max", "num_zero")]
    assert set(fixed) <= set(metrics)


def test_a_diagnostic_finds_the_same_alone_and_among_others(tmp_path: Path) -> None:
    alone = run_task(composed(tmp_path, "diagnostic=signal", "diagnostic.error=random"))
    config = composed(tmp_path, "diagnostic=all", "diagnostic.signal.error=random")
    among = run_task(several(config, "hessian", "signal"))
    assert alone.run_id != among.run_id
    assert alone.metrics == {k: v for k, v in among.metrics.items() if k.startswith("signal/")}


def test_the_network_and_the_batch_are_those_of_a_fit(tmp_path: Path) -> None:
    config = composed(tmp_path, "diagnostic=signal", "seed=3")
    batch = first_batch(build_source(config).loaders(6, seed=3))
    assert len(batch[0]) == 6
    model = Mlp(2, 8, input_shape=(2, 6, 6), num_classes=10, norm=NoNorm())
    initialize(model, "he", generator=generator(3))
    expected = Signal()(model, batch, generator(3)).metrics()
    assert run_task(config).metrics == pytest.approx(expected, rel=1e-6)


def test_the_network_of_a_data_dependent_init_sees_the_same_batch(tmp_path: Path) -> None:
    config = composed(tmp_path, "diagnostic=signal", "init=data_dependent", "norm=weight", "batch_size=40")
    metrics = run_task(config).metrics
    # Every unit has variance 1, and so 1/2 after the ReLU: sqrt(8 / 2) over the norm of 72 normal numbers.
    assert metrics["signal/forward_ratio/hidden.1"] == pytest.approx((4 / 72) ** 0.5, rel=0.3)


def test_what_one_diagnostic_cannot_do_is_a_sentence_beside_what_the_others_found(tmp_path: Path) -> None:
    config = composed(tmp_path, "diagnostic=all", "batch_size=1")  # one input is like no other
    result = run_task(several(config, "correlation", "signal"))
    assert result.status == "ok"
    assert result.error is not None
    assert result.error.startswith("correlation: ")
    assert "\n" not in result.error
    assert "signal/forward_ratio/head" in result.metrics
    assert not any(name.startswith("correlation/") for name in result.metrics)


def test_what_the_only_diagnostic_cannot_do_is_refused(tmp_path: Path) -> None:
    result = run_task(composed(tmp_path, "diagnostic=correlation", "batch_size=1"))
    assert result.status == "refused"
    assert result.error is not None
    assert result.metrics == {}


@pytest.mark.parametrize("chosen", ["signal", "all"])
def test_a_crash_stays_a_crash_and_keeps_what_the_others_found(
    chosen: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def boom(*args: Any) -> None:
        raise RuntimeError("boom\nand more")

    monkeypatch.setattr(Signal, "__call__", boom)
    config = composed(tmp_path, f"diagnostic={chosen}")
    result = run_task(several(config, "signal", "summary") if chosen == "all" else config)
    assert result.status == "crashed"
    assert result.error is not None
    assert result.error.endswith("RuntimeError: boom")
    assert "and more" in RunFolder(tmp_path, result.run_id).error_path.read_text()
    assert ("summary/parameters" in result.metrics) == (chosen == "all")


def test_an_init_that_does_not_fit_is_refused(tmp_path: Path) -> None:
    result = run_task(composed(tmp_path, "init=proposed"))
    assert result.status == "refused"


def test_a_wrong_option_of_a_diagnostic_is_told_and_nothing_is_recorded(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"signal.error=x: must be"):
        run_task(composed(tmp_path, "diagnostic=signal", "diagnostic.error=x"))
    assert not list(tmp_path.glob("runs/*/result.json"))


def test_an_accelerator_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(InitlabError, match=r"trainer.accelerator=tpu"):
        run_task(composed(tmp_path, "trainer.accelerator=tpu"))


def test_all_names_every_diagnostic_with_the_options_of_its_file(tmp_path: Path) -> None:
    node = composed(tmp_path, "diagnostic=all")["diagnostic"]
    cheaper = yaml.safe_load((components.CONFIGS / "diagnostic" / "all.yaml").read_text())
    assert set(node) - {"name"} == set(components.names("diagnostic")) - {"all"}
    for name, options in node.items():
        if name != "name":
            assert options == {**components.config("diagnostic", name), **cheaper.get(name, {})}, name
    assert list(build_diagnostics(node)) == [name for name in node if name != "name"]


def test_it_imports_no_lightning() -> None:
    found = subprocess.run(
        [sys.executable, "-c", "import sys, initlab.task.probe; print('lightning' in sys.modules)"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert found.stdout.strip() == "False"


def test_parts_are_built_before_the_data_is_read(tmp_path: Path) -> None:
    config = composed(tmp_path, "diagnostic=signal")
    config["init"]["mode"] = "x"
    with pytest.raises(ConfigError, match=r"init\.mode"):
        probe(config, RunFolder(tmp_path, "0"))
