"""Forward and backward pass of a batch as one CUDA graph, for small networks that wait for their kernels."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from initlab.cuda_graph import Capture, capture

Evaluate = Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]


class GradientGraph:
    """Loss, logits and gradients of batches of one shape, by replaying one recorded step.

    What is returned lies in memory that the next call overwrites, and so do the gradients, which each call
    makes the ``.grad`` of the network's parameters: others may set that to None in between.

    Args:
        model: whose gradients are taken.
        evaluate: gives the mean loss and the logits of (inputs, labels).
        inputs: a batch of the shape to come.
        labels: of the same batch.
        record: runs what it is given a few times, and returns what repeats it.
    """

    def __init__(
        self,
        model: nn.Module,
        evaluate: Evaluate,
        inputs: Tensor,
        labels: Tensor,
        record: Capture = capture,
    ) -> None:
        self.evaluate = evaluate
        self.inputs, self.labels = inputs.clone(), labels.clone()
        self.parameters = list(model.parameters())
        before = [buffer.clone() for buffer in model.buffers()]
        self.replay = record(self._record)
        self.gradients = [parameter.grad for parameter in self.parameters]
        with torch.no_grad():  # running statistics have seen the trial passes
            for buffer, kept in zip(model.buffers(), before, strict=True):
                buffer.copy_(kept)

    def takes(self, inputs: Tensor) -> bool:
        """Whether a batch has the shape recorded; the last one of an epoch may be smaller."""
        return inputs.shape == self.inputs.shape

    def __call__(self, inputs: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """Set the gradients of a batch, and return its mean loss and its logits ``(N, K)``."""
        self.inputs.copy_(inputs)
        self.labels.copy_(labels)
        self.replay()
        for parameter, gradient in zip(self.parameters, self.gradients, strict=True):
            parameter.grad = gradient
        return self.loss, self.logits

    def _record(self) -> None:
        for parameter in self.parameters:
            # So that the pass writes it and adds nothing; one that is not used gets none.
            parameter.grad = None
        device = self.inputs.device.type
        # A weight that autocast has cast before the capture must not be taken from its cache.
        with torch.autocast(
            device,
            dtype=torch.get_autocast_dtype(device),
            enabled=torch.is_autocast_enabled(device),
            cache_enabled=False,
        ):
            loss, logits = self.evaluate(self.inputs, self.labels)
        with torch.autocast(device, enabled=False):  # as Lightning takes the gradients of a plain step
            loss.backward()
        self.loss, self.logits = loss.detach(), logits.detach()
