"""The trial is made of real runs, and leaves nothing behind."""

import io
import json
import sys
from pathlib import Path

import pytest

from initlab.task import trial
from tiny_run import TINY, Compose


def test_it_times_runs_alone_and_together(compose: Compose, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trial, "STEPS", 2)
    configs = [compose(*TINY, f"seed={seed}", "lr=1e30") for seed in range(2)]  # none diverges in a trial
    answers = io.StringIO()
    monkeypatch.setattr(sys, "stdin", io.StringIO(json.dumps({"configs": configs, "sizes": [1, 2]})))
    monkeypatch.setattr(sys, "stdout", answers)
    trial.main()
    lines = [json.loads(line) for line in answers.getvalue().splitlines()]
    assert [size for size, _ in lines] == [1, 2]
    assert all(0 < seconds < 60 for _, seconds in lines)
    assert not any(Path(config["paths"]["output_dir"]).exists() for config in configs)


def test_what_cannot_be_computed_together_ends_the_trial(
    compose: Compose, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trial, "seconds", lambda configs: 1.0 if len(configs) == 1 else broken())

    def broken() -> float:
        raise MemoryError

    answers = io.StringIO()
    monkeypatch.setattr(sys, "stdin", io.StringIO(json.dumps({"configs": [1, 2, 3], "sizes": [1, 2, 3]})))
    monkeypatch.setattr(sys, "stdout", answers)
    trial.main()
    assert answers.getvalue() == "[1, 1.0]\n"
