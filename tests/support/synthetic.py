"""Layers and small networks on which theorems about signal norms are checked."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Generator, Tensor, nn

from initlab.init import Init
from initlab.norm.base import set_gain_
from initlab.norm.weight import Weight
from initlab.site import Role, Site, sites_of


def set_layer_(layer: nn.Module, init: Init, rng: Generator, **place: object) -> None:
    """Let an init set a single layer whose place in a network is given."""
    site = Site("layer", layer, **{"role": Role.HIDDEN, "relu": True, **place})
    init.set_sites_([site], layer, rng, None)


def set_all_gains_(model: nn.Module, gain: float) -> None:
    """The known-bad control: the same gain for every weight-normalized layer."""
    for site in sites_of(model):
        if site.role is not Role.HEAD:
            set_gain_(site.layer, gain)


class FullyConnectedBlock(nn.Module):
    """``h + FC2(relu(FC1(h)))`` with nothing after the addition."""

    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.first = Weight().wrap(nn.Linear(width, hidden))
        self.second = Weight().wrap(nn.Linear(hidden, width))

    def forward(self, stream: Tensor) -> Tensor:
        return stream + self.second(torch.relu(self.first(stream)))


class FullyConnectedStage(nn.Sequential):
    """One stage of residual blocks: the network of Arpit et al. 2019, Fig. 1 (bottom)."""

    def __init__(self, num_blocks: int, width: int, hidden: int) -> None:
        super().__init__(*[FullyConnectedBlock(width, hidden) for _ in range(num_blocks)])

    def sites(self) -> Iterator[Site]:
        for index, block in enumerate(self):
            place = {"unit": block, "stage": 0, "block": index, "num_blocks": len(self), "branch_length": 2}
            yield Site(f"{index}.first", block.first, Role.BRANCH, relu=True, position=0, **place)
            yield Site(f"{index}.second", block.second, Role.BRANCH, relu=False, position=1, **place)


def squared_norm_ratio(outputs: Tensor, inputs: Tensor) -> Tensor:
    """``||y||^2 / ||x||^2`` of each input, over all its entries."""
    return outputs.flatten(1).square().sum(1) / inputs.flatten(1).square().sum(1)
