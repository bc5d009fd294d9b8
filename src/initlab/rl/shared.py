"""What workers share: weights, the optimizer's statistics, and how far they have come."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

MakeOptimizer = Callable[[list[nn.Parameter]], torch.optim.Optimizer]
COUNTED = (
    "frames", "updates", "episodes", "return", "length", "policy_loss", "value_loss", "entropy", "loss",
)  # fmt: skip


class Shared:
    """One vector of weights with its optimizer, and sums over all that was done, in shared memory.

    Any optimizer that treats each weight by itself (SGD, RMSprop, Adam) treats a vector as it would treat its
    pieces. A worker that receives this object works on the same memory.

    Args:
        weights: to begin with; copied.
        make_optimizer: of a list of parameters.
    """

    def __init__(self, weights: Tensor, make_optimizer: MakeOptimizer) -> None:
        self.make_optimizer = make_optimizer
        self.weights = weights.detach().cpu().clone().share_memory_()
        self.sums = torch.zeros(len(COUNTED), dtype=torch.float64).share_memory_()
        self.reserved = torch.zeros((), dtype=torch.int64).share_memory_()
        self.statistics: dict[str, Tensor] = {}
        self.statistics = {key: value.share_memory_() for key, value in self._new_statistics().items()}
        self._optimizer = self._bound()

    def counts(self) -> dict[str, float]:
        """Return the sums by name: over frames, updates and episodes; losses are summed over updates."""
        return dict(zip(COUNTED, self.sums.tolist(), strict=True))

    def reserve(self, end: int, num_steps: int, num_envs: int) -> tuple[int, int]:
        """Take the next frames for one rollout, none beyond ``end``; return the first and the steps."""
        start = int(self.reserved)
        steps = min(num_steps, (end - start) // num_envs)
        self.reserved += steps * num_envs
        return start, steps

    def apply(self, gradient: Tensor, lr: float, done: Mapping[str, float]) -> None:
        """Take one step of the optimizer, and count what was done."""
        (group,) = self._optimizer.param_groups
        group["lr"] = lr
        group["params"][0].grad = gradient.cpu()
        self._optimizer.step()
        self.sums += torch.tensor([done[name] for name in COUNTED], dtype=torch.float64)

    def state(self) -> dict[str, Any]:
        """Return all of it, copied, for a checkpoint."""
        statistics = {key: value.clone() for key, value in self.statistics.items()}
        return {"weights": self.weights.clone(), "statistics": statistics, "sums": self.sums.clone()}

    def load(self, state: Mapping[str, Any]) -> None:
        """Take up what a checkpoint holds."""
        self.weights.copy_(state["weights"])
        for key, value in self.statistics.items():
            value.copy_(state["statistics"][key])
        self.sums.copy_(state["sums"])
        self.rewind()

    def rewind(self) -> None:
        """Give back the frames that were reserved and never done."""
        self.reserved.fill_(int(self.counts()["frames"]))

    def _new_statistics(self) -> dict[str, Tensor]:
        """Return what the optimizer keeps, as it is before the first step: 0."""
        parameter = nn.Parameter(self.weights.clone())
        optimizer = self.make_optimizer([parameter])
        parameter.grad = torch.zeros_like(parameter)
        optimizer.step()
        return {k: torch.zeros_like(v) for k, v in optimizer.state[parameter].items() if torch.is_tensor(v)}

    def _bound(self) -> torch.optim.Optimizer:
        parameter = nn.Parameter(self.weights)
        optimizer = self.make_optimizer([parameter])
        optimizer.state[parameter] = dict(self.statistics)
        return optimizer

    def __getstate__(self) -> dict[str, Any]:
        return {key: value for key, value in vars(self).items() if key != "_optimizer"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        self._optimizer = self._bound()
