"""Places where a run can be carried out on this machine."""

import os

import pytest

from initlab.errors import ConfigError
from initlab.sweep.slots import environment, slots, visible_gpus


def test_a_gpu_is_a_slot_and_all_get_one_run_before_any_gets_two(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "2,GPU-aa,5")
    found = slots(100, None, jobs_per_gpu=2)
    assert [slot["CUDA_VISIBLE_DEVICES"] for slot in found] == ["2", "GPU-aa", "5"] * 2


def test_a_run_of_several_gpus_gets_neighbours_and_the_rest_is_idle(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1,2,3,4")
    assert [slot["CUDA_VISIBLE_DEVICES"] for slot in slots(9, None, processes=2)] == ["0,1", "2,3"]


def test_runs_on_the_cpu_divide_the_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(8)))
    found = slots(100, 3, on_cpu=True)
    assert [slot["OMP_NUM_THREADS"] for slot in found] == ["2"] * 3
    assert len(slots(100, None, on_cpu=True)) == 8
    assert len(slots(2, None, on_cpu=True)) == 2
    found = slots(100, None, processes=2, on_cpu=True)
    assert [slot["OMP_NUM_THREADS"] for slot in found] == ["1"] * 4


@pytest.mark.parametrize(("listed", "gpus"), [("", []), ("-1", []), ("0, 1", ["0", "1"]), ("1,-1,2", ["1"])])
def test_cuda_visible_devices_is_read_as_cuda_does(
    monkeypatch: pytest.MonkeyPatch, listed: str, gpus: list[str]
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", listed)
    assert visible_gpus() == gpus


@pytest.mark.parametrize(
    ("gpus", "arguments", "sentence"),
    [
        ("0,1", {"processes": 4}, "trainer.devices=4: this machine shows 2 GPUs"),
        ("0", {"jobs_per_gpu": 0}, "hydra.launcher.jobs_per_gpu=0: must be a positive whole number"),
        ("0", {"num_workers": 0}, "hydra.launcher.num_workers=0: must be a positive whole number"),
    ],
)
def test_what_cannot_be_placed_is_refused(
    monkeypatch: pytest.MonkeyPatch, gpus: str, arguments: dict[str, int], sentence: str
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", gpus)
    with pytest.raises(ConfigError, match=sentence):
        slots(10, **{"num_workers": None, **arguments})


def test_a_worker_has_no_part_in_the_group_of_its_parent(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("SLURM_NTASKS", "SLURM_JOB_ID", "MASTER_PORT", "LOCAL_RANK", "WORLD_SIZE"):
        monkeypatch.setenv(name, "1")
    monkeypatch.setenv("HOME_OF_DATA", "kept")
    seen = environment({"CUDA_VISIBLE_DEVICES": "7"})
    assert seen["HOME_OF_DATA"] == "kept"
    assert seen["CUDA_VISIBLE_DEVICES"] == "7"
    assert not any(name.startswith("SLURM") or "RANK" in name or "MASTER" in name for name in seen)
