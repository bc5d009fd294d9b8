"""Running sums of a population's losses and hits, kept on the device so that no step waits for it."""

from __future__ import annotations

import torch
from torch import Tensor


class Sums:
    """Sums over inputs, one of each for every member.

    Attributes:
        loss: nats, ``(K,)``.
        hits: inputs classified as labelled, ``(K,)``.
        count: inputs.
    """

    def __init__(self, like: Tensor) -> None:
        """Start at 0, with the rows, the type and the device of a tensor ``(K, ...)``."""
        self.loss = torch.zeros_like(like[:, 0])
        self.hits = torch.zeros_like(self.loss, dtype=torch.int64)
        self.count = 0

    def add(self, losses: Tensor, logits: Tensor, labels: Tensor) -> None:
        """Add a batch: mean losses ``(K,)``, logits ``(K, N, classes)``, labels ``(K, N)`` or ``(N,)``."""
        count = labels.shape[-1]
        self.loss = self.loss + losses * count
        self.hits = self.hits + (logits.argmax(2) == labels).sum(1)
        self.count += count

    def keep(self, index: Tensor) -> None:
        """Go on with some of the members."""
        self.loss, self.hits = self.loss[index], self.hits[index]

    def means(self, stage: str) -> list[dict[str, float]]:
        """Return mean loss and accuracy (a fraction) of each member, under the stage's name."""
        sums = zip(self.loss.tolist(), self.hits.tolist(), strict=True)
        return [
            {f"{stage}/loss": loss / self.count, f"{stage}/acc": hits / self.count} for loss, hits in sums
        ]
