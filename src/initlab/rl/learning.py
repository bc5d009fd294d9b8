"""The loop of a worker, which is that of the synchronous form too: take frames, play, update."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass

from initlab.rl.actor import Actor, NotFinite
from initlab.rl.shared import Shared
from initlab.schedule.base import Schedule


class Diverged(Exception):
    """An output or a loss was not finite.

    Args:
        step: updates before it.
    """

    def __init__(self, step: int) -> None:
        super().__init__(step)  # an exception travels between processes as its arguments
        self.step = step

    def __str__(self) -> str:
        return f"the loss was not finite at update {self.step}"


@dataclass(frozen=True)
class Rate:
    """The learning rate of each frame.

    Args:
        schedule: of epochs.
        base: its learning rate.
        frames_per_epoch: length of an epoch.
    """

    schedule: Schedule
    base: float
    frames_per_epoch: int

    def __call__(self, frame: int) -> float:
        """Return the rate of an update whose rollout begins with that frame, counted from 0."""
        epoch, within = divmod(frame, self.frames_per_epoch)
        return self.schedule.lr(self.base, epoch, within, self.frames_per_epoch)


def learn(
    actor: Actor,
    shared: Shared,
    rate: Rate,
    end: int,
    turn: AbstractContextManager[object],
    asked_to_stop: Callable[[], bool],
) -> None:
    """Play and update until all frames up to ``end`` are taken.

    Every rollout is played with the weights as they were when it began, and its gradient is applied to what
    they have become meanwhile by others.

    Differs from Mnih et al. 2016: updates take turns instead of overwriting each other's parts. Each is one
    operation on a vector, short beside a rollout, and all counts are exact.

    Args:
        actor: of this process.
        shared: by all.
        rate: the learning rate by frame.
        end: of the epoch, in frames.
        turn: held while reading or changing what is shared.
        asked_to_stop: asked before each rollout.

    Raises:
        Diverged: an output or a loss was not finite; nothing was applied.
    """
    while not asked_to_stop():
        with turn:
            first, steps = shared.reserve(end, actor.options.num_steps, actor.environment.num_envs)
            if steps == 0:
                return
            actor.flat.load(shared.weights)
        try:
            done = actor.learn(steps)
        except NotFinite:
            raise Diverged(int(shared.counts()["updates"])) from None
        with turn:
            shared.apply(actor.flat.gradient, rate(first), done)
