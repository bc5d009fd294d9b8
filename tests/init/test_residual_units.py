"""What the inits of residual networks ask of blocks."""

import pytest
import torch
from torch import nn

from initlab.errors import Refused
from initlab.init.residual_units import first_of_each_branch, refuse_norms, set_residual_scale_
from initlab.model.mlp import Mlp
from initlab.model.mlp_residual import MlpResidual
from initlab.model.resnet_b import ResnetB
from initlab.norm.base import Norm
from initlab.norm.batch import Batch
from initlab.norm.batch_single import BatchSingle
from initlab.norm.none import NoNorm
from initlab.norm.scaled_weight_standardization import ScaledWeightStandardization
from initlab.norm.weight import Weight
from initlab.site import sites_of


def network(norm: Norm | None = None, learn_residual_scale: bool = True) -> nn.Module:
    return ResnetB(
        stages=[2, 1],
        widths=[4, 8],
        learn_residual_scale=learn_residual_scale,
        input_shape=(3, 8, 8),
        num_classes=2,
        norm=norm or NoNorm(),
    )


def test_there_is_one_first_layer_per_block() -> None:
    model = network()
    firsts = first_of_each_branch(sites_of(model), model, "Some")
    assert [site.name for site in firsts] == [f"stages.{place}.convs.0" for place in ("0.0", "0.1", "1.0")]
    mlp = Mlp(depth=1, width=2, input_shape=(2,), num_classes=2, norm=NoNorm())
    with pytest.raises(Refused, match="Some sets residual branches and Mlp names none"):
        first_of_each_branch(sites_of(mlp), mlp, "Some")


def test_the_residual_scale_of_one_block_is_set() -> None:
    model = network()
    firsts = first_of_each_branch(sites_of(model), model, "Some")
    set_residual_scale_(firsts[1], 0.25, "Some")
    assert [site.unit.alpha.item() for site in firsts if site.unit is not None] == [1, 0.25, 1]


@pytest.mark.parametrize(
    "model",
    [
        network(learn_residual_scale=False),
        MlpResidual(
            num_blocks=1,
            width=4,
            hidden_width=4,
            layers_per_block=2,
            input_shape=(4,),
            num_classes=2,
            norm=NoNorm(),
        ),
    ],
    ids=["constant scale", "no scale"],
)
def test_a_block_without_learned_scale_is_refused_by_name(model: nn.Module) -> None:
    site = first_of_each_branch(sites_of(model), model, "Some")[0]
    with pytest.raises(
        Refused, match=rf"the block of {site.name} has none: .*model\.learn_residual_scale=true"
    ):
        set_residual_scale_(site, 0.0, "Some")


@pytest.mark.parametrize(
    ("norm", "name"),
    [
        (Weight(), "stem"),
        (ScaledWeightStandardization(), "stem"),
        (Batch(), "stem_norm"),
        (BatchSingle(position="last"), "last_norm"),
    ],
    ids=["weight", "standardized", "batch", "single"],
)
def test_every_norm_is_refused_where_none_is_wanted(norm: Norm, name: str) -> None:
    model = network(norm)
    with pytest.raises(Refused, match=f"Some replaces normalization and {name} has one: .*norm=none"):
        refuse_norms(sites_of(model), model, "Some")
    plain = network()
    before = torch.nn.utils.parameters_to_vector(plain.parameters()).detach()
    refuse_norms(sites_of(plain), plain, "Some")
    assert torch.equal(torch.nn.utils.parameters_to_vector(plain.parameters()).detach(), before)
