"""The observations of random play as a data set: what an init or a diagnostic sees of an environment."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from initlab.data.base import EVAL_BATCH_SIZE, Batches, Loaders, Source
from initlab.model.base import check_positive
from initlab.rl.environment import Environment
from initlab.rl.options import Options

EVERY = 4  # frames: those in between look alike


class Frames(Source):
    """Frames of episodes that are played at random, labelled with the actions taken.

    A network for it has an output for each action, and one for the value.

    Args:
        options: name the environment.

    Raises:
        ConfigError: there is no such environment, or it is not one to learn in.
    """

    def __init__(self, options: Options) -> None:
        self.options = options
        environment = self._environment()
        self._shape, self.num_actions = environment.shape, environment.num_actions
        environment.close()

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Shape of an observation."""
        return self._shape

    @property
    def num_classes(self) -> int:
        """Number of outputs: actions and the value."""
        return self.num_actions + 1

    def loaders(
        self,
        batch_size: int,
        seed: int,
        device: torch.device | str = "cpu",
        eval_batch_size: int = EVAL_BATCH_SIZE,
    ) -> Loaders:
        """Return streams of one batch, played from a seed when it is asked for."""
        check_positive("batch_size", batch_size)
        batch = Batch(partial(self._played, batch_size, seed, device))
        return Loaders(batch, batch, batch)

    def _played(self, number: int, seed: int, device: torch.device | str) -> tuple[Tensor, Tensor]:
        environment = self._environment()
        environment.random.seed(seed)
        inputs, labels, observations = [], [], environment.reset(seed)
        for step in range((number - 1) * EVERY + 1):
            actions = torch.as_tensor(environment.random.sample())
            if step % EVERY == 0:
                inputs.append(observations)
                labels.append(actions)
            observations = environment.step(actions).observations
        environment.close()
        return torch.cat(inputs).to(device), torch.cat(labels).to(device)

    def _environment(self) -> Environment:
        return Environment(self.options.environment, self.options.arguments, 1)


@dataclass(frozen=True)
class Batch(Batches):
    """One batch, the same in every epoch."""

    play: Callable[[], tuple[Tensor, Tensor]]

    def __len__(self) -> int:
        return 1

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        yield self.play()

    def set_epoch(self, epoch: int) -> None:
        """Change nothing."""

    def size(self, index: int) -> int:
        """Return how many frames it has."""
        return len(self.play()[1])

    def share(self, rank: int, of: int) -> Batch:
        """Return every ``of``-th frame."""

        def part() -> tuple[Tensor, Tensor]:
            inputs, labels = self.play()
            return inputs[rank::of], labels[rank::of]

        return Batch(part)
