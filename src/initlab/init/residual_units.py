"""What the inits of residual networks ask of a network's blocks, and the sentence where a block lacks it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from initlab.errors import Refused
from initlab.norm.base import parametrization
from initlab.site import Role, Site


def first_of_each_branch(sites: Sequence[Site], model: nn.Module, init: str) -> list[Site]:
    """Return the first layer of every residual branch, in order; there are as many as blocks.

    Raises:
        Refused: the network names no residual branches.
    """
    firsts = [site for site in sites if site.role is Role.BRANCH and site.position == 0]
    if not firsts:
        raise Refused(
            f"{init} sets residual branches and {type(model).__name__} names none in its sites(): take a "
            "network that has and tells them, such as model=resnet_c"
        )
    return firsts


@torch.no_grad()
def set_residual_scale_(site: Site, value: float, init: str) -> None:
    """Set the learned residual scale alpha of the block that holds ``site``.

    Raises:
        Refused: the block has none.
    """
    alpha: Any = getattr(site.unit, "alpha", None)
    if not isinstance(alpha, nn.Parameter):
        raise Refused(
            f"{init} sets a learned residual scale and the block of {site.name} has none: build the model "
            "with model.learn_residual_scale=true, on a network with that option, such as resnet_c"
        )
    alpha.fill_(value)


def refuse_norms(sites: Sequence[Site], model: nn.Module, init: str) -> None:
    """Say that an init made to replace normalization wants none.

    Raises:
        Refused: a weight is reparametrized or a module normalizes over the batch.
    """
    wrapped = [site.name for site in sites if parametrization(site.layer) is not None]
    batch = [name for name, module in model.named_modules() if isinstance(module, _BatchNorm)]
    for name in wrapped + batch:
        raise Refused(f"{init} replaces normalization and {name} has one: build the model with norm=none")
