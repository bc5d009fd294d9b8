"""Sizes of residual ReLU networks: how many blocks of which kind, and one width and stride per stage."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from initlab.errors import ConfigError
from initlab.model.base import check_positive

BlockKind = Literal["basic", "bottleneck"]
DEPTHS: dict[int, tuple[BlockKind, list[int]]] = {
    18: ("basic", [2, 2, 2, 2]),
    34: ("basic", [3, 4, 6, 3]),
    50: ("bottleneck", [3, 4, 6, 3]),
    101: ("bottleneck", [3, 4, 23, 3]),
}
EXPANSION = 4  # output width of a bottleneck over its middle width


def branch_sizes(kind: BlockKind, width: int, stride: int) -> dict[str, list[int]]:
    """Return width, kernel size and stride of each conv of a branch; a bottleneck strides on its 3x3."""
    if kind == "basic":
        return {"widths": [width] * 2, "kernel_sizes": [3, 3], "strides": [stride, 1]}
    return {
        "widths": [width, width, EXPANSION * width],
        "kernel_sizes": [1, 3, 1],
        "strides": [1, stride, 1],
    }


def planned(
    depth: int | None, stages: Sequence[int] | None, block: BlockKind | None
) -> tuple[BlockKind, list[int]]:
    """Return kind and number of blocks of each stage.

    Args:
        depth: 18, 34, 50 or 101; None where ``stages`` is given (18 where neither is).
        stages: number of blocks of each stage, or None.
        block: kind of every block; None takes that of ``depth``, and ``basic`` for free ``stages``.

    Raises:
        ConfigError: naming the key that is wrong.
    """
    if block not in (None, "basic", "bottleneck"):
        raise ConfigError(f"model.block={block}: must be basic or bottleneck")
    if stages is None:
        if depth is None:
            depth = 18
        if depth not in DEPTHS:
            known = ", ".join(map(str, DEPTHS))
            raise ConfigError(f"model.depth={depth}: must be one of {known}, or give model.stages")
        kind, lengths = DEPTHS[depth]
        return block or kind, lengths
    if depth is not None:
        raise ConfigError(f"model.depth={depth} and model.stages={list(stages)}: give one of them")
    if not stages:
        raise ConfigError("model.stages=[]: must name at least one stage")
    return block or "basic", [check_positive("model.stages", length) for length in stages]


def per_stage(key: str, values: Sequence[int] | None, default: Sequence[int], num_stages: int) -> list[int]:
    """Return the first ``num_stages`` values, or refuse a list that is too short."""
    chosen = list(default if values is None else values)
    if len(chosen) < num_stages:
        raise ConfigError(f"model.{key}={chosen}: must have one value for each of the {num_stages} stages")
    return [check_positive(f"model.{key}", value) for value in chosen[:num_stages]]
