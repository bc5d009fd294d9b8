"""Catch, a small game of images: Mnih, Heess, Graves & Kavukcuoglu 2014, Sec. 4.2, simplified."""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np
from numpy.typing import NDArray

from initlab.errors import ConfigError


class Catch(gymnasium.Env[NDArray[np.float32], int]):
    """A ball falls in a column drawn at random, a row a step; a paddle goes left, stays or goes right.

    An observation is an image ``(1, rows, columns)``, 1 at ball and paddle and 0 elsewhere. The reward is 1
    or -1 when the ball arrives, and the episode, of ``rows - 1`` steps, is over.

    Args:
        rows: of the image.
        columns: of the image.

    Raises:
        ConfigError: the image is too small to play in.
    """

    def __init__(self, rows: int = 10, columns: int = 5) -> None:
        if rows < 2 or columns < 2:
            raise ConfigError(
                f"rl.arguments: an image of {rows} x {columns} is too small; 2 x 2 is the least"
            )
        self.rows, self.columns = rows, columns
        self.observation_space = gymnasium.spaces.Box(0.0, 1.0, (1, rows, columns), np.float32)
        self.action_space = gymnasium.spaces.Discrete(3)
        self.ball = self.paddle = (0, 0)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[NDArray[np.float32], dict[str, Any]]:
        """Put ball and paddle each in a column drawn at random."""
        super().reset(seed=seed)
        self.ball = 0, int(self.np_random.integers(self.columns))
        self.paddle = self.rows - 1, int(self.np_random.integers(self.columns))
        return self._image(), {}

    def step(self, action: int) -> tuple[NDArray[np.float32], float, bool, bool, dict[str, Any]]:
        """Move the paddle by ``action - 1`` and let the ball fall."""
        row, column = self.paddle
        self.paddle = row, min(max(column + int(action) - 1, 0), self.columns - 1)
        self.ball = self.ball[0] + 1, self.ball[1]
        over = self.ball[0] == self.rows - 1
        reward = (1.0 if self.ball == self.paddle else -1.0) if over else 0.0
        return self._image(), reward, over, False, {}

    def _image(self) -> NDArray[np.float32]:
        image = np.zeros((1, self.rows, self.columns), np.float32)
        image[0][self.ball] = image[0][self.paddle] = 1.0
        return image
