"""The returns that a rollout is judged by: Mnih et al. 2016, Sec. 4, Algorithm S3."""

from __future__ import annotations

import torch
from torch import Tensor


def n_step_returns(
    rewards: Tensor, ended: Tensor, end_values: Tensor, bootstrap: Tensor, discount: float
) -> Tensor:
    r"""Return the discounted sum of rewards up to the end of the rollout and the value of what follows.

    .. math:: R_t = r_t + \gamma R_{t+1}, \qquad R_T = V(s_T),

    where an episode that ends with step t has the value of its last observation in the place of
    :math:`R_{t+1}`: 0 where it is over, and the critic's where it was cut short.

    Args:
        rewards: ``(T, N)``, of N environments.
        ended: ``(T, N)``, whether the episode ended with that step, in either way.
        end_values: ``(T, N)``, the value of the last observation of an episode; read where ``ended``.
        bootstrap: ``(N,)``, the value of the observation after the last step.
        discount: :math:`\gamma`.
    """
    returns = torch.empty_like(rewards)
    following = bootstrap
    for step in reversed(range(len(rewards))):
        following = rewards[step] + discount * torch.where(ended[step], end_values[step], following)
        returns[step] = following
    return returns
