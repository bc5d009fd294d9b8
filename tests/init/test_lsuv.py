"""LSUV: every layer's output has variance 1 on the batch."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from initlab.errors import Refused
from initlab.init import initialize
from initlab.model.impala import Impala
from initlab.model.mlp import Mlp
from initlab.norm.base import Norm
from initlab.norm.none import NoNorm
from initlab.norm.scaled_weight_standardization import ScaledWeightStandardization
from initlab.norm.weight import Weight
from initlab.site import sites_of


def output_variances(model: nn.Module, inputs: Tensor) -> list[float]:
    found: list[float] = []

    def listen(module: nn.Module, args: object, output: Tensor) -> None:
        found.append(float(output.double().var(correction=0)))

    handles = [site.layer.register_forward_hook(listen) for site in sites_of(model)]
    with torch.no_grad():
        model(inputs)
    for handle in handles:
        handle.remove()
    return found


@settings(deadline=None, max_examples=20)
@given(
    width=st.integers(8, 40),
    depth=st.integers(1, 12),
    scale=st.floats(1e-3, 1e3),
    seed=st.integers(0, 2**16),
    weight_norm=st.booleans(),
)
def test_every_output_has_unit_variance_on_the_batch(
    width: int, depth: int, scale: float, seed: int, weight_norm: bool
) -> None:
    rng = torch.Generator().manual_seed(seed)
    norm: Norm = Weight() if weight_norm else NoNorm()
    model = Mlp(depth=depth, width=width, input_shape=(9,), num_classes=3, norm=norm)
    batch = scale * torch.randn(32, 9, generator=rng)
    before = output_variances(model, batch)
    initialize(model, "lsuv", generator=rng, batch=batch)
    assert output_variances(model, batch) == pytest.approx([1.0] * (depth + 1), rel=1e-5)
    assert before != pytest.approx([1.0] * (depth + 1), rel=1e-2)


def test_it_follows_the_forward_order_through_residual_blocks(rng: torch.Generator) -> None:
    model = Impala(
        num_blocks=3, widths=[8, 8], hidden=16, input_shape=(3, 12, 12), num_classes=4, norm=NoNorm()
    )
    batch = torch.randn(6, 3, 12, 12, generator=rng)
    initialize(model, "lsuv", generator=rng, batch=(batch, torch.zeros(6)))
    assert output_variances(model, batch) == pytest.approx([1.0] * 16, rel=1e-5)


def test_rows_are_orthogonal_and_biases_zero(rng: torch.Generator) -> None:
    model = Mlp(depth=2, width=16, input_shape=(16,), num_classes=4, norm=NoNorm())
    initialize(model, "lsuv", generator=rng, batch=torch.randn(8, 16, generator=rng))
    for site in sites_of(model):
        gram = site.layer.weight @ site.layer.weight.T
        torch.testing.assert_close(gram, gram[0, 0] * torch.eye(len(gram)), atol=1e-5, rtol=1e-5)
        assert not site.layer.bias.any()


class Unused(nn.Module):
    """A network whose second layer is never called, with a norm and dropout."""

    def __init__(self, use: bool) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(4, 4), nn.Linear(4, 4)
        self.norm, self.drop, self.use = nn.BatchNorm1d(4), nn.Dropout(), use

    def forward(self, inputs: Tensor) -> Tensor:
        hidden: Tensor = self.drop(self.norm(self.first(inputs)))
        return self.second(hidden) if self.use else hidden


def test_running_statistics_modes_and_hooks_are_left_as_they_were(rng: torch.Generator) -> None:
    model = Unused(use=True)
    model.norm.eval()
    state = torch.random.get_rng_state()
    initialize(model, "lsuv", generator=rng, batch=torch.randn(8, 4, generator=rng))
    assert torch.equal(torch.random.get_rng_state(), state)
    assert model.training
    assert not model.norm.training
    assert not model.norm.running_mean.any()
    assert not any(module._forward_hooks for module in model.modules())


@pytest.mark.parametrize(
    ("model", "batch", "message"),
    [
        (Unused(use=False), torch.randn(8, 4), "does not reach second Linear"),
        (Unused(use=True), torch.zeros(8, 4), "the output of first Linear.* standard deviation 0"),
        (Unused(use=True), torch.full((8, 4), torch.nan), "standard deviation nan"),
        (
            ScaledWeightStandardization().wrap(nn.Linear(4, 4)),
            torch.randn(8, 4),
            "the norm of .*Linear.* undoes it: build the model with norm=none",
        ),
    ],
    ids=["unused layer", "dead batch", "nan batch", "standardized"],
)
def test_what_cannot_be_scaled_is_refused(
    model: nn.Module, batch: Tensor, message: str, rng: torch.Generator
) -> None:
    with pytest.raises(Refused, match=message):
        initialize(model, "lsuv", generator=rng, batch=batch)


def test_it_needs_a_batch(rng: torch.Generator) -> None:
    with pytest.raises(Refused, match="Lsuv needs a batch of inputs"):
        initialize(nn.Linear(3, 3), "lsuv", generator=rng)
