"""SGD with momentum on all rows at once, each with a learning rate, decay and momentum of its own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class SgdOptions:
    """What each network may have of its own; the arguments of ``torch.optim.SGD``.

    Args:
        lr: the base learning rate, before the schedule.
        momentum: share of the last step's direction that is kept.
        weight_decay: factor of the parameters that is added to the gradient.
        nesterov: look ahead along the momentum.
    """

    lr: float
    momentum: float = 0.0
    weight_decay: float = 0.0
    nesterov: bool = False


class StackedSgd:
    r"""The step of ``torch.optim.SGD`` on a matrix of parameters with one row for each network.

    .. math:: v \leftarrow \mu v + g + \lambda w, \qquad w \leftarrow w - \eta\, v

    or with :math:`g + \lambda w + \mu v` in place of the second v (Nesterov).

    Args:
        parameters: ``(K, P)``, changed in place by :meth:`step`.
        options: of each row.
    """

    def __init__(self, parameters: Tensor, options: Sequence[SgdOptions]) -> None:
        def column(values: Sequence[float]) -> Tensor:
            return torch.tensor(values, dtype=parameters.dtype, device=parameters.device)[:, None]

        self.parameters = parameters
        self.direction = torch.zeros_like(parameters)
        self.momentum = column([each.momentum for each in options])
        self.decay = column([each.weight_decay for each in options])
        self.nesterov = column([each.nesterov for each in options])
        self.any_nesterov = any(each.nesterov for each in options)

    def keep(self, rows: Sequence[int], parameters: Tensor) -> None:
        """Go on with some of the rows, which are ``parameters`` now."""
        index = torch.tensor(rows, device=parameters.device)
        self.parameters, self.direction = parameters, self.direction[index]
        self.momentum, self.decay = self.momentum[index], self.decay[index]
        self.nesterov = self.nesterov[index]

    def step(self, gradients: Tensor, lr: Tensor) -> None:
        """Take one step, given gradients ``(K, P)``, which are changed, and learning rates ``(K,)``."""
        gradients.addcmul_(self.parameters, self.decay)
        self.direction.mul_(self.momentum).add_(gradients)
        step = self.direction
        if self.any_nesterov:
            ahead = gradients + self.momentum * self.direction
            step = torch.where(self.nesterov > 0, ahead, self.direction)
        self.parameters.addcmul_(step, lr[:, None], value=-1)
