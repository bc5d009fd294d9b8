"""What a network tells an init about each of its weights.

A *site* is one linear or convolutional layer together with its place in the network. Networks list their
sites, inits read them, and neither knows the other by name: N inits and M networks are N + M files.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from enum import StrEnum
from math import prod
from typing import Any

from torch import nn

LAYERS = (nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d)


class Role(StrEnum):
    """The place of a layer in its network."""

    STEM = "stem"  # the first layer: sees the data
    HIDDEN = "hidden"  # a layer of a plain chain
    BRANCH = "branch"  # a layer of a residual branch
    SHORTCUT = "shortcut"  # the projection on a skip connection
    HEAD = "head"  # the last layer: gives the logits
    UNKNOWN = "unknown"  # the network does not say (a plain nn.Module)


@dataclass(frozen=True, eq=False)
class Site:
    """One weight of a network and its place.

    Args:
        name: dotted module path, as in ``model.named_modules()``.
        layer: the ``Linear`` or ``Conv`` module (it may be reparametrized).
        role: its place in the network.
        relu: whether a ReLU follows the layer (an activation norm may stand between); None where the network
            does not say.
        unit: the residual block module that holds a BRANCH or SHORTCUT layer, else None.
        stage: index of the stage, from 0; None outside stages.
        block: index of the block within its stage, from 0; None outside blocks.
        num_blocks: number of blocks in the stage.
        position: index of a BRANCH layer within its branch, from 0.
        branch_length: number of layers in that branch.
    """

    name: str
    layer: Any
    role: Role = Role.UNKNOWN
    relu: bool | None = None
    unit: nn.Module | None = None
    stage: int | None = None
    block: int | None = None
    num_blocks: int | None = None
    position: int = 0
    branch_length: int = 1

    def __post_init__(self) -> None:
        if not isinstance(self.layer, LAYERS):
            raise TypeError(f"site {self.name}: {type(self.layer).__name__} is no Linear or Conv layer")

    @property
    def in_channels(self) -> int:
        """Input features or channels of the layer."""
        return int(self.layer.in_features if isinstance(self.layer, nn.Linear) else self.layer.in_channels)

    @property
    def out_channels(self) -> int:
        """Output features or channels of the layer."""
        return int(self.layer.out_features if isinstance(self.layer, nn.Linear) else self.layer.out_channels)

    @property
    def kernel_size(self) -> tuple[int, ...]:
        """Spatial kernel size; ``()`` for a linear layer."""
        return () if isinstance(self.layer, nn.Linear) else tuple(self.layer.kernel_size)

    @property
    def groups(self) -> int:
        """Convolution groups; 1 for a linear layer."""
        return 1 if isinstance(self.layer, nn.Linear) else int(self.layer.groups)

    @property
    def stride(self) -> tuple[int, ...]:
        """Convolution stride; ``()`` for a linear layer."""
        return () if isinstance(self.layer, nn.Linear) else tuple(self.layer.stride)

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the weight, ``(out, in / groups, *kernel)``, without evaluating a reparametrization."""
        return (self.out_channels, self.in_channels // self.groups, *self.kernel_size)

    @property
    def fan_in(self) -> int:
        """Inputs of one output unit: ``in / groups * k^2``."""
        return prod(self.shape[1:])

    @property
    def fan_out(self) -> int:
        """Outputs that one input unit reaches (stride aside): ``out / groups * k^2``."""
        return self.out_channels // self.groups * prod(self.kernel_size)

    @property
    def last_in_branch(self) -> bool:
        """Whether this is the last layer of a residual branch."""
        return self.role is Role.BRANCH and self.position == self.branch_length - 1

    def __str__(self) -> str:
        kind = "Linear" if isinstance(self.layer, nn.Linear) else "Conv"
        kernel = "" if not self.kernel_size else f", {'x'.join(map(str, self.kernel_size))}"
        return f"{self.name} {kind}({self.in_channels}, {self.out_channels}{kernel})"


def sites_of(model: nn.Module) -> list[Site]:
    """List the sites of a network: its own ``sites()``, or every linear and convolutional layer found.

    Layers that a plain module holds are listed in registration order with role ``UNKNOWN``: inits that
    need only fans work on them, those that need more say what is missing. A layer that the module uses in
    two places is listed once.

    Raises:
        ValueError: the network lists a layer twice.
    """
    own = getattr(model, "sites", None)
    if callable(own):
        found: Iterable[Site] = own()
    else:
        found = (Site(name, m) for name, m in model.named_modules() if isinstance(m, LAYERS))
    sites = list(found)
    if len({id(site.layer) for site in sites}) != len(sites):
        raise ValueError(f"{type(model).__name__}.sites() lists a layer twice")
    return sites


def named(model: nn.Module, sites: Iterable[Site]) -> Iterator[Site]:
    """Fill in the dotted names of sites that a network built without them."""
    names = {id(module): name for name, module in model.named_modules()}
    for site in sites:
        yield replace(site, name=names[id(site.layer)])
