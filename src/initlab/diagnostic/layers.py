"""The layers and residual blocks of any module, by name."""

from __future__ import annotations

from typing import Any

from torch import nn
from torch.nn.parameter import UninitializedParameter

from initlab.errors import InitlabError
from initlab.site import LAYERS, Role, sites_of

CONTAINERS = (nn.Sequential, nn.ModuleList, nn.ModuleDict)
# Layers with weights that sites_of does not list: a measurement "of every layer" would silently miss them.
UNSUPPORTED = (
    nn.ConvTranspose1d,
    nn.ConvTranspose2d,
    nn.ConvTranspose3d,
    nn.Bilinear,
    nn.Embedding,
    nn.EmbeddingBag,
    nn.RNNBase,
    nn.RNNCellBase,
)


def layers_of(model: nn.Module) -> dict[str, Any]:
    """Name the linear and convolutional layers of a module, as its sites list them.

    Raises:
        InitlabError: there are none, or the module has a kind of layer that no site can describe.
    """
    for name, module in model.named_modules():
        if isinstance(module, UNSUPPORTED):
            raise InitlabError(f"{name or 'the model'} is a {type(module).__name__}, which is not supported")
        if any(isinstance(p, UninitializedParameter) for p in module.parameters(recurse=False)):
            raise InitlabError(f"{name or 'the model'} has no shape yet: run the model on one batch before")
    names = {id(module): name for name, module in model.named_modules()}
    found = {names[id(site.layer)]: site.layer for site in sites_of(model)}
    if not found:
        raise InitlabError(f"{type(model).__name__} has no Linear or Conv layer to measure")
    return found


def blocks_of(model: nn.Module) -> dict[str, nn.Module]:
    """Name the residual blocks of a module.

    A network with ``sites()`` names them as the sites' units. In any other module a block is an element of
    a container (Sequential, ModuleList, ModuleDict) that holds layers, is neither a layer nor a container
    itself, and is no stage, that is, does not in turn contain two or more such elements.
    """
    names = {id(module): name for name, module in model.named_modules()}
    if callable(getattr(model, "sites", None)):
        units = [site.unit for site in sites_of(model) if site.unit is not None]
        return {names[id(unit)]: unit for unit in units}
    return {names[id(block)]: block for block in _blocks_in(model, is_element=False)}


def _blocks_in(module: nn.Module, is_element: bool) -> list[nn.Module]:
    """List the blocks in a module, itself among them if it is an element of a container."""
    if isinstance(module, LAYERS):
        return []
    is_container = isinstance(module, CONTAINERS)
    inner = [block for child in module.children() for block in _blocks_in(child, is_container)]
    if is_element and not is_container and len(inner) < 2:
        return [module] if any(isinstance(part, LAYERS) for part in module.modules()) else []
    return inner


def head_of(model: nn.Module) -> nn.Module | None:
    """Return the layer with role HEAD, or None where the network does not say."""
    return next((site.layer for site in sites_of(model) if site.role is Role.HEAD), None)
