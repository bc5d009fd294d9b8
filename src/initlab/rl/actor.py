"""A player with a network of its own, which turns what it plays into gradients."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from initlab.rl.environment import Environment
from initlab.rl.flat import Flat
from initlab.rl.losses import heads, losses
from initlab.rl.options import Options
from initlab.rl.returns import n_step_returns


class NotFinite(Exception):
    """An output or a loss of the network is NaN or infinite."""


@dataclass(frozen=True)
class Rollout:
    """Some steps in N environments; see :func:`initlab.rl.returns.n_step_returns`.

    Args:
        observations: ``(T * N, ...)``.
        actions: ``(T * N,)``.
        returns: ``(T * N,)``.
        episodes: return and length of each that ended.
    """

    observations: Tensor
    actions: Tensor
    returns: Tensor
    episodes: tuple[tuple[float, int], ...]


class Actor:
    """Plays in environments and computes the gradient of what came of it.

    Args:
        environment: to play in.
        network: with an output for each action and one for the value, on the device to compute on.
        options: of the run.
        rng: of the actions.
        seed: of the environments.
        clip: bounds the network's gradients in place.
    """

    def __init__(
        self,
        environment: Environment,
        network: nn.Module,
        options: Options,
        rng: torch.Generator,
        seed: int,
        clip: Callable[[nn.Module], None],
    ) -> None:
        self.environment, self.network, self.options = environment, network, options
        self.flat = Flat(network)
        self.rng, self.clip = rng, clip
        self.device = self.flat.weights.device
        self.observations = environment.reset(seed)

    def learn(self, num_steps: int) -> dict[str, float]:
        """Play, leave the gradient in ``flat.gradient``, and return what was done, named as ``COUNTED``.

        Raises:
            NotFinite: the network's outputs or the loss are not.
        """
        rollout = self.play(num_steps)
        outputs = self.network(rollout.observations)
        parts = losses(outputs, rollout.actions, rollout.returns)
        loss = parts.total(self.options.value_weight, self.options.entropy_weight)
        if not torch.isfinite(loss):
            raise NotFinite
        self.flat.gradient.zero_()
        loss.backward()
        self.clip(self.network)
        return {
            "frames": float(num_steps * self.environment.num_envs),
            "updates": 1.0,
            "episodes": float(len(rollout.episodes)),
            "return": sum(total for total, _ in rollout.episodes),
            "length": float(sum(length for _, length in rollout.episodes)),
            "policy_loss": parts.policy.item(),
            "value_loss": parts.value.item(),
            "entropy": parts.entropy.item(),
            "loss": loss.item(),
        }

    @torch.no_grad()
    def play(self, num_steps: int) -> Rollout:
        """Take ``num_steps`` steps in each environment, with the network as it is.

        Raises:
            NotFinite: the network's outputs are not.
        """
        observations, actions, rewards, ended, end_values = [], [], [], [], []
        episodes: list[tuple[float, int]] = []
        with parametrize.cached():  # the weights do not change meanwhile
            for _ in range(num_steps):
                logits, _ = self._outputs(self.observations)
                chosen = torch.multinomial(logits.softmax(1), 1, generator=self.rng).squeeze(1)
                step = self.environment.step(chosen)
                values = torch.zeros(self.environment.num_envs)
                for index, last in step.cut_short.items():
                    values[index] = self._outputs(last[None])[1]
                observations.append(self.observations)
                actions.append(chosen)
                rewards.append(step.rewards)
                ended.append(step.ended)
                end_values.append(values)
                episodes += step.episodes
                self.observations = step.observations
            _, bootstrap = self._outputs(self.observations)
        returns = n_step_returns(
            torch.stack(rewards),
            torch.stack(ended),
            torch.stack(end_values),
            bootstrap,
            self.options.discount,
        )
        return Rollout(
            torch.cat(observations).to(self.device),
            torch.cat(actions).to(self.device),
            returns.flatten().to(self.device),
            tuple(episodes),
        )

    def _outputs(self, observations: Tensor) -> tuple[Tensor, Tensor]:
        outputs = self.network(observations.to(self.device)).cpu()
        if not torch.isfinite(outputs).all():
            raise NotFinite
        return heads(outputs)
