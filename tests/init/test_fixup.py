"""Fixup: the factors of the branches, and what the network is at the start."""

from math import log
from typing import Any

import pytest
import torch
from torch import nn

from initlab.errors import Refused
from initlab.init import initialize
from initlab.init.fixup import Fixup
from initlab.model.impala import Impala
from initlab.model.mlp import Mlp
from initlab.model.resnet_b import ResnetB
from initlab.model.resnet_c import ResnetC
from initlab.norm.base import Norm
from initlab.norm.batch_single import BatchSingle
from initlab.norm.none import NoNorm
from initlab.norm.weight import Weight
from initlab.site import Role, sites_of


def network(kind: type[ResnetB] | type[ResnetC] = ResnetC, norm: Norm | None = None, **options: Any) -> Any:
    values: dict[str, Any] = {"scalar_biases": True, "stages": [1, 2], "widths": [8, 16], **options}
    return kind(**values, input_shape=(3, 8, 8), num_classes=10, norm=norm or NoNorm())


@pytest.mark.parametrize(
    ("stages", "block", "factor"),
    [
        ([2, 2, 2, 2], "basic", 0.35355),
        ([3, 4, 6, 3], "bottleneck", 0.5),
        ([3, 4, 23, 3], "bottleneck", 0.41723),
        ([9, 12, 69, 9], "bottleneck", 0.31702),
    ],
    ids=["ResNet-18", "ResNet-50", "ResNet-101", "99 blocks"],
)
def test_branch_weights_are_hes_times_the_factor(
    stages: list[int], block: str, factor: float, rng: torch.Generator
) -> None:
    model = network(stages=stages, block=block, widths=[8, 8, 8, 8])
    initialize(model, "fixup", generator=rng)
    scaled: list[torch.Tensor] = []
    plain: list[torch.Tensor] = []
    for site in sites_of(model):
        standard = site.layer.weight.detach().flatten() * (site.fan_out / 2) ** 0.5
        if site.role is Role.HEAD or site.last_in_branch:
            assert not standard.any()
        else:
            (scaled if site.role is Role.BRANCH else plain).append(standard)
    for found, expected in ((torch.cat(scaled), factor), (torch.cat(plain), 1.0)):
        std = float(found.square().mean().sqrt())
        assert std == pytest.approx(expected, rel=4 * (2 * len(found)) ** -0.5)  # 4 standard errors


def test_the_factor_is_exact_for_each_depth(rng: torch.Generator) -> None:
    site = next(s for s in sites_of(network()) if s.role is Role.BRANCH)
    for blocks in (1, 8, 33):
        drawn = [
            Fixup().weight(site, n, torch.Generator().manual_seed(3)) for n in (1, blocks)
        ]  # the same draw
        torch.testing.assert_close(drawn[1], drawn[0] * blocks**-0.5)


@pytest.mark.parametrize("kind", [ResnetB, ResnetC])
@pytest.mark.parametrize("preact", [False, True])
@pytest.mark.parametrize("classes", [10, 100])
def test_logits_are_exactly_zero_and_the_loss_is_that_of_guessing(
    kind: type[ResnetB], preact: bool, classes: int, rng: torch.Generator
) -> None:
    model = kind(
        stages=[2, 1],
        widths=[8, 16],
        preact=preact,
        scalar_biases=True,
        input_shape=(3, 8, 8),
        num_classes=classes,
        norm=NoNorm(),
    )
    initialize(model, "fixup", generator=rng)
    logits = model(torch.randn(5, 3, 8, 8, generator=rng))
    assert not logits.any()
    loss = nn.functional.cross_entropy(logits, torch.arange(5))
    assert float(loss.detach()) == pytest.approx({10: 2.302585, 100: 4.605170}[classes], abs=1e-6)
    assert float(loss.detach()) == pytest.approx(log(classes), abs=1e-6)


def test_identity_blocks_start_as_the_identity(rng: torch.Generator) -> None:
    model = network(ResnetB, stages=[4])
    initialize(model, "fixup", generator=rng)
    inputs = torch.rand(2, 8, 4, 4, generator=rng)  # not negative, as the output of a ReLU
    for block in model.stages[0]:
        assert torch.equal(block(inputs), inputs)
    initialize(model, "he", generator=rng)  # the control
    assert not torch.allclose(model.stages[0][0](inputs), inputs, rtol=0.1)


def test_the_head_learns_at_the_first_step(rng: torch.Generator) -> None:
    model = network()
    initialize(model, "fixup", generator=rng)
    nn.functional.cross_entropy(model(torch.randn(5, 3, 8, 8, generator=rng)), torch.arange(5)).backward()
    assert bool(model.head.weight.grad.any())
    assert not bool(model.stem.weight.grad.any())


def test_refusals_name_the_option(rng: torch.Generator) -> None:
    for norm in (Weight(), BatchSingle()):
        with pytest.raises(Refused, match=r"Fixup replaces normalization and .* has one: .* norm=none"):
            initialize(network(norm=norm), "fixup", generator=rng)
    with pytest.raises(Refused, match=r"build the model with model\.scalar_biases=true"):
        initialize(network(scalar_biases=False), "fixup", generator=rng)
    impala = Impala(num_blocks=1, widths=[4], hidden=4, input_shape=(3, 8, 8), num_classes=2, norm=NoNorm())
    with pytest.raises(Refused, match=r"model\.scalar_biases=true"):
        initialize(impala, "fixup", generator=rng)
    mlp = Mlp(depth=1, width=4, input_shape=(3,), num_classes=2, norm=NoNorm())
    with pytest.raises(Refused, match="Fixup sets residual branches and Mlp names none"):
        initialize(mlp, "fixup", generator=rng)
