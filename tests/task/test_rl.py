"""An agent learns a small game; its run stops, goes on, diverges and is recorded as any other."""

import os
import signal
import subprocess
import sys

import pytest
import torch
import yaml

from initlab.errors import ConfigError
from initlab.results.identity import run_id
from initlab.results.metrics_csv import MetricsCsv
from initlab.results.run_folder import RunFolder
from initlab.sweep.compose import Composer, config_loader
from initlab.sweep.fitting import refusals
from initlab.sweep.plan import plan
from initlab.task import run_task
from playing import PLAY, SMALL, needs_rl

ALONE = [*PLAY, "rl.synchronous=true"]


def rows(config):
    return MetricsCsv(RunFolder(config["paths"]["output_dir"], run_id(config)).metrics_path).rows()


@needs_rl
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_it_learns_to_catch_in_20_000_frames(compose, seed):
    config = compose(
        *ALONE,
        "model.width=64",
        "lr=0.003",
        "clipping=norm",
        "rl.num_envs=16",
        "rl.frames_per_epoch=4000",
        "epochs=5",
        f"seed={seed}",
    )
    result = run_task(config)
    assert (result.status, result.error) == ("ok", None)
    returns = [row["train/return"] for row in rows(config)]
    assert returns[0] < 0.5  # at random it catches a fifth: -0.6
    assert returns[-1] > 0.9
    assert result.metrics["train/return"] == returns[-1]
    assert returns[0] < result.metrics["train/mean_return"] < 0.9


@needs_rl
@pytest.mark.slow
def test_two_workers_learn_to_catch_as_well(compose):
    options = ["model.width=64", "lr=0.003", "clipping=norm", "rl.frames_per_epoch=4000", "epochs=10"]
    result = run_task(compose(*PLAY, *options, "rl.num_workers=2", "rl.num_envs=8"))
    assert result.metrics["train/return"] > 0.9


@needs_rl
def test_a_run_leaves_what_it_did_in_numbers(compose):
    network = ["model=impala", "model.num_blocks=1", "model.widths=[4,4]"]
    config = compose(*SMALL, *network, "rl.synchronous=true")
    result = run_task(config)
    assert result.status == "ok"
    assert result.samples_per_s > 0
    first, last = rows(config)
    assert (last["epoch"], last["frames"], last["step"]) == (1, 800, 20)
    assert last["train/length"] == 9
    assert 0 < last["train/entropy"] <= float(torch.tensor(3.0).log()) + 1e-6
    for name in ("policy_loss", "value_loss", "loss"):
        assert last[f"train/{name}"] == result.metrics[f"train/{name}"] != first[f"train/{name}"]
    assert last["frames_per_s"] > 0
    assert run_task(config).started == result.started  # it is not run again


@needs_rl
def test_the_same_seed_gives_the_same_run(compose, tmp_path):
    found = []
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        config = compose(*ALONE, f"seed={seed}", f"paths.output_dir={tmp_path / name}")
        run_task(config)
        found.append([(row["train/loss"], row["train/return"]) for row in rows(config)])
    assert found[0] == found[1] != found[2]


@needs_rl
@pytest.mark.parametrize("synchronous", ["true", "false"])
def test_a_loss_that_is_not_finite_is_a_result(compose, synchronous):
    form = f"rl.synchronous={synchronous}"
    config = compose(*PLAY, form, "optim=sgd", "optim.fused=false", "lr=1e30", "norm=none", "init=he")
    result = run_task(config)
    assert result.status == "diverged"
    assert result.metrics["diverged/epoch"] == 0
    assert 0 < result.metrics["diverged/step"] < 10
    assert result.error.startswith("the loss was not finite at update")


@needs_rl
@pytest.mark.slow
def test_a_run_that_is_asked_to_stop_saves_itself_and_goes_on(compose):
    config = compose(*PLAY, "epochs=4", "rl.frames_per_epoch=6000")
    script = "import sys, yaml; from initlab.task import run_task; run_task(yaml.safe_load(sys.stdin))"
    with subprocess.Popen([sys.executable, "-c", script], stdin=subprocess.PIPE, text=True) as process:
        process.stdin.write(yaml.safe_dump(config))
        process.stdin.close()
        while not rows(config):  # the first epoch
            assert process.poll() is None
        process.send_signal(signal.SIGTERM)
        process.wait()
    folder = RunFolder(config["paths"]["output_dir"], run_id(config))
    stopped = folder.read_result()
    assert stopped.status == "killed"
    assert stopped.error.startswith("stopped by SIGTERM after frame ")
    saved = torch.load(folder.checkpoint_path("last"), weights_only=True)
    frames = int(stopped.error.split()[-1])
    assert saved["sums"][0] == frames >= 6000
    result = run_task(config)
    assert (result.status, result.metrics["frames"]) == ("ok", 24000)
    assert [row["epoch"] for row in rows(config)] == [0, 1, 2, 3]
    assert rows(config)[-1]["episodes"] == result.metrics["episodes"] <= 24000 / 9


BAD = {
    "rl.environment=ALE/Pog-v5": "Did you mean: `Pong`",
    "rl.environment=Pendulum-v1": "a policy chooses among Discrete",
    "rl.num_workers=0": "rl.num_workers=0: must be a positive",
    "rl.num_workers=10000000": "rl.num_workers=10000000: each takes 10 file descriptors",
    "model=impala": "model=impala takes images",
    "epochs=0": "epochs=0: must be",
    "batch_size=0": "batch_size=0: must be a positive",
}


@needs_rl
@pytest.mark.parametrize("argument", BAD)
def test_bad_input_is_one_sentence(compose, argument):
    with pytest.raises(ConfigError, match=BAD[argument]) as told:
        run_task(compose(*SMALL, "rl=cartpole", argument))
    assert "\n" not in str(told.value)


@needs_rl
@pytest.mark.parametrize("argument", list(BAD)[3:5])
def test_bad_input_is_told_at_planning(argument):
    with config_loader() as loader:
        cells = plan(Composer(loader), [*SMALL, "rl=cartpole", argument]).cells
    with pytest.raises(ConfigError, match=BAD[argument]):
        refusals(cells)


@needs_rl
def test_batch_norm_is_refused(compose):
    result = run_task(compose(*ALONE, "norm=batch", "init=orthogonal"))
    assert result.status == "refused"
    assert result.error.startswith("norm=batch: a policy acts on one frame at a time")


@needs_rl
@pytest.mark.slow
def test_a_sweep_of_it_resumes_as_any_other(tmp_path):
    command = [sys.executable, "train.py", "-m", *ALONE, "epochs=1", "seed=0,1", "hydra/launcher=pool"]
    environment = os.environ | {"INITLAB_OUTPUT_DIR": str(tmp_path)}
    for now in ("2 of them now", "0 of them now"):
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
        assert now in done.stdout + done.stderr


def test_what_a_run_of_it_does_not_read_does_not_name_it(compose):
    base = compose(*PLAY)
    assert run_id(
        compose(*PLAY, "data=digits", "diagnostic=hessian", "trainer.precision=bf16-mixed")
    ) == run_id(base)
    for change in ("rl.synchronous=true", "rl.num_envs=4", "lr=0.1", "epochs=3", "optim.alpha=0.9"):
        assert run_id(compose(*PLAY, change)) != run_id(base), change
    assert "rl" not in compose()
