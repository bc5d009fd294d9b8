"""``task=fit`` in several processes, with what a test wants to know of each or do to one.

``RANK_ACTS`` is JSON, ``{rank: [step, act]}``: what happens to a rank at the end of a step.
"""

import json
import os
import signal

import torch

from initlab.task.fit import fit
from initlab.training.classifier import Classifier


def run(config, folder):
    """Train, and leave the weights of each rank in ``weights.<rank>`` beside the files of the run."""
    rank = os.environ.get("RANK", "0")
    step_of_act, act = json.loads(os.environ.get("RANK_ACTS", "{}")).get(rank, [-1, ""])
    step = Classifier.training_step

    def training_step(self, batch, batch_idx):
        with open(folder.path / f"steps.{rank}", "a") as file:
            file.write(f"{self.current_epoch} {batch_idx} {len(batch[1])}\n")
        loss = step(self, batch, batch_idx)
        if self.global_step + 1 == step_of_act:
            if act == "raise":
                raise ValueError("out of luck")
            if act == "nan":
                loss = loss * float("nan")
            if act.startswith("SIG"):
                os.kill(os.getpid(), signal.Signals[act])
        return loss

    Classifier.training_step = training_step
    Classifier.on_train_end = lambda self: torch.save(
        self.model.state_dict(), folder.path / f"weights.{rank}"
    )
    try:
        return fit(config, folder)
    finally:
        Classifier.training_step = step
        del Classifier.on_train_end
