"""Batch normalization over the whole batch, of which each process has a share."""

from __future__ import annotations

from functools import partial
from typing import Any

import torch
from torch import Tensor, distributed, nn
from torch.nn.modules.batchnorm import _BatchNorm

from initlab.errors import ConfigError


def join_batch_norms_(model: nn.Module) -> None:
    """Let the batch norms of a model take mean and variance of a training batch over all processes.

    As :class:`torch.nn.SyncBatchNorm`, which knows GPUs only: the network computes what it computes in one
    process, up to rounding.

    Raises:
        ConfigError: one is of a kind that cannot be told to.
    """
    for module in model.modules():
        if not isinstance(module, _BatchNorm):
            continue
        if type(module) not in (nn.BatchNorm1d, nn.BatchNorm2d):
            raise ConfigError(
                f"{type(module).__name__} takes its statistics from one process's share of the batch: "
                "train this network with trainer.devices=1"
            )
        module.forward = partial(_forward, module)  # type: ignore[method-assign]


class _Total(torch.autograd.Function):
    """The sum over all processes, which is also what becomes of its gradient."""

    @staticmethod
    def forward(ctx: Any, values: Tensor) -> Tensor:
        total = values.clone()
        distributed.all_reduce(total)
        return total

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        total = gradient.contiguous().clone()
        distributed.all_reduce(total)
        return total


def _over_all(values: Tensor) -> Tensor:
    total: Tensor = _Total.apply(values)
    return total


def _forward(module: _BatchNorm, inputs: Tensor) -> Tensor:
    if not module.training:
        return type(module).forward(module, inputs)
    dims = [0, *range(2, inputs.dim())]
    shape = (1, -1, *[1] * (inputs.dim() - 2))
    values = inputs if inputs.dtype == torch.float64 else inputs.float()
    count = torch.full((1,), inputs.numel() / inputs.shape[1], dtype=values.dtype, device=values.device)
    *sums, total = _over_all(torch.cat([values.sum(dims), count])).split([inputs.shape[1], 1])
    mean = sums[0] / total
    centred = values - mean.view(shape)
    variance = _over_all(centred.square().sum(dims)) / total
    outputs = centred * (variance + module.eps).rsqrt().view(shape)
    if module.affine:
        outputs = outputs * module.weight.view(shape) + module.bias.view(shape)
    if module.track_running_stats:
        _track_(module, mean.detach(), variance.detach() * total.detach() / (total.detach() - 1))
    return outputs.to(inputs.dtype)


@torch.no_grad()
def _track_(module: _BatchNorm, mean: Tensor, unbiased: Tensor) -> None:
    assert module.num_batches_tracked is not None
    module.num_batches_tracked.add_(1)
    newest = module.momentum if module.momentum is not None else 1 / float(module.num_batches_tracked)
    for running, value in ((module.running_mean, mean), (module.running_var, unbiased)):
        assert running is not None
        running.lerp_(value.to(running.dtype), newest)
