"""What the ``rl`` node of a configuration names: an environment, as the data that a network is built for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from initlab.errors import Refused
from initlab.norm.base import Norm
from initlab.rl.crew import check_descriptors
from initlab.rl.frames import Frames
from initlab.rl.options import Options
from initlab.task.build import build


def rl_source(config: Mapping[str, Any]) -> Frames:
    """Build the environment of the config.

    Raises:
        ConfigError: there is no such environment, or it is not one to learn in, or a number makes no sense.
        Refused: the norm looks at a batch.
    """
    options: Options = build(config["rl"])
    check_descriptors(options.processes)
    norm: Norm = build(config["norm"])
    placed = (norm.placement(place, 1) for place in ("first", "middle", "last"))
    if norm.activation(1) is not None or any(module is not None for module in placed):
        raise Refused(
            f"norm={config['norm']['name']}: a policy acts on one frame at a time, which is no batch to take "
            "statistics of; task=rl has norm=none, weight or scaled_weight_standardization"
        )
    return Frames(options)
