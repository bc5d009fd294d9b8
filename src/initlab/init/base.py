"""What an init is: it sets every parameter of a network, drawing only from the generator it is given."""

from __future__ import annotations

import warnings
from abc import ABC, abstractmethod
from collections.abc import Sequence
from importlib import import_module
from inspect import signature
from typing import Any, ClassVar

import torch
from torch import Generator, Tensor, nn
from torch.nn.utils import parametrize

from initlab.errors import ConfigError, Refused
from initlab.init import draw
from initlab.norm.base import is_weight_normalized, set_gain_, set_weight_
from initlab.site import LAYERS, Role, Site, sites_of

Batch = Tensor | tuple[Tensor, Tensor]


class Init(ABC):
    """A strategy that sets every parameter of a network in place.

    Attributes:
        formula: what it sets the parameters to, in one line; n are channels and k kernel sizes.
        held_by: the test in ``tests/init/test_<name>.py`` that its theorem is held by.
    """

    formula: ClassVar[str]
    held_by: ClassVar[str]
    needs_places: ClassVar[bool] = False
    needs_weight_norm: ClassVar[bool] = False
    needs_batch: ClassVar[bool] = False

    @abstractmethod
    def set_sites_(
        self, sites: Sequence[Site], model: nn.Module, generator: Generator, batch: Batch | None
    ) -> None:
        """Set weight and bias of every site; the base class has set all other parameters before."""

    def __call__(self, model: nn.Module, generator: Generator, batch: Batch | None = None) -> None:
        """Set every parameter of ``model`` in place.

        Args:
            model: a network; one without ``sites()`` is served by the inits that need only fans.
            generator: a CPU generator, the only source of randomness.
            batch: inputs ``(N, ...)``, or (inputs, labels), for the inits with ``needs_batch``.

        Raises:
            Refused: the init does not fit the norm or the network.
        """
        sites = sites_of(model)
        name = type(self).__name__
        if not sites:
            raise Refused(f"{type(model).__name__} has no Linear or Conv layer for {name} to set")
        if self.needs_places:
            for site in sites:
                if site.role is Role.UNKNOWN:
                    raise unplaced(name, site)
        if self.needs_batch and batch is None:
            raise Refused(f"{name} needs a batch of inputs: initialize(model, ..., batch=inputs)")
        if self.needs_weight_norm:
            for site in sites:
                if site.role is not Role.HEAD and not is_weight_normalized(site.layer):
                    raise Refused(f"{name} sets gains and {site} has none: build the model with norm=weight")
        reset_other_parameters_(model, sites)
        self.set_sites_(sites, model, generator, batch)


def unplaced(init: str, site: Site) -> Refused:
    """Say that an init must know more of a layer's place than its network tells, and what to do."""
    return Refused(
        f"{init} needs a network that says where its ReLUs and residual blocks are, and nothing says it of "
        f"{site}: give a module of your own a sites() method, and in place of model=timm take a network of "
        "this project, such as model=resnet_b"
    )


class SiteInit(Init):
    """An init that treats each site by itself."""

    @abstractmethod
    def weight(self, site: Site, rng: Generator) -> Tensor:
        """Draw the weight of one layer, of shape ``site.shape``."""

    def gain(self, site: Site) -> float | None:
        """Return g of a weight-normalized layer, or None to leave g at the row norms of the weight drawn."""
        return None

    def head(self, site: Site, rng: Generator) -> None:
        """Set the last layer; torch's default for a linear layer unless a strategy says otherwise."""
        torch_default_(site, rng)

    def set_sites_(
        self, sites: Sequence[Site], model: nn.Module, generator: Generator, batch: Batch | None
    ) -> None:
        """Set every site in the order listed."""
        for site in sites:
            if site.role is Role.HEAD:
                self.head(site, generator)
            else:
                self.set_site_(site, generator)

    def set_site_(self, site: Site, rng: Generator) -> None:
        """Set one layer: weight, gain where there is one, bias 0."""
        set_weight_(site.layer, self.weight(site, rng))
        gain = self.gain(site)
        if gain is not None:
            set_gain_(site.layer, gain)
        zero_bias_(site)


@torch.no_grad()
def zero_bias_(site: Site) -> None:
    """Set the bias of a layer to 0, if it has one."""
    if isinstance(site.layer.bias, Tensor):
        site.layer.bias.zero_()


@torch.no_grad()
def torch_default_(site: Site, rng: Generator) -> None:
    r"""Set a layer as torch does: weight and bias uniform on :math:`\pm 1/\sqrt{\mathrm{fan\_in}}`."""
    bound = site.fan_in**-0.5
    set_weight_(site.layer, draw.uniform(site.shape, bound, rng))
    if isinstance(site.layer.bias, Tensor):
        site.layer.bias.copy_(draw.uniform((site.out_channels,), bound, rng))


def reset_other_parameters_(model: nn.Module, sites: Sequence[Site]) -> None:
    """Reset what no site holds (norm layers, residual scales) through each module's own ``reset_parameters``.

    Parameters of foreign modules without ``reset_parameters`` keep their value, and a warning names them.
    """
    owned = {id(site.layer) for site in sites}
    for name, module in model.named_modules():
        if id(module) in owned or isinstance(module, (parametrize.ParametrizationList, *LAYERS)):
            continue
        direct = [key for key, _ in module.named_parameters(recurse=False)]
        reset = getattr(module, "reset_parameters", None)
        if callable(reset) and (direct or list(module.buffers(recurse=False))):
            reset()
        elif direct:
            where = f"{name or type(model).__name__}.{direct[0]}"
            warnings.warn(f"no init sets {where}; it keeps the value it was built with", stacklevel=3)


def initialize(
    model: nn.Module, init: str | Init, generator: Generator, batch: Batch | None = None, **options: Any
) -> None:
    """Initialize ``model`` in place with the strategy of that name.

    >>> initialize(model, "proposed", generator=torch.Generator().manual_seed(0), directions="he")

    Args:
        model: a network; see :class:`Init`.
        init: the name of a strategy (``initlab.init.<name>``), or a strategy.
        generator: a CPU generator, the only source of randomness.
        batch: inputs for the data-dependent strategies.
        options: arguments of the strategy, when it is named.

    Raises:
        ConfigError: there is no strategy of that name, or it has no such option.
        Refused: the init does not fit the norm or the network.
    """
    strategy = named_init(init, **options) if isinstance(init, str) else init
    strategy(model, generator, batch)


def named_init(name: str, **options: Any) -> Init:
    """Make the strategy of that name: class ``DataDependent`` of module ``initlab.init.data_dependent``."""
    try:
        module = import_module(f"initlab.init.{name}")
        made = getattr(module, "".join(part.capitalize() for part in name.split("_")))
    except (ModuleNotFoundError, AttributeError) as error:
        raise ConfigError(
            f"there is no init named {name!r}; `python -m initlab list inits` names them"
        ) from error
    known = signature(made).parameters
    if unknown := [option for option in options if option not in known]:
        told = f"it has {', '.join(known)}" if known else "it has none"
        raise ConfigError(f"{name} has no option {unknown[0]}; {told}")
    strategy = made(**options)
    assert isinstance(strategy, Init)
    return strategy
