"""Environments of gymnasium, side by side: the one module that names the library."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from initlab.errors import ConfigError

ATARI = "ALE/"
CATCH = "initlab/Catch-v0"


@dataclass(frozen=True)
class Step:
    """What one step in N environments brings. Those whose episode ended are in the next one already.

    Args:
        observations: ``(N, ...)``, to act on next.
        rewards: ``(N,)``.
        ended: ``(N,)``, whether an episode ended, in either way.
        cut_short: the last observation of each episode that was truncated, by environment.
        episodes: return and length of each that ended.
    """

    observations: Tensor
    rewards: Tensor
    ended: Tensor
    cut_short: Mapping[int, Tensor]
    episodes: tuple[tuple[float, int], ...]


class Environment:
    """N environments of one name, which begin a new episode by themselves.

    Atari games are ale-py's vectorized ones, with its preprocessing: 84 x 84 in grey, the last 4 frames, 4
    frames of the emulator for each, up to 30 steps of nothing at the start.

    Args:
        name: in gymnasium.
        arguments: of the environment.
        num_envs: N.

    Raises:
        ConfigError: gymnasium is not installed, has no such environment, or one whose actions are not
            discrete or whose observations are no array.
    """

    def __init__(self, name: str, arguments: Mapping[str, Any], num_envs: int) -> None:
        self.name, self.num_envs = name, num_envs
        self.envs = _make(name, arguments, num_envs)
        from gymnasium.spaces import Box, Discrete

        observations, actions = self.envs.single_observation_space, self.envs.single_action_space
        if not isinstance(actions, Discrete) or actions.start != 0:
            raise ConfigError(
                f"rl.environment={name}: its actions are {actions}, and a policy chooses among Discrete ones"
            )
        if not isinstance(observations, Box) or observations.dtype is None:
            raise ConfigError(f"rl.environment={name}: its observations are {observations}, and no Box")
        self.num_actions = int(actions.n)
        self.shape: tuple[int, ...] = tuple(observations.shape)
        self._in_bytes = observations.dtype == np.uint8

    def reset(self, seed: int) -> Tensor:
        """Begin new episodes and return the first observations ``(N, ...)``."""
        observations, _ = self.envs.reset(seed=seed)
        return self._tensor(observations)

    def step(self, actions: Tensor) -> Step:
        """Take one action ``(N,)`` in each environment."""
        observations, rewards, terminated, truncated, told = self.envs.step(actions.numpy())
        cut = np.flatnonzero(truncated & ~terminated)
        episodes = told.get("episode", {})
        over = np.flatnonzero(told.get("_episode", ()))
        return Step(
            self._tensor(observations),
            torch.as_tensor(rewards, dtype=torch.float32),
            torch.as_tensor(terminated | truncated),
            {int(index): self._tensor(told["final_obs"][index]) for index in cut},
            tuple((float(episodes["r"][index]), int(episodes["l"][index])) for index in over),
        )

    def close(self) -> None:
        """Let go of what they hold."""
        self.envs.close()

    @cached_property
    def random(self) -> Any:
        """Draws actions ``(N,)`` uniformly."""
        return self.envs.action_space

    def _tensor(self, observations: NDArray[Any]) -> Tensor:
        """Copy observations to float32; bytes become numbers in [0, 1]."""
        values = torch.tensor(observations).float()
        return values.div_(255) if self._in_bytes else values


def _make(name: str, arguments: Mapping[str, Any], num_envs: int) -> Any:
    remedy = f"rl.environment={name} wants gymnasium and ale-py: pip install 'initlab[rl]'"
    try:
        import gymnasium
        from gymnasium.wrappers.vector import RecordEpisodeStatistics

        if name.startswith(ATARI):
            import ale_py

            gymnasium.register_envs(ale_py)
    except ImportError as error:
        raise ConfigError(remedy) from error
    if CATCH not in gymnasium.registry:
        gymnasium.register(CATCH, entry_point="initlab.rl.catch:Catch")
    same_step = {"autoreset_mode": gymnasium.vector.AutoresetMode.SAME_STEP}
    try:
        if name.startswith(ATARI):
            own = {"num_threads": 1, "reward_clipping": False, **same_step}
            envs = gymnasium.make_vec(name, num_envs, **own, **arguments)
        else:
            envs = gymnasium.make_vec(
                name, num_envs, vectorization_mode="sync", vector_kwargs=same_step, **arguments
            )
    except gymnasium.error.Error as error:
        raise ConfigError(f"rl.environment={name}: {' '.join(str(error).split())}") from error
    except TypeError as error:
        raise ConfigError(f"rl.arguments={dict(arguments)}: {' '.join(str(error).split())}") from error
    return RecordEpisodeStatistics(envs)
