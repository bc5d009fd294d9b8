"""Forward and backward pass of a batch as one CUDA graph, for small networks that wait for their kernels."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

Evaluate = Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]
Replay = Callable[[], None]
WARMUPS = 3  # passes before the capture, in which libraries choose their kernels


class GradientGraph:
    """Loss, logits and gradients of batches of one shape, by replaying one recorded step.

    What is returned lies in memory that the next call overwrites, and so do the gradients, which each call
    makes the ``.grad`` of the network's parameters: others may set that to None in between.

    Args:
        model: whose gradients are taken.
        evaluate: gives the mean loss and the logits of (inputs, labels).
        inputs: a batch of the shape to come.
        labels: of the same batch.
        capture: runs what it is given a few times, and returns what repeats it.
    """

    def __init__(
        self,
        model: nn.Module,
        evaluate: Evaluate,
        inputs: Tensor,
        labels: Tensor,
        capture: Callable[[Replay], Replay] | None = None,
    ) -> None:
        self.evaluate = evaluate
        self.inputs, self.labels = inputs.clone(), labels.clone()
        self.parameters = list(model.parameters())
        before = [buffer.clone() for buffer in model.buffers()]
        self.replay = (capture or _capture)(self._record)
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


def _capture(record: Replay) -> Replay:
    """Record what a function launches on the GPU."""
    aside = torch.cuda.Stream()
    aside.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(aside):
        for _ in range(WARMUPS):
            record()
    torch.cuda.current_stream().wait_stream(aside)
    graph = torch.cuda.CUDAGraph()
    # Threads that pin the batches to come may go on meanwhile.
    with torch.cuda.graph(graph, capture_error_mode="thread_local"):
        record()
    return graph.replay
