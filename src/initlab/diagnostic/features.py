"""The map from an image to the last feature map before pooling, found in any network."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

from initlab.diagnostic.layers import head_of, layers_of
from initlab.errors import InitlabError

POOLS = frozenset(
    [
        getattr(F, f"{kind}_pool{d}d")
        for kind in ("adaptive_avg", "adaptive_max", "avg", "max")
        for d in (1, 2, 3)
    ]
    + [getattr(space, name) for space in (torch, Tensor) for name in ("mean", "amax", "sum")]
)


class Features(nn.Module):
    """A network cut off before its pooling, or before its head where it pools nothing.

    The feature map is, in this order: ``model.forward_features(x)``, as timm's networks have it;
    ``model.features(x)``, as torchvision's have it; the input of the last global pooling, if no
    convolution runs after it; the input of the head, which is the last layer called, if it is linear,
    where no site says; the output.
    """

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model
        self.own: str | None = next(
            (name for name in ("forward_features", "features") if callable(getattr(model, name, None))), None
        )

    def forward(self, inputs: Tensor) -> Tensor:
        """Map inputs ``(N, ...)`` to features ``(N, ...)``."""
        features = self.cut(inputs) if self.own is None else getattr(self.model, self.own)(inputs)
        if not isinstance(features, Tensor):
            raise InitlabError(f"{type(self.model).__name__}.{self.own} returns no tensor of features")
        return features

    def cut(self, inputs: Tensor) -> Tensor | None:
        """Run the whole network and return what its pooling or its head was given."""
        pooled = _GlobalPool(len(inputs))
        head = head_of(self.model)
        given: Tensor | None = None

        def before(module: nn.Module, args: tuple[Any, ...]) -> None:
            nonlocal given
            if not isinstance(module, nn.Linear):
                pooled.given = given = None  # a pooling in the middle, such as squeeze-and-excite
            if args and (module is head or (head is None and isinstance(module, nn.Linear))):
                given = args[0]

        with ExitStack() as stack:
            for layer in layers_of(self.model).values():
                stack.callback(layer.register_forward_pre_hook(before).remove)
            stack.enter_context(pooled)
            output = self.model(inputs)
        found = given if pooled.given is None else pooled.given
        return output if found is None else found


class _GlobalPool(TorchFunctionMode):
    """Remembers what the last pooling over all pixels was given."""

    def __init__(self, num_inputs: int) -> None:
        super().__init__()
        self.num_inputs = num_inputs
        self.given: Tensor | None = None

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Any,
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        """Call the function, and look at whether it leaves one number per input and channel."""
        out = func(*args, **(kwargs or {}))
        first = args[0] if args else None
        if func in POOLS and isinstance(first, Tensor) and isinstance(out, Tensor):
            per_channel = first.dim() > 2 and out.numel() == first.shape[0] * first.shape[1]
            if per_channel and first.shape[0] == self.num_inputs:
                self.given = first
        return out
