"""``task=rl_probe``: measure the network that ``task=rl`` would start from, on frames of random play."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from initlab.results.run_folder import RunFolder
from initlab.task.probe import probe
from initlab.task.rl_source import rl_source
from initlab.task.run import Outcome


def rl_probe(config: Mapping[str, Any], folder: RunFolder) -> Outcome:
    """Measure one network as :func:`initlab.task.probe.probe` does, with the actions taken as labels.

    Raises:
        InitlabError: a part cannot be built, or the run's folder cannot be written to.
        Refused: the init does not fit the norm or the network, or no diagnostic can measure it.
    """
    return probe(config, folder, rl_source)
