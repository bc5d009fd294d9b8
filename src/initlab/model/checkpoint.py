"""Activation checkpointing: keep a block's input alone and recompute the rest in the backward pass."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.utils.checkpoint import checkpoint


def checkpointed(block: nn.Module, inputs: Tensor) -> Tensor:
    """Return ``block(inputs)``; in the backward pass the block is run again instead of remembered.

    Values, gradients and the running statistics of batch norms are those of the plain call: the second run
    leaves the statistics alone.
    """
    if not torch.is_grad_enabled():
        plain: Tensor = block(inputs)
        return plain

    def contexts() -> tuple[AbstractContextManager[None], AbstractContextManager[None]]:
        return nullcontext(), _frozen_statistics(block)

    outputs: Tensor = checkpoint(
        block, inputs, use_reentrant=False, preserve_rng_state=False, context_fn=contexts
    )
    return outputs


@contextmanager
def _frozen_statistics(block: nn.Module) -> Iterator[None]:
    norms = [module for module in block.modules() if isinstance(module, _BatchNorm)]
    kept = [(norm.momentum, norm.num_batches_tracked) for norm in norms]
    for norm in norms:
        norm.momentum = 0.0
        if norm.num_batches_tracked is not None:
            norm.num_batches_tracked = norm.num_batches_tracked.clone()
    try:
        yield
    finally:
        for norm, (momentum, count) in zip(norms, kept, strict=True):
            norm.momentum, norm.num_batches_tracked = momentum, count
