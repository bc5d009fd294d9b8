"""What an actor-critic minimizes: Mnih et al. 2016, Sec. 4."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Losses:
    """The parts of the loss of one rollout, each a mean over its frames.

    Args:
        policy: :math:`-\\log \\pi(a|s) (R - V(s))`, where the advantage R - V(s) counts as a constant.
        value: :math:`(R - V(s))^2 / 2`.
        entropy: of the policy, in nats.
    """

    policy: Tensor
    value: Tensor
    entropy: Tensor

    def total(self, value_weight: float, entropy_weight: float) -> Tensor:
        """Return policy loss + weighted value loss - weighted entropy."""
        return self.policy + value_weight * self.value - entropy_weight * self.entropy


def heads(outputs: Tensor) -> tuple[Tensor, Tensor]:
    """Split a network's outputs ``(N, A + 1)`` into logits of the A actions, and the value ``(N,)``.

    A linear head of A + 1 units is two heads that read the same features.
    """
    return outputs[:, :-1], outputs[:, -1]


def losses(outputs: Tensor, actions: Tensor, returns: Tensor) -> Losses:
    """Compute the losses of frames.

    Args:
        outputs: ``(N, A + 1)``, see :func:`heads`.
        actions: ``(N,)``, that were taken.
        returns: ``(N,)``, R.
    """
    logits, values = heads(outputs)
    log_policy = torch.log_softmax(logits, 1)
    taken = log_policy.gather(1, actions[:, None]).squeeze(1)
    advantages = returns - values
    return Losses(
        policy=-(taken * advantages.detach()).mean(),
        value=advantages.square().mean() / 2,
        entropy=-(log_policy.exp() * log_policy).sum(1).mean(),
    )
