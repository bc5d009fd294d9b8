"""Any classification network of timm, by name and never pretrained: https://github.com/huggingface/pytorch-image-models."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from difflib import get_close_matches
from typing import Any

import timm
from torch import Tensor, nn

from initlab.errors import ConfigError, Refused
from initlab.norm.base import Norm
from initlab.site import LAYERS, Role, Site


class Timm(nn.Module):
    """A network of timm as ``network``, with its linear and convolutional layers as sites.

    The network does not say which layers form a residual branch or where a ReLU follows: inits that need only
    fans work on it. A norm may reparametrize its layers, all but the classifier; its activation norms are its
    own.

    Args:
        architecture: a name of ``timm.list_models()``.
        input_shape: of one image, ``(C, H, W)``; networks of a fixed image size are built for it.
        num_classes: number of logits.
        norm: reparametrization of the layers.

    Raises:
        ConfigError: there is no such architecture, or the inputs are no images.
        Refused: the norm is one of activations.
    """

    def __init__(self, architecture: str, input_shape: Sequence[int], num_classes: int, norm: Norm) -> None:
        super().__init__()
        if len(input_shape) != 3:
            raise ConfigError(f"model=timm takes images (C, H, W), not inputs {tuple(input_shape)}")
        if not timm.is_model(architecture):
            near = get_close_matches(architecture, timm.list_models(), n=3, cutoff=0.3)
            raise ConfigError(
                f"model.architecture={architecture}: timm has no such model; near: {', '.join(near)}"
            )
        if norm.activation(1) is not None or any(
            norm.placement(place, 1) is not None for place in ("first", "middle", "last")
        ):
            raise Refused(
                f"{type(norm).__name__} normalizes activations and timm's {architecture} brings its own: "
                "use norm=none, weight or scaled_weight_standardization"
            )
        pretrained = timm.get_pretrained_cfg(architecture)
        options: dict[str, Any] = {}
        if pretrained is not None and pretrained.fixed_input_size:
            options["img_size"] = tuple(input_shape[1:])
        self.network: Any = timm.create_model(
            architecture, pretrained=False, num_classes=num_classes, in_chans=input_shape[0], **options
        )
        head = self._head()
        for module in list(self.network.modules()):
            if isinstance(module, LAYERS) and id(module) not in head:
                norm.wrap(module)

    def features(self, inputs: Tensor) -> Tensor:
        """Map images ``(N, C, H, W)`` to the network's features before pooling; their shape is its own."""
        features: Tensor = self.network.forward_features(inputs)
        return features

    def forward(self, inputs: Tensor) -> Tensor:
        """Map images ``(N, C, H, W)`` to logits ``(N, num_classes)``."""
        logits: Tensor = self.network(inputs)
        return logits

    def sites(self) -> Iterator[Site]:
        """List the layers in the order in which the network registers them."""
        head = self._head()
        for name, module in self.named_modules():
            if isinstance(module, LAYERS):
                yield Site(name, module, Role.HEAD if id(module) in head else Role.UNKNOWN)

    def _head(self) -> set[int]:
        """Return the identities of the modules of the classifier; some networks have several."""
        classifier = self.network.get_classifier()
        several = classifier if isinstance(classifier, tuple | list) else [classifier]
        return {id(module) for one in several for module in one.modules()}
