"""Gradient clipping: none, norm, adaptive."""

import pytest
import torch
from torch import Tensor, nn

from initlab.errors import ConfigError
from initlab.model.mlp import Mlp
from initlab.norm.none import NoNorm
from initlab.norm.weight import Weight
from initlab.training.clipping import AdaptiveClipping, Clipping, NoClipping, NormClipping


def network_with_gradients(rng: torch.Generator, size: float, norm: NoNorm | Weight) -> Mlp:
    model = Mlp(depth=2, width=6, input_shape=(5,), num_classes=3, norm=norm)
    for parameter in model.parameters():
        parameter.grad = size * torch.randn(parameter.shape, generator=rng)
    return model


def gradients(model: nn.Module) -> dict[str, Tensor]:
    return {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}


def unit_norms(tensor: Tensor) -> Tensor:
    return tensor.norm() if tensor.dim() < 2 else tensor.flatten(1).norm(dim=1)


@pytest.mark.parametrize("norm", [NoNorm(), Weight()])
def test_adaptive_clipping_bounds_every_unit_outside_the_classifier(
    norm: NoNorm | Weight, rng: torch.Generator
) -> None:
    model = network_with_gradients(rng, 1.0, norm)
    before = gradients(model)
    with torch.no_grad():
        model.hidden[1].bias.zero_()
    AdaptiveClipping()(model)
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None
        if name.startswith("head"):
            assert torch.equal(parameter.grad, before[name])
            continue
        bound = 0.01 * unit_norms(parameter.detach()).clamp(min=1e-3)
        torch.testing.assert_close(unit_norms(parameter.grad), bound)  # every unit was too long
        cosine = torch.cosine_similarity(parameter.grad.flatten(), before[name].flatten(), dim=0)
        assert cosine > 0.5  # each row keeps its direction; rows are weighed anew


def test_adaptive_clipping_leaves_short_gradients_alone(rng: torch.Generator) -> None:
    model = network_with_gradients(rng, 1e-6, NoNorm())
    before = gradients(model)
    AdaptiveClipping()(model)
    assert all(torch.equal(after, before[name]) for name, after in gradients(model).items())


def test_a_network_without_a_named_head_is_clipped_everywhere(rng: torch.Generator) -> None:
    model = nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 3))
    model(torch.randn(4, 3, generator=rng)).sum().backward()
    AdaptiveClipping(clip_factor=1e-4)(model)
    for layer in model:
        assert isinstance(layer, nn.Linear)
        assert layer.weight.grad is not None
        assert (unit_norms(layer.weight.grad) <= 1.0001e-4 * unit_norms(layer.weight)).all()


def test_norm_clipping_shrinks_all_gradients_by_one_factor(rng: torch.Generator) -> None:
    model = network_with_gradients(rng, 1.0, NoNorm())
    before = gradients(model)
    total = sum(float(g.square().sum()) for g in before.values()) ** 0.5
    NormClipping(max_norm=0.5)(model)
    for name, after in gradients(model).items():
        torch.testing.assert_close(after, before[name] * (0.5 / total), rtol=1e-4, atol=0)
    small = gradients(model)
    NormClipping(max_norm=1.0)(model)
    assert all(torch.equal(after, small[name]) for name, after in gradients(model).items())


def test_no_clipping_changes_nothing(rng: torch.Generator) -> None:
    model = network_with_gradients(rng, 1e9, NoNorm())
    before = gradients(model)
    NoClipping()(model)
    assert all(torch.equal(after, before[name]) for name, after in gradients(model).items())


@pytest.mark.parametrize("clipping", [NoClipping(), NormClipping(), AdaptiveClipping()])
def test_parameters_without_gradients_are_passed_over(clipping: Clipping) -> None:
    model = Mlp(depth=1, width=2, input_shape=(2,), num_classes=2, norm=NoNorm())
    clipping(model)
    assert not gradients(model)


def test_bounds_must_be_positive() -> None:
    with pytest.raises(ConfigError, match=r"clipping\.max_norm=0"):
        NormClipping(max_norm=0)
    with pytest.raises(ConfigError, match=r"clipping\.clip_factor=-1"):
        AdaptiveClipping(clip_factor=-1)
    with pytest.raises(ConfigError, match=r"clipping\.eps=0"):
        AdaptiveClipping(eps=0)
