"""The normal init of residual networks with balanced branches."""

import pytest
import torch

from initlab.errors import Refused
from initlab.init import initialize
from initlab.model.mlp import Mlp
from initlab.model.mlp_residual import MlpResidual
from initlab.norm.none import NoNorm


def test_blocks_that_are_not_balanced_are_refused(rng: torch.Generator) -> None:
    model = MlpResidual(
        num_blocks=2,
        width=8,
        hidden_width=4,
        layers_per_block=2,
        input_shape=(8,),
        num_classes=2,
        norm=NoNorm(),
    )
    with pytest.raises(
        Refused, match=r"blocks\.0\.branch\.0 has 1 and 1: .*model\.residual_scale=0\.7071.*skip"
    ):
        initialize(model, "normal_resnet", generator=rng)


def test_a_network_without_blocks_is_refused(rng: torch.Generator) -> None:
    model = Mlp(depth=2, width=4, input_shape=(3,), num_classes=2, norm=NoNorm())
    with pytest.raises(Refused, match="balances residual blocks and Mlp has none"):
        initialize(model, "normal_resnet", generator=rng)
