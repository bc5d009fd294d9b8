"""What planning says of init, norm and network is what the run says."""

import io
import json
import sys
from collections.abc import Sequence
from itertools import product
from typing import Any

import pytest

import components
from initlab.errors import ConfigError, Refused
from initlab.task import fitting
from initlab.task.build import build, build_init, build_model, generator
from initlab.task.fitting import verdict

INITS, MODELS, NORMS = (components.names(group) for group in ("init", "model", "norm"))


def config(init: str, model: str, norm: str) -> dict[str, Any]:
    """The parts of a run on a small network, with the options that the init needs where it has them."""
    small, shape = components.fitting_size(model)
    options = components.config("model", model)
    needed = {k: v for k, v in components.NEEDED.get(init, {}).items() if k in options}
    data = components.config("data", "synthetic") | {"shape": list(shape), "classes": components.NUM_CLASSES}
    return {
        "model": options | small | needed,
        "init": components.config("init", init),
        "norm": components.config("norm", norm),
        "data": data,
    }


def of_the_run(parts: dict[str, Any], model: str) -> tuple[str, str]:
    """Build and initialize the network as a run does, with a batch."""
    try:
        init = build_init(parts)
        network = build_model(parts, build(parts["data"]))
        init(network, generator(0), components.small_batch(model))
    except Refused as refusal:
        return "refused", str(refusal)
    except ConfigError as error:
        return "wrong", str(error)
    return "fits", ""


def differences(init: str, cases: Sequence[tuple[str, str]]) -> list[Any]:
    """Return the cases in which planning refuses what runs, says it otherwise, or misses what it can see."""
    found = []
    for model, norm in cases:
        parts = config(init, model, norm)
        planned, ran = verdict(parts), of_the_run(parts, model)
        needs_batch = build_init(parts).needs_batch
        if planned != ran and not (needs_batch and planned[0] == "fits"):
            found.append((model, norm, planned, ran))
    return found


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("init", INITS)
def test_planning_refuses_what_the_run_refuses_with_the_same_sentence(init: str) -> None:
    shift = INITS.index(init)
    assert not differences(init, [(m, NORMS[(i + shift) % len(NORMS)]) for i, m in enumerate(MODELS)])


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("init", INITS)
def test_planning_refuses_what_the_run_refuses_on_every_network_with_every_norm(init: str) -> None:
    assert not differences(init, list(product(MODELS, NORMS)))


def test_the_three_verdicts() -> None:
    assert verdict(config("proposed", "mlp", "weight")) == ("fits", "")
    told = verdict(config("proposed", "mlp", "none"))
    assert told[0] == "refused"
    assert told[1].endswith("build the model with norm=weight")
    parts = config("proposed", "mlp", "weight")
    parts["model"]["depth"] = 0
    assert verdict(parts) == ("wrong", "model.depth=0: must be a positive whole number")


def test_data_that_are_not_there_leave_the_question_to_the_run() -> None:
    parts = config("proposed", "mlp", "none")
    parts["data"] = {"_target_": "initlab.data.npz.Npz", "file": "/nowhere.npz"}
    assert verdict(parts) == ("fits", "")


def test_every_line_is_answered_by_one(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = [config("proposed", "mlp", norm) for norm in ("none", "weight")]
    monkeypatch.setattr(sys, "stdin", io.StringIO("\n".join(map(json.dumps, asked))))
    monkeypatch.setattr(sys, "stdout", sys.stdout)  # put back what main() puts aside
    fitting.main()
    assert [json.loads(line)[0] for line in capsys.readouterr().out.splitlines()] == ["refused", "fits"]
