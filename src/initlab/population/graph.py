"""Forward and backward pass of a population as one CUDA graph."""

from __future__ import annotations

from torch import Tensor

from initlab.cuda_graph import Capture, capture
from initlab.population.stack import Stack


class StackGraph:
    """What :meth:`Stack.gradients` returns for batches of one shape, by replaying one recorded pass.

    It holds for the matrix of parameters that the stack has when it is recorded: another is wanted after
    :meth:`Stack.keep`. What is returned lies in memory that the next call overwrites.

    Args:
        stack: the networks.
        inputs: batches ``(K, N, ...)`` of the shape to come.
        labels: of the same batches, ``(K, N)``.
        record: runs what it is given a few times, and returns what repeats it.
    """

    def __init__(self, stack: Stack, inputs: Tensor, labels: Tensor, record: Capture = capture) -> None:
        self.stack = stack
        self.inputs, self.labels = inputs.clone(), labels.clone()
        before = {name: values.clone() for name, values in stack.buffers.items()}
        self.replay = record(self._pass)
        for name, values in before.items():  # running statistics have seen the trial passes
            stack.buffers[name].copy_(values)

    def takes(self, inputs: Tensor) -> bool:
        """Whether batches have the shape recorded; the last one of an epoch may be smaller."""
        return inputs.shape == self.inputs.shape

    def gradients(self, inputs: Tensor, labels: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return losses ``(K,)``, logits ``(K, N, num_classes)`` and gradients ``(K, P)``."""
        self.inputs.copy_(inputs)
        self.labels.copy_(labels)
        self.replay()
        return self.found

    def _pass(self) -> None:
        self.found = self.stack.gradients(self.inputs, self.labels)
