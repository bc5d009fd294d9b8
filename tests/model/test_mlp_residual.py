"""The residual network of Arpit et al. 2019, Fig. 1 (bottom), and what its figure shows."""

import pytest
import torch
from torch import Tensor

from initlab.errors import ConfigError
from initlab.init import initialize
from initlab.model.mlp_residual import LinearBlock, MlpResidual
from initlab.norm.base import Norm, Place, gain_of, set_gain_
from initlab.norm.batch import Batch
from initlab.norm.batch_single import BatchSingle
from initlab.norm.none import NoNorm
from initlab.norm.weight import Weight
from initlab.site import Role, sites_of


def network(
    num_blocks: int = 40, inputs: int = 500, layers: int = 2, norm: Norm | None = None
) -> MlpResidual:
    return MlpResidual(
        num_blocks=num_blocks,
        width=500,
        hidden_width=200,
        layers_per_block=layers,
        input_shape=(inputs,),
        num_classes=10,
        norm=norm or Weight(),
    )


def stream_ratios(model: MlpResidual, rng: torch.Generator) -> tuple[list[float], list[float]]:
    """Return mean norms of h^b over h^0, and of dl/dh^b over dl/dh^B, for b = 0..B and one weight draw."""
    stream = torch.randn(200, 500, generator=rng).requires_grad_()
    streams: list[Tensor] = [stream]
    for block in model.blocks:
        streams.append(block(streams[-1]))
    cotangent = torch.randn(200, 500, generator=rng)
    gradients = torch.autograd.grad(streams[-1], streams, cotangent)
    forward = [float((h.norm(dim=1) / streams[0].norm(dim=1)).mean().detach()) for h in streams]
    backward = [float((g.norm(dim=1) / cotangent.norm(dim=1)).mean()) for g in gradients]
    return forward, backward


@pytest.mark.parametrize("directions", ["orthogonal", "he"])
def test_forty_blocks_grow_norms_by_theorem_2_forward_and_backward(
    directions: str, rng: torch.Generator
) -> None:
    model = network()
    initialize(model, "proposed", generator=rng, directions=directions)
    first, last = model.blocks[0].branch[0], model.blocks[0].branch[2]
    torch.testing.assert_close(gain_of(first), torch.full((200,), (2 * 500 / 200) ** 0.5))
    torch.testing.assert_close(gain_of(last), torch.full((500,), (200 / (40 * 500)) ** 0.5))
    forward, backward = stream_ratios(model, rng)
    assert forward[-1] == pytest.approx(1.025**20, rel=0.03)  # 1.6386
    assert backward[0] == pytest.approx(1.025**20, rel=0.03)
    assert backward[1] == pytest.approx(1.6185, rel=0.03)


@pytest.mark.parametrize(("num_blocks", "expected"), [(1, 2**0.5), (2, 1.5), (3, 1.5396)])
def test_the_growth_of_few_blocks_is_the_theorems(
    num_blocks: int, expected: float, rng: torch.Generator
) -> None:
    model = network(num_blocks)
    initialize(model, "proposed", generator=rng)
    assert stream_ratios(model, rng)[0][-1] == pytest.approx(expected, rel=0.03)


def test_gain_one_grows_by_half_per_block(rng: torch.Generator) -> None:  # the control of Theorem 2
    model = network()
    initialize(model, "proposed", generator=rng)
    for site in sites_of(model)[:-1]:
        set_gain_(site.layer, 1.0)
    forward, _ = stream_ratios(model, rng)
    for blocks in (1, 10, 40):
        assert forward[blocks] == pytest.approx(1.5 ** (blocks / 2), rel=0.03 * blocks**0.5)


def test_inputs_of_another_size_pass_a_linear_stem() -> None:
    model = network(num_blocks=2, inputs=12, layers=3, norm=NoNorm())
    sites = sites_of(model)
    assert [site.role for site in sites] == [Role.STEM, *[Role.BRANCH] * 6, Role.HEAD]
    assert [site.relu for site in sites] == [False, True, True, False, True, True, False, False]
    assert [site.shape for site in sites[1:4]] == [(200, 500), (200, 200), (500, 200)]
    assert [site.last_in_branch for site in sites[1:4]] == [False, False, True]
    assert {site.num_blocks for site in sites[1:-1]} == {2}
    modules = dict(model.named_modules())
    assert all(modules[site.name] is site.layer for site in sites)
    assert sites_of(network(num_blocks=2))[0].role is Role.BRANCH
    assert model(torch.zeros(2, 12)).shape == (2, 10)


@pytest.mark.parametrize("inputs", [500, 12])
@pytest.mark.parametrize("position", ["first", "middle", "last"])
def test_a_single_batch_norm_acts_at_its_place_alone(
    position: Place, inputs: int, rng: torch.Generator
) -> None:
    model = network(5, inputs, norm=BatchSingle(position=position))
    norms = [name for name, m in model.named_modules() if isinstance(m, torch.nn.BatchNorm1d)]
    assert norms == [{"first": "stem_norm", "middle": "middle_norm", "last": "last_norm"}[position]]
    seen: list[Tensor] = []
    listened = {"first": 0, "middle": 2}  # the block that reads the normalized stream
    if position == "last":
        seen.append(model.features(torch.randn(50, inputs, generator=rng)))
    else:
        model.blocks[listened[position]].register_forward_pre_hook(lambda _, args: seen.append(args[0]))
        model(torch.randn(50, inputs, generator=rng))
    torch.testing.assert_close(seen[0].mean(0), torch.zeros(500), atol=1e-5, rtol=0)
    torch.testing.assert_close(seen[0].var(0, correction=0), torch.ones(500), atol=1e-3, rtol=0)


def test_batch_norm_follows_every_linear_layer() -> None:
    model = network(2, inputs=12, norm=Batch())
    assert sum(isinstance(m, torch.nn.BatchNorm1d) for m in model.modules()) == 5
    block = model.blocks[0]
    assert isinstance(block, LinearBlock)
    kinds = [type(m).__name__ for m in block.branch]
    assert kinds == ["Linear", "BatchNorm1d", "ReLU", "Linear", "BatchNorm1d"]


def test_wrong_sizes_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"model\.layers_per_block=1: a branch needs two layers"):
        network(2, layers=1)
    with pytest.raises(ConfigError, match=r"model\.num_blocks=0"):
        network(0)
