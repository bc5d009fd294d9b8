"""The randomness of an epoch: a function of (seed, epoch), so that a resumed run sees the same epochs."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from torch import Generator


class EpochRng(NamedTuple):
    """Two independent CPU generators: what is drawn for the one never moves the other."""

    order: Generator
    augmentation: Generator


def epoch_rng(seed: int, epoch: int) -> EpochRng:
    """Make the generators of one epoch of a run.

    The words of (seed, epoch) are mixed by numpy's ``SeedSequence``: adding them would give epoch 1 of
    seed 0 the order of epoch 0 of seed 1.
    """
    words = np.random.SeedSequence([seed % 2**64, epoch]).generate_state(2, np.uint64)
    order, augmentation = (Generator().manual_seed(int(word >> np.uint64(1))) for word in words)
    return EpochRng(order, augmentation)
