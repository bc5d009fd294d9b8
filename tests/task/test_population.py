"""A member of a population is its lone run."""

import json
import os
import shutil
import signal
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch

from initlab.cuda_graph import WARMUPS
from initlab.errors import ConfigError
from initlab.population.graph import StackGraph
from initlab.population.population import Population
from initlab.population.stack import Stack
from initlab.results.identity import run_id
from initlab.results.lock import Held, Lock
from initlab.results.metrics_csv import MetricsCsv
from initlab.results.record import RunResult
from initlab.results.run_folder import RunFolder
from initlab.sweep.compose import Composer, config_loader
from initlab.task import run_task
from initlab.task.population import run_population
from tiny_run import TINY

STEPS = 20
SMALL = ["debug=smoke", "batch_size=4", f"trainer.limit_train_batches={STEPS}", "trainer.num_threads=1"]
DOUBLE = [*SMALL, "trainer.precision=64-true"]
MLP = ["model=mlp", "model.depth=3", "model.width=16"]
CNN = ["model=cnn", "model.depth=3", "model.width=8"]
WRN = ["model=wrn", "model.num_blocks=1"]
NETWORKS = {
    "mlp": [*MLP, "init=proposed"],
    "mlp-bn": [*MLP, "norm=batch", "init=orthogonal"],
    "cnn": [*CNN, "norm=none", "init=he"],
    "wrn": [*WRN, "init=proposed"],
    "wrn-bn": [*WRN, "norm=batch", "init=orthogonal"],
}
DIFFERENT = [
    ["seed=0", "lr=0.01"],
    ["seed=1", "lr=0.003", "optim.weight_decay=0.01", "schedule=constant"],
    ["seed=2", "lr=0.03", "optim.momentum=0.5", "optim.nesterov=true", "warmup_epochs=2"],
]
Together = Callable[..., tuple[list[dict[str, Any]], list[dict[str, Any]]]]


@pytest.fixture(scope="module")
def composer() -> Iterator[Composer]:
    with config_loader() as loader:
        yield Composer(loader)


@pytest.fixture
def both(composer: Composer, tmp_path: Path) -> Together:
    """Configure the same runs twice: to be carried out alone, and together."""

    def configs(
        common: Sequence[str], each: Sequence[Sequence[str]] = DIFFERENT
    ) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
        alone = [composer.compose([*common, *own, f"paths.output_dir={tmp_path / 'alone'}"]) for own in each]
        return alone, [{**config, "paths": {"output_dir": str(tmp_path / "together")}} for config in alone]

    return configs


def folder(config: dict[str, Any]) -> Path:
    return RunFolder(config["paths"]["output_dir"], run_id(config)).path


def weights(config: dict[str, Any], name: str = "last") -> dict[str, torch.Tensor]:
    content = torch.load(folder(config) / "checkpoints" / f"{name}.ckpt", weights_only=True)
    state: dict[str, torch.Tensor] = content["state_dict"] if name == "last" else content
    return state


def rows(config: dict[str, Any]) -> list[dict[str, Any]]:
    table = MetricsCsv(folder(config) / "metrics.csv").rows()
    return [{key: value for key, value in row.items() if key != "seconds"} for row in table]


def largest_difference(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> float:
    assert one.keys() == other.keys()
    return max(float((one[key].double() - other[key].double()).abs().max()) for key in one)


def status(result: RunResult | Held) -> str:
    return "held" if isinstance(result, Held) else result.status


@pytest.mark.parametrize(
    "network", [pytest.param(n, marks=pytest.mark.slow) if n == "mlp-bn" else n for n in NETWORKS]
)
def test_in_float64_a_member_is_its_lone_run(both: Together, network: str) -> None:
    alone, together = both(
        [*DOUBLE, *NETWORKS[network], "epochs=2", f"trainer.limit_train_batches={STEPS // 2}"]
    )
    lone = [run_task(config) for config in alone]
    results = run_population(together)
    for index, (config, other) in enumerate(zip(alone, together, strict=True)):
        assert run_id(config) == run_id(other)
        assert largest_difference(weights(config), weights(other)) < 1e-10
        assert largest_difference(weights(config, "best"), weights(other, "best")) < 1e-10
        result = results[index]
        assert isinstance(result, RunResult)
        assert (result.status, result.population) == ("ok", 3)
        assert result.metrics.keys() == lone[index].metrics.keys()
        # Lightning hands test metrics on in float32.
        assert result.metrics == pytest.approx(lone[index].metrics, rel=1e-6)
        for row, expected in zip(rows(other), rows(config), strict=True):
            assert list(row) == list(expected)
            assert row == pytest.approx(expected, rel=1e-10)
    # Controls: another seed, or another learning rate, is another run.
    assert largest_difference(weights(alone[0]), weights(together[1])) > 1e-3


@pytest.mark.gpu
@pytest.mark.parametrize("network", ["mlp", "wrn", "wrn-bn"])
@pytest.mark.parametrize("clipping", ["none", "norm"])
def test_on_a_gpu_a_member_is_its_lone_run(both: Together, network: str, clipping: str) -> None:
    on_gpu = ["trainer.accelerator=gpu", f"clipping={clipping}", "trainer.limit_train_batches=6"]
    alone, together = both([*DOUBLE, *NETWORKS[network], *on_gpu])
    run_population(together)
    for config, other in zip(alone, together, strict=True):
        run_task(config)
        assert largest_difference(on_cpu(weights(config)), weights(other)) < 1e-9
    assert largest_difference(on_cpu(weights(alone[0])), weights(together[1])) > 1e-3  # control


@pytest.mark.gpu
def test_on_a_gpu_a_member_goes_on_from_the_checkpoint_of_its_lone_run(both: Together) -> None:
    """One epoch of two alone, on the GPU, the other in a population, against both alone."""
    common = [*DOUBLE, *MLP, "schedule=constant", "trainer.accelerator=gpu", "trainer.limit_train_batches=3"]
    alone, together = both([*common, "epochs=2"], DIFFERENT[:2])
    for config, other in zip(alone, together, strict=True):
        run_task(config)
        half = {**other, "epochs": 1}
        run_task(half)
        kept = torch.load(folder(half) / "checkpoints" / "last.ckpt", weights_only=True)
        kept["callbacks"]["Checkpoint"]["run_id"] = run_id(other)
        checkpoints = folder(other) / "checkpoints"
        shutil.copytree(folder(half) / "checkpoints", checkpoints)
        torch.save(kept, checkpoints / "last.ckpt")
    assert [status(result) for result in run_population(together)] == ["ok", "ok"]
    for config, other in zip(alone, together, strict=True):
        assert largest_difference(on_cpu(weights(config)), weights(other)) < 1e-9


def on_cpu(state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return {key: value.cpu() for key, value in state.items()}


def test_a_member_with_anothers_seed_is_not_its_lone_run(
    both: Together, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The control of the test above: weights as they should be, data in the order of the neighbour."""
    each = [["seed=0", "lr=0.01"], ["seed=1", "lr=0.01"]]
    alone, together = both([*DOUBLE, *MLP], each)
    run_task(alone[0])
    make = Population.__init__

    def swapped(self: Population, members: Any, *arguments: Any) -> None:
        members[0].seed, members[1].seed = members[1].seed, members[0].seed
        make(self, members, *arguments)

    monkeypatch.setattr(Population, "__init__", swapped)
    run_population(together)
    assert largest_difference(weights(alone[0]), weights(together[0])) > 1e-4


@pytest.mark.parametrize("network", ["mlp", "wrn-bn"])
def test_in_float32_the_first_step_is_that_of_the_lone_run(both: Together, network: str) -> None:
    alone, together = both([*SMALL, *NETWORKS[network], "trainer.limit_train_batches=1"], DIFFERENT[:2])
    run_population(together)
    for config, other in zip(alone, together, strict=True):
        run_task(config)
        # A step moves weights of about 1 by lr times a gradient of about 1: 6 digits of what it moves.
        assert largest_difference(weights(config), weights(other)) < 1e-6
        assert largest_difference(weights(alone[0]), weights(together[1])) > 1e-3


def test_every_member_is_clipped_by_its_own_norm(both: Together) -> None:
    alone, together = both([*DOUBLE, *MLP, "clipping=norm", "clipping.max_norm=0.5"])
    run_population(together)
    for config, other in zip(alone, together, strict=True):
        run_task(config)
        assert largest_difference(weights(config), weights(other)) < 1e-10


def test_members_share_an_architecture_and_not_an_init(both: Together) -> None:
    each = [["init=proposed", "lr=0.01"], ["init=data_dependent", "lr=0.01"]]
    alone, together = both([*DOUBLE, *MLP], each)
    run_population(together)
    for config, other in zip(alone, together, strict=True):
        run_task(config)
        assert largest_difference(weights(config), weights(other)) < 1e-10


@pytest.mark.parametrize("look_every", [1, 7])
def test_one_that_diverges_leaves_the_others_alone(both: Together, look_every: int) -> None:
    each = [["seed=0", "lr=0.01"], ["seed=1", "lr=1e120"], ["seed=2", "lr=0.02"]]
    looking = f"callback.divergence.every_n_steps={look_every}"
    alone, together = both([*DOUBLE, *MLP, "epochs=2", looking], each)
    lone = [run_task(config) for config in alone]
    results = run_population(together)
    assert [status(result) for result in results] == ["ok", "diverged", "ok"]
    diverged = results[1]
    assert isinstance(diverged, RunResult)
    assert (diverged.metrics, diverged.error) == (lone[1].metrics, lone[1].error)
    assert not (folder(together[1]) / "checkpoints").exists()
    for index in (0, 2):
        assert largest_difference(weights(alone[index]), weights(together[index])) < 1e-10


def test_each_member_is_dealt_with_by_itself(
    both: Together, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    each = [["seed=0"], ["seed=1"], ["init=fixup"], ["seed=3"], ["seed=4"], ["seed=5", "lr=1e5"]]
    common = [*SMALL, *WRN, "norm=none", "init=he", "lr=0.01", "trainer.limit_train_batches=2"]
    _, configs = both(common, each)
    before = run_task(configs[0])

    def unlucky(config: dict[str, Any], *arguments: Any) -> Any:
        if config["seed"] == 3:
            raise RuntimeError("the cable is out")
        return build_network(config, *arguments)

    from initlab.task.build import build_network

    monkeypatch.setattr("initlab.task.population.build_network", unlucky)
    held = RunFolder(configs[1]["paths"]["output_dir"], run_id(configs[1]))
    held.create()
    with Lock(held.path):
        results = run_population(configs)
    assert [status(result) for result in results] == ["ok", "held", "refused", "crashed", "ok", "diverged"]
    assert results[0] == before
    assert [result.population for result in results if isinstance(result, RunResult)] == [None, 1, 1, 2, 2]
    assert (folder(configs[3]) / "error.txt").read_text().rstrip().endswith("the cable is out")
    for config, result in zip(configs, results, strict=True):
        if isinstance(result, RunResult):
            assert json.loads((folder(config) / "result.json").read_text())["status"] == result.status
            with Lock(folder(config)):  # it was given back
                pass


def test_what_breaks_the_computation_is_a_crash_of_all_that_are_in_it(
    both: Together, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*args: Any) -> None:
        raise RuntimeError("the cable is out")

    monkeypatch.setattr("initlab.model.mlp.Mlp.forward", broken)
    _, configs = both([*TINY, "lr=0.01"], [["seed=0"], ["seed=1"]])
    results = run_population(configs)
    assert [status(result) for result in results] == ["crashed", "crashed"]
    assert {result.error for result in results if isinstance(result, RunResult)} == {
        "RuntimeError: the cable is out"
    }
    assert all((folder(config) / "error.txt").exists() for config in configs)


def test_a_mistake_of_the_person_is_told_and_not_recorded(both: Together) -> None:
    _, configs = both([*TINY], [["seed=0"], ["seed=1", "init.directions=up"]])
    with pytest.raises(ConfigError, match=r"^init.directions=up"):
        run_population(configs)
    assert not any(folder(config).exists() for config in configs)


def test_the_shares_of_the_time_add_up(both: Together) -> None:
    import time

    _, configs = both([*TINY, "lr=0.01"], [["seed=0"], ["seed=1"], ["seed=2"]])
    clock = time.perf_counter()
    results = [result for result in run_population(configs) if isinstance(result, RunResult)]
    spent = time.perf_counter() - clock
    assert 0 < sum(result.wall_s for result in results) <= spent
    total = sum(
        row["seconds"] for config in configs for row in MetricsCsv(folder(config) / "metrics.csv").rows()
    )
    assert total <= spent
    assert all(result.samples_per_s is not None and result.samples_per_s > 0 for result in results)


def stop_at(step: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ask this process to stop at a step of a population."""
    taken: list[int] = []
    take = Population._train_step

    def ask(self: Population, *arguments: Any) -> None:
        taken.append(1)
        if len(taken) == step:
            os.kill(os.getpid(), signal.SIGUSR2)
        take(self, *arguments)

    monkeypatch.setattr(Population, "_train_step", ask)


LONG = [*TINY, "epochs=3", "warmup_epochs=1"]  # 4 batches an epoch


@pytest.mark.parametrize(
    ("step", "norm"),
    [(3, ["norm=weight"]), (4, ["norm=weight"]), (6, ["norm=batch", "init=orthogonal"])],
    ids=["in-epoch", "last-batch", "batch-norm"],
)
def test_a_population_that_was_stopped_goes_on_to_the_same_bits(
    both: Together, monkeypatch: pytest.MonkeyPatch, step: int, norm: list[str]
) -> None:
    each = [["seed=0", "lr=0.01"], ["seed=1", "lr=1e30"], ["seed=2", "lr=0.02"]]
    undisturbed, stopped = both([*LONG, *norm], each)
    whole = run_population(undisturbed)
    with monkeypatch.context() as patch:
        stop_at(step, patch)
        results = run_population(stopped)
    assert [status(result) for result in results] == ["killed", "diverged", "killed"]
    for result in (results[0], results[2]):
        assert isinstance(result, RunResult)
        assert result.error == f"stopped by SIGUSR2 after step {step}"
    again = run_population(stopped)
    assert [status(result) for result in again] == ["ok", "diverged", "ok"]
    for index in (0, 2):
        assert largest_difference(weights(undisturbed[index]), weights(stopped[index])) == 0
        assert rows(undisturbed[index]) == rows(stopped[index])
        one, other = whole[index], again[index]
        assert isinstance(one, RunResult)
        assert isinstance(other, RunResult)
        assert one.metrics == other.metrics


@pytest.mark.parametrize("step", [4, 6])
def test_a_lone_run_goes_on_where_a_population_stopped(
    both: Together, monkeypatch: pytest.MonkeyPatch, step: int
) -> None:
    alone, together = both(
        [*LONG, "trainer.precision=64-true"], [["seed=0", "lr=0.01"], ["seed=1", "lr=0.02"]]
    )
    for config in alone:
        run_task(config)
    with monkeypatch.context() as patch:
        stop_at(step, patch)
        run_population(together)
    for config in together:  # from a population's checkpoint, by itself
        run_task(config)
    for config, other in zip(alone, together, strict=True):
        assert largest_difference(weights(config), weights(other)) < 1e-10
        for row, expected in zip(rows(other), rows(config), strict=True):
            assert row == pytest.approx(expected, rel=1e-10)


def test_a_population_goes_on_where_lone_runs_stopped(
    both: Together, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At different steps: they are trained by turns."""
    from initlab.training.classifier import Classifier

    alone, together = both(
        [*LONG, "trainer.precision=64-true"],
        [["seed=0", "lr=0.01"], ["seed=1", "lr=0.02"], ["seed=2", "lr=0.03"]],
    )
    for config in alone:
        run_task(config)
    train_step = Classifier.training_step
    for config, step in zip(together, (4, 6, None), strict=True):
        taken: list[int] = []

        def ask(self: Classifier, batch: Any, index: int, step: Any = step, taken: list[int] = taken) -> Any:
            taken.append(1)
            if len(taken) == step:
                os.kill(os.getpid(), signal.SIGTERM)
            return train_step(self, batch, index)

        if step is not None:
            with monkeypatch.context() as patch:
                patch.setattr(Classifier, "training_step", ask)
                assert run_task(config).status == "killed"
    results = run_population(together)
    assert [status(result) for result in results] == ["ok"] * 3
    assert [result.population for result in results if isinstance(result, RunResult)] == [1, 1, 1]
    for config, other in zip(alone, together, strict=True):
        assert largest_difference(weights(config), weights(other)) < 1e-10
        for row, expected in zip(rows(other), rows(config), strict=True):
            assert row == pytest.approx(expected, rel=1e-10)


class Recording(StackGraph):
    """Stands for the capture: what is repeated writes to the memory that the recorded pass wrote to."""

    replays = 0

    def __init__(self, stack: Stack, inputs: torch.Tensor, labels: torch.Tensor) -> None:
        super().__init__(stack, inputs, labels, self.record)

    def record(self, function: Callable[[], None]) -> Callable[[], None]:
        for _ in range(WARMUPS + 1):
            function()
        memory, parameters = self.found, self.stack.parameters

        def replay() -> None:
            Recording.replays += 1
            assert self.stack.parameters is parameters  # a recording knows no other
            function()
            for place, value in zip(memory, self.found, strict=True):
                place.copy_(value)
            self.found = memory

        return replay


@pytest.mark.parametrize("network", ["mlp", "wrn-bn"])
def test_replayed_steps_are_the_plain_ones(
    both: Together, monkeypatch: pytest.MonkeyPatch, network: str
) -> None:
    """Batches of 400 of 1437 digits, the last of each epoch smaller; one of three diverges on the way."""
    monkeypatch.setattr("initlab.task.population.check_cuda_graphs", lambda trainer: None)
    monkeypatch.setattr("initlab.task.population.StackGraph", Recording)
    monkeypatch.setattr(Recording, "replays", 0)
    common = [*DOUBLE, *NETWORKS[network], "batch_size=400", "epochs=3", "trainer.limit_train_batches=99"]
    each = [*DIFFERENT[:2], ["seed=2", "lr=1e5"]]
    common.append("callback.divergence.every_n_steps=50")  # losses wait to be looked at
    plain, graphed = both(common, each)
    expected = run_population(plain)
    for config in graphed:
        config["trainer"] = {**config["trainer"], "cuda_graphs": True}
    found = run_population(graphed)
    assert [status(result) for result in expected] == ["ok", "ok", "diverged"]
    steps = [[result.metrics.get("diverged/step") for result in results] for results in (expected, found)]
    assert steps[0] == steps[1] == [None, None, 5]  # and not 4, where the epoch began
    assert Recording.replays > 6
    for config, other in zip(plain[:2], graphed[:2], strict=True):
        assert rows(config) == rows(other)
        assert largest_difference(weights(config), weights(other)) == 0


@pytest.mark.gpu
@pytest.mark.parametrize("network", ["mlp", "wrn-bn"])
def test_on_a_gpu_a_captured_population_is_the_plain_one(both: Together, network: str) -> None:
    common = [*DOUBLE, *NETWORKS[network], "batch_size=400", "epochs=3", "trainer.limit_train_batches=99"]
    plain, graphed = both([*common, "trainer.accelerator=gpu"])
    run_population(plain)
    run_population([{**c, "trainer": {**c["trainer"], "cuda_graphs": True}} for c in graphed])
    for config, other in zip(plain, graphed, strict=True):
        assert largest_difference(weights(config), weights(other)) < 1e-9
