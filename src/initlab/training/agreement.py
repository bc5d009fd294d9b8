"""The processes of a run stop together."""

from __future__ import annotations

from typing import Any

import lightning

from initlab.stopping import agree
from initlab.training.group import Group


class Agreement(lightning.Callback):
    """At the end of each batch and epoch, make of a request to one process a request to all.

    Must come before the callbacks that ask :func:`initlab.stopping.requested`.

    Args:
        group: the processes.
    """

    def __init__(self, group: Group) -> None:
        self.group = group

    def on_train_batch_end(self, *_: Any) -> None:
        """Agree."""
        agree(self.group.signal)

    def on_train_epoch_end(self, *_: Any) -> None:
        """Agree, on what came during validation too."""
        agree(self.group.signal)
