"""The normal init of residual networks with balanced branches."""

from typing import Any

import pytest
import torch
from torch import nn

from initlab.errors import Refused
from initlab.init import initialize
from initlab.model.mlp import Mlp
from initlab.model.mlp_residual import MlpResidual
from initlab.model.resnet_c import ResnetC
from initlab.norm.none import NoNorm
from initlab.site import sites_of


def network(scale: float, **options: Any) -> ResnetC:
    model = ResnetC(
        stages=[3],
        widths=[64],
        residual_scale=scale,
        skip_scale=scale,
        input_shape=(3, 8, 8),
        num_classes=3,
        norm=NoNorm(),
        **options,
    )
    for module in model.modules():
        if isinstance(module, nn.Conv2d) and module.padding != (0, 0):
            module.padding_mode = "circular"  # zeros at the border would lose norm
            module._reversed_padding_repeated_twice = [1, 1, 1, 1]
    return model


def growth(model: ResnetC, init: str, **options: str) -> float:
    """Mean over 16 draws of the squared norm after three blocks over that before."""
    found = []
    for seed in range(16):
        rng = torch.Generator().manual_seed(seed)
        initialize(model, init, generator=rng, **options)
        with torch.no_grad():
            stem = model.stem(torch.randn(4, 3, 8, 8, generator=rng))
            before = stem if model.preact else stem.relu()
            found.append(float(model.stages(before).square().sum() / before.square().sum()))
    return sum(found) / len(found)


@pytest.mark.parametrize("preact", [False, True])
def test_balanced_blocks_keep_the_squared_norm_and_others_double_it(preact: bool) -> None:  # Thm 2.3
    # one draw has a relative deviation of about .3
    balanced = growth(network(0.5**0.5, preact=preact), "normal_resnet")
    assert balanced == pytest.approx(1, rel=4 * 0.3 / 16**0.5)
    control = growth(network(1.0, preact=preact), "he", mode="fan_out")
    assert control == pytest.approx(2**3, rel=4 * 0.3 / 16**0.5)


def test_divided_branch_inputs_are_refused(rng: torch.Generator) -> None:
    with pytest.raises(Refused, match=r"divides its branch's input too: .*model\.scale_branch_input=false"):
        initialize(network(0.5**0.5, scale_branch_input=True), "normal_resnet", generator=rng)


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
    with pytest.raises(Refused, match="sets residual branches and Mlp names none"):
        initialize(model, "normal_resnet", generator=rng)


def test_weights_are_normal_by_fan_out(rng: torch.Generator) -> None:  # Def. 2.2
    balanced = {"residual_scale": 0.5**0.5, "skip_scale": 0.5**0.5}
    model = ResnetC(
        stages=[1, 1], widths=[16, 48], **balanced, input_shape=(3, 8, 8), num_classes=3, norm=NoNorm()
    )
    initialize(model, "normal_resnet", generator=rng)
    for site in sites_of(model)[:-1]:
        weight = site.layer.weight.detach()
        ratio = float(weight.square().mean()) * site.fan_out / 2
        assert ratio == pytest.approx(1, abs=5 * (2 / weight.numel()) ** 0.5), site.name
    assert any(site.fan_in != site.fan_out for site in sites_of(model)[:-1])
