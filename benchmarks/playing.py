"""Frames per second of an agent's environment alone, its network alone, and with workers.

    python -m benchmarks.playing [--workers 1,2] [--seconds 20] [overrides of task=rl, as rl=catch ...]

Without overrides it is Pong with the network of 100 layers. Wants the extra `rl`. The network alone answers
frames of play one step at a time and takes the gradient of each rollout, with no environment behind it.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from functools import partial

import torch

from initlab.rl.actor import Actor
from initlab.rl.crew import Workers
from initlab.rl.environment import Environment, Step
from initlab.sweep.compose import Composer, config_loader
from initlab.task.rl import prepared, rate_of
from initlab.task.rl_source import rl_source

PONG = ["task=rl", "model=impala", "optim=rmsprop", "schedule=constant", "lr=1e-4"]


class Standing(Environment):
    """Shows the same frames again and again, at no cost."""

    def __init__(self, of: Environment) -> None:
        self.num_envs = of.num_envs
        self.shown = of.reset(0)
        n = of.num_envs
        self.next = Step(self.shown, torch.zeros(n), torch.zeros(n, dtype=torch.bool), {}, ())

    def step(self, actions: torch.Tensor) -> Step:
        return self.next


def rate(frames: int, work: Callable[[], object], seconds: float) -> float:
    """Frames per second of work that takes so many of them at a time."""
    work()
    done, clock = 0, time.perf_counter()
    while time.perf_counter() - clock < seconds:
        work()
        done += frames
    return done / (time.perf_counter() - clock)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("overrides", nargs="*", metavar="override")
    parser.add_argument("--workers", default="1,2")
    parser.add_argument("--seconds", type=float, default=20.0)
    options = parser.parse_args()
    torch.set_num_threads(1)
    with config_loader() as loader:
        config = Composer(loader).compose([*PONG, *options.overrides])
    source = rl_source(config)
    _, shared, make = prepared(config, source, torch.device("cpu"))
    actor: Actor = make(0, 0)
    steps, envs = source.options.num_steps, actor.environment.num_envs
    actions = torch.zeros(envs, dtype=torch.int64)
    alone = rate(envs, lambda: actor.environment.step(actions), options.seconds)
    print(f"environment alone: {alone:.0f} frames/s", flush=True)
    actor.environment = Standing(actor.environment)
    network = rate(steps * envs, lambda: actor.learn(steps), options.seconds)
    print(f"network alone: {network:.1f} frames/s", flush=True)
    for number in map(int, options.workers.split(",")):
        workers = Workers(partial(make, 0), shared, rate_of(config), number, 1)
        try:
            end = int(shared.counts()["frames"])
            for frames in (number * steps * envs * 2, int(network * number * options.seconds)):
                clock = time.perf_counter()
                end += frames // envs * envs
                workers.epoch(end, lambda: False)
            spent = time.perf_counter() - clock
            print(f"{number} worker(s): {frames / spent:.1f} frames/s", flush=True)
        finally:
            workers.close()


if __name__ == "__main__":
    main()
