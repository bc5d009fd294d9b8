"""The options of a run of ``task=rl``, as ``configs/rl`` names them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from initlab.errors import ConfigError


@dataclass(frozen=True)
class Options:
    """An environment, and how an agent learns in it.

    A frame is an observation that the agent acts on; in Atari games it stands for 4 of the emulator's.

    Args:
        environment: its name in gymnasium.
        arguments: of the environment.
        num_workers: processes that play and learn.
        num_envs: environments of each worker, played side by side.
        num_steps: n, steps in each environment before an update.
        synchronous: one process plays all environments of all workers (A2C), and there is no other.
        discount: of future rewards, in [0, 1].
        entropy_weight: of the bonus on the policy's entropy.
        value_weight: of the value loss.
        frames_per_epoch: of all environments together; a row of ``metrics.csv`` and a checkpoint each.

    Raises:
        ConfigError: a number makes no sense.
    """

    environment: str
    arguments: Mapping[str, Any] = field(default_factory=dict)
    num_workers: int = 1
    num_envs: int = 1
    num_steps: int = 20
    synchronous: bool = False
    discount: float = 0.99
    entropy_weight: float = 0.01
    value_weight: float = 0.5
    frames_per_epoch: int = 10_000

    def __post_init__(self) -> None:
        for key in ("num_workers", "num_envs", "num_steps", "frames_per_epoch"):
            if getattr(self, key) < 1:
                raise ConfigError(f"rl.{key}={getattr(self, key)}: must be a positive whole number")
        if not 0 <= self.discount <= 1:
            raise ConfigError(f"rl.discount={self.discount}: must lie in [0, 1]")
        for key in ("entropy_weight", "value_weight"):
            if not getattr(self, key) >= 0:
                raise ConfigError(f"rl.{key}={getattr(self, key)}: must not be negative")
        if self.frames_per_epoch % self.envs_of_a_process:
            raise ConfigError(
                f"rl.frames_per_epoch={self.frames_per_epoch}: must be a multiple of the "
                f"{self.envs_of_a_process} environments that one process plays side by side"
            )

    @property
    def processes(self) -> int:
        """How many processes play."""
        return 1 if self.synchronous else self.num_workers

    @property
    def envs_of_a_process(self) -> int:
        """How many environments each of them plays."""
        return self.num_envs * (self.num_workers if self.synchronous else 1)
