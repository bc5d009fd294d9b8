"""The command line as a person types it."""

import pytest
from hydra._internal.utils import get_args_parser
from hydra.core.override_parser.overrides_parser import OverridesParser
from hypothesis import given
from hypothesis import strategies as st

from initlab.errors import ConfigError
from initlab.sweep.argv import as_typed, expand, is_multirun, rewrite

WORDS = ["model=wrn", "init=proposed", "lr=0.1", "seed=0-19"]


@pytest.mark.parametrize("position", range(len(WORDS) + 1))
@pytest.mark.parametrize("flag", ["-m", "--multirun"])
def test_multirun_flag_may_stand_anywhere(position: int, flag: str) -> None:
    argv = [*WORDS[:position], flag, *WORDS[position:]]
    parsed = get_args_parser().parse_args(rewrite(argv))
    assert parsed.multirun
    assert parsed.overrides == ["model=wrn", "init=proposed", "lr=0.1", "seed=range(0,20)"]


@given(parts=st.lists(st.tuples(st.integers(0, 50), st.integers(0, 20)), min_size=1, max_size=4))
def test_a_range_means_every_whole_number_in_it(parts: list[tuple[int, int]]) -> None:
    text = ",".join(str(a) if n == 0 else f"{a}-{a + n}" for a, n in parts)
    wanted = [i for a, n in parts for i in range(a, a + n + 1)]
    override = OverridesParser.create().parse_override(expand(f"seed={text}"))
    values = list(override.sweep_iterator()) if override.is_sweep_override() else [override.value()]
    assert [int(v) for v in values] == wanted
    typed = as_typed(expand(f"seed={text}"))
    assert "(" not in typed
    assert len(typed) <= len(f"seed={text}")
    again = OverridesParser.create().parse_override(expand(typed))
    values = list(again.sweep_iterator()) if again.is_sweep_override() else [again.value()]
    assert [int(v) for v in values] == wanted


@pytest.mark.parametrize(
    ("override", "typed"),
    [
        ("seed=range(0,20)", "seed=0-19"),
        ("seed=range(0,20,5)", "seed=range(0,20,5)"),
        ("seed=range(3,3)", "seed=range(3,3)"),
        ("seed=tag(range,choice(0,1,2,7))", "seed=0-2,7"),
        ("model.depth=choice(3)", "model.depth=3"),
        ("lr=choice(0.1,0.2)", "lr=choice(0.1,0.2)"),
        ("sweep.retry=[ok]", "sweep.retry=[ok]"),
    ],
)
def test_a_sweep_is_told_as_a_person_types_it(override: str, typed: str) -> None:
    assert as_typed(override) == typed


@pytest.mark.parametrize("word", ["lr=1e-3", "lr=0.1,0.01", "name=2020-01-02", "a=b-c", "x='0-3'", "seed=-3"])
def test_what_is_no_range_stays(word: str) -> None:
    assert expand(word) == word


def test_a_range_that_runs_backwards_is_refused() -> None:
    with pytest.raises(ConfigError, match="seed=5-3: the range 5-3 runs backwards"):
        rewrite(["-m", "seed=5-3"])


@pytest.mark.parametrize("flags", [["--cfg", "job"], ["--info"], ["-c", "all"]])
def test_what_shows_one_run_goes_with_no_sweep(flags: list[str]) -> None:
    with pytest.raises(ConfigError, match="leave -m away"):
        rewrite(["-m", "seed=0,1", *flags])


def test_a_range_without_multirun_says_to_add_it() -> None:
    with pytest.raises(ConfigError, match="add -m to sweep over it"):
        rewrite(["seed=0-3"])


@pytest.mark.parametrize(
    ("argv", "overrides", "info", "cfg"),
    [
        (["--cfg", "job", "lr=1"], ["lr=1"], None, "job"),
        (["lr=1", "-c", "all", "seed=2"], ["lr=1", "seed=2"], None, "all"),
        (["--info", "lr=1"], ["lr=1"], "all", None),
        (["--info", "defaults-tree", "lr=1"], ["lr=1"], "defaults-tree", None),
        (["lr=1", "-i", "plugins"], ["lr=1"], "plugins", None),
    ],
)
def test_flags_keep_their_values(
    argv: list[str], overrides: list[str], info: str | None, cfg: str | None
) -> None:
    parsed = get_args_parser().parse_args(rewrite(argv))
    assert (parsed.overrides, parsed.info, parsed.cfg) == (overrides, info, cfg)


def test_shell_completion_is_left_alone() -> None:
    argv = ["-sc", "query=bash", "seed=0-3"]
    assert rewrite(argv) == argv


def test_values_below_a_swept_group_wait_for_their_cell() -> None:
    assert rewrite(["-m", "model=mlp,cnn", "model.width=8", "lr=1"])[1] == "model.width=choice(8)"
    assert rewrite(["-m", "model=mlp", "model.width=8"])[1] == "model.width=8"


@pytest.mark.parametrize("value", ["crashed", "crashed,diverged", "[crashed,diverged]"])
def test_what_to_retry_is_a_list_and_no_axis(value: str) -> None:
    (word, _) = rewrite([f"sweep.retry={value}", "-m"])
    assert word == f"sweep.retry=[{value.strip('[]')}]"
    assert rewrite([f"sweep.retry={value}"]) == [word]


def test_multirun_is_recognized_only_by_its_flags() -> None:
    assert is_multirun(["-m"])
    assert is_multirun(["a=b", "--multirun"])
    assert not is_multirun(["a=-m"])
