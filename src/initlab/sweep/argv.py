"""The command line as a person types it, rewritten into the one that Hydra understands.

Hydra 1.3 rejects overrides on both sides of ``-m`` and takes ``seed=0-19`` for one string. These pure
functions put the flags behind the overrides and write integer ranges in Hydra's own grammar; whether the
key of a range is an integer is checked later, against the configuration (:mod:`initlab.sweep.compose`).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import groupby

from initlab.errors import ConfigError

_RANGE = re.compile(r"\d+(-\d+)?(,\d+(-\d+)?)*")
_OVERRIDE = re.compile(r"(?P<key>[+~]{0,2}[\w./@:$-]*[\w$])=(?P<value>.*)", re.DOTALL)
_EXPANDED = re.compile(
    r"(?P<key>[\w./]+)=(?:range\((?P<start>\d+),(?P<stop>\d+)\)"
    r"|tag\(range,choice\((?P<numbers>\d+(,\d+)+)\)\)|choice\((?P<one>[^(),]+)\))"
)
_MULTIRUN = ("-m", "--multirun")
_TAKE_A_VALUE = (
    *("--cfg", "-c", "--package", "-p", "--config-path", "-cp", "--config-name", "-cn"),
    *("--config-dir", "-cd", "--experimental-rerun"),
)
_INFO = ("--info", "-i")
_COMPLETION = ("--shell-completion", "-sc")


def rewrite(argv: Sequence[str]) -> list[str]:
    """Return the arguments with every flag behind the overrides and every integer range expanded.

    >>> rewrite(["model=wrn", "-m", "seed=0-2,7"])
    ['model=wrn', 'seed=tag(range,choice(0,1,2,7))', '-m']

    Raises:
        ConfigError: a range runs backwards, or stands there without ``-m``; ``-m`` beside ``--cfg``.
    """
    if any(word in _COMPLETION for word in argv):
        return list(argv)
    overrides, flags = _split(argv)
    shown = next((flag for flag in flags if flag in ("--cfg", "-c", *_INFO)), None)
    if shown and is_multirun(argv):
        raise ConfigError(f"{shown} shows the configuration of one run: leave -m away")
    expanded = [expand(word) for word in overrides]
    if not is_multirun(argv):
        for before, after in zip(overrides, expanded, strict=True):
            if before != after and not before.startswith("sweep."):
                raise ConfigError(f"{before} is a range of runs: add -m to sweep over it")
    return [*(_deferred(word, expanded) for word in expanded), *flags]


def is_multirun(argv: Sequence[str]) -> bool:
    """Whether the arguments ask for a sweep."""
    return any(word in _MULTIRUN for word in argv)


def expand(override: str) -> str:
    """Write ``key=0-19`` as ``key=range(0,20)`` and ``key=0-2,7`` as ``key=tag(range,choice(0,1,2,7))``.

    ``sweep.retry=crashed,diverged`` is a list for the sweep itself and no axis of the grid.

    Raises:
        ConfigError: a range runs backwards.
    """
    match = _OVERRIDE.fullmatch(override)
    if match is not None and match["key"] == "sweep.retry" and not match["value"].startswith("["):
        return f"sweep.retry=[{match['value']}]"
    if match is None or "-" not in match["value"] or not _RANGE.fullmatch(match["value"]):
        return override
    ranges = []
    for part in match["value"].split(","):
        first, _, last = part.partition("-")
        ranges.append(range(int(first), int(last or first) + 1))
        if not ranges[-1]:
            raise ConfigError(f"{override}: the range {part} runs backwards")
    if len(ranges) == 1:
        return f"{match['key']}=range({ranges[0].start},{ranges[0].stop})"
    numbers = ",".join(str(number) for part in ranges for number in part)
    return f"{match['key']}=tag(range,choice({numbers}))"  # the tag lets the type of the key be checked


def as_typed(override: str) -> str:
    """Write an override as a person would, who says ``seed=0-19``: the other way round than :func:`rewrite`.

    >>> as_typed("seed=tag(range,choice(0,1,2,7))")
    'seed=0-2,7'
    """
    match = _EXPANDED.fullmatch(override)
    if match is None:
        return override
    if match["start"] is not None:
        first, last = int(match["start"]), int(match["stop"]) - 1
        return f"{match['key']}={_part(range(first, last + 1))}" if first <= last else override
    if match["one"] is not None:
        return f"{match['key']}={match['one']}"
    numbers = [int(number) for number in match["numbers"].split(",")]
    # Neighbours have one difference between a number and its place.
    runs = [[n for _, n in run] for _, run in groupby(enumerate(numbers), key=lambda pair: pair[1] - pair[0])]
    return f"{match['key']}={','.join(map(_part, runs))}"


def _part(numbers: Sequence[int]) -> str:
    return f"{numbers[0]}-{numbers[-1]}" if len(numbers) > 1 else str(numbers[0])


def _deferred(override: str, overrides: Sequence[str]) -> str:
    """Write a value below a group that is swept as a choice of one.

    Hydra holds fixed values to the group's default option before it plans a sweep, and would refuse
    ``model.depth=3`` beside ``model=mlp,cnn`` because the default model has no depth.
    """
    match = _OVERRIDE.fullmatch(override)
    if (
        match is None
        or "." not in match["key"]
        or match["value"].startswith(("choice(", "range(", "glob(", "tag("))
    ):
        return override
    group = match["key"].split(".")[0]
    swept = any(word.startswith(f"{group}=") and "," in word for word in overrides)
    return f"{match['key']}=choice({match['value']})" if swept else override


def _split(argv: Sequence[str]) -> tuple[list[str], list[str]]:
    """Tell overrides from flags; a flag that takes a value keeps it, and ``--info`` goes last."""
    overrides: list[str] = []
    flags: list[str] = []
    info: list[str] = []
    words = iter(argv)
    for word in words:
        names_info = len(info) == 1 and "=" not in word and not word.startswith("-")
        if word in _INFO or names_info:
            info.append(word)
        elif word.startswith("-"):
            flags.append(word)
            if word in _TAKE_A_VALUE:
                flags.extend(value for value in [next(words, None)] if value is not None)
        else:
            overrides.append(word)
    return overrides, flags + info
