"""A run that a person ends with Ctrl-C."""

from collections.abc import Mapping
from typing import Any

import pytest

from initlab.task import run_task
from initlab.training.checkpoint import Checkpoint


def interrupt(config: Mapping[str, Any], epoch: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Carry a run out until the end of an epoch, whose checkpoint is written."""
    write = Checkpoint.on_train_epoch_end

    def write_and_stop(self: Checkpoint, trainer: Any, module: Any) -> None:
        write(self, trainer, module)
        if trainer.current_epoch == epoch:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Checkpoint, "on_train_epoch_end", write_and_stop)
        with pytest.raises(KeyboardInterrupt):
            run_task(config)
