"""Building a network without drawing the weights that its init is going to set anyway."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, TypeVar

from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from initlab.site import LAYERS

Network = TypeVar("Network", bound=nn.Module)


def build_undrawn(build: Callable[[], Network]) -> Network:
    """Return ``build()`` with weights of linear and convolutional layers that hold whatever memory held.

    torch's layers draw their weights when they are made (``kaiming_uniform_``). Here those draws wait until
    the network stands; then those of other parameters are made up for, and those of layers, which every init
    sets, are dropped. Everything else, and every network built outside of this function, is untouched.
    """
    waiting = _WaitingDraws()
    with waiting:
        model = build()
    waiting.make_up(model)
    return model


class _WaitingDraws(TorchFunctionMode):
    """Notes draws instead of carrying them out, while it is the active mode."""

    def __init__(self) -> None:
        super().__init__()
        self.draws: list[tuple[Tensor, Callable[[], Any]]] = []

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Any,
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        """Call the function, unless it draws a weight."""
        kwargs = kwargs or {}
        if func is not nn.init.kaiming_uniform_:
            return func(*args, **kwargs)
        tensor = args[0] if args else kwargs["tensor"]
        self.draws.append((tensor, partial(func, *args, **kwargs)))
        return tensor

    def make_up(self, model: nn.Module) -> None:
        """Carry out, in their order, the draws of tensors that no linear or convolutional layer holds."""
        # A reparametrized layer holds its weight under another name, but in the same memory.
        held = {
            parameter.untyped_storage().data_ptr()
            for layer in model.modules()
            if isinstance(layer, LAYERS)
            for parameter in layer.parameters()
        }
        for tensor, draw in self.draws:
            if tensor.untyped_storage().data_ptr() not in held:
                draw()
