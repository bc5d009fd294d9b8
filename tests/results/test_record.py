"""A record survives the disk, and a damaged one is told in a sentence."""

import dataclasses
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from initlab.results.record import STATUSES, RunResult


def record(**changes: Any) -> RunResult:
    base = RunResult(
        run_id="0123456789ab",
        status="ok",
        config={"init": {"name": "proposed"}, "lr": 0.1, "model": {"widths": [3, 4]}},
        seed=0,
        metrics={"val/acc": 0.5, "epoch": 3, "grad_norm": None},
        versions={"torch": "2.13.0"},
        git={"commit": "abc", "dirty": False},
        device="cpu",
        wall_s=1.5,
        samples_per_s=100.0,
        peak_memory_bytes=10,
        started="2026-01-01T00:00:00+00:00",
    )
    return dataclasses.replace(base, **changes)


@settings(deadline=None)
@given(
    st.sampled_from(STATUSES),
    st.dictionaries(st.text(), st.none() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)),
    st.none() | st.text('a\n"γ', max_size=4),
)
def test_reading_what_was_written_gives_the_same_record(
    status: Any, metrics: dict[str, Any], error: str | None
) -> None:
    result = record(status=status, metrics=metrics, error=error)
    assert RunResult.from_json(result.to_json()) == result


def test_numbers_that_are_not_finite_become_null() -> None:
    result = record(metrics={"a": float("nan"), "b": float("inf"), "c": 1}, samples_per_s=float("nan"))
    content = json.loads(result.to_json(), parse_constant=lambda name: pytest.fail(f"{name} is not JSON"))
    assert content["metrics"] == {"a": None, "b": None, "c": 1}
    assert content["samples_per_s"] is None


def test_names_the_version_of_its_schema_first() -> None:
    assert next(iter(json.loads(record().to_json()))) == "schema_version"


@settings(deadline=None)
@given(st.integers(0, len(record().to_json()) - 3))
def test_a_truncated_record_is_refused_wherever_it_ends(length: int) -> None:
    with pytest.raises(ValueError, match="it is not whole JSON"):
        RunResult.from_json(record().to_json()[:length])


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"schema_version": 2}, "it has schema 2 and this initlab reads up to 1: update"),
        ({"schema_version": None}, "it does not say the version"),
        ({"status": "fine"}, "its status is 'fine', none of ok, diverged"),
        ({"metrics": [1]}, "its metrics is a list"),
        ({"metrics": {"val/acc": "0.5"}}, "its metric val/acc is no number"),
        ({"seed": True}, "its seed is a bool"),
        ({"wall_s": "long"}, "its wall_s is a str"),
        ({"error": 3}, "its error is a int"),
    ],
)
def test_a_damaged_record_is_told_in_a_sentence(changes: dict[str, Any], sentence: str) -> None:
    content = json.loads(record().to_json()) | changes
    with pytest.raises(ValueError, match=sentence):
        RunResult.from_json(json.dumps(content))


@pytest.mark.parametrize("name", ["run_id", "config", "status", "git"])
def test_a_record_without_a_part_is_refused_by_its_name(name: str) -> None:
    content = json.loads(record().to_json())
    del content[name]
    with pytest.raises(ValueError, match=f"it has no {name}"):
        RunResult.from_json(json.dumps(content))


@pytest.mark.parametrize("text", ["[]", "3", "null"])
def test_json_that_is_no_record_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="it holds no record"):
        RunResult.from_json(text)


def test_keys_of_a_later_release_within_the_schema_are_ignored() -> None:
    content = json.loads(record().to_json()) | {"hostname": "a"}
    assert RunResult.from_json(json.dumps(content)) == record()
