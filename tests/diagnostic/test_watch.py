import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from initlab.diagnostic.layers import blocks_of, layers_of
from initlab.diagnostic.log_norms import log_norms
from initlab.diagnostic.measuring import measuring
from initlab.diagnostic.watch import watch
from initlab.errors import InitlabError


def read(model: nn.Module, inputs: Tensor) -> dict[str, tuple[Tensor, Tensor | None]]:
    named, blocks = layers_of(model), blocks_of(model)
    with (
        measuring(model),
        watch(named, blocks, len(inputs), lambda t: t.detach().clone()) as seen,
    ):
        model(inputs)
    return {reading.name: (reading.pre, reading.post) for reading in seen}


class OneLayer(nn.Module):
    """``then`` says what follows the layer."""

    def __init__(self, then) -> None:
        super().__init__()
        self.layer, self.then = nn.Conv2d(2, 4, 3, padding=1), then

    def forward(self, inputs: Tensor) -> Tensor:
        return self.then(self.layer(inputs))


BATCH_NORM = nn.BatchNorm2d(4).eval()
BATCH_NORM.running_mean.fill_(0.1)


@pytest.mark.parametrize(
    ("between", "activation"),
    [
        (lambda z: z, torch.relu),
        (lambda z: z, F.gelu),
        (lambda z: z, F.silu),
        (lambda z: z, torch.tanh),
        (lambda z: z, lambda z: F.leaky_relu(z, 0.1)),
        (BATCH_NORM, F.relu),
        (lambda z: z + 0.3, F.relu),
        (lambda z: 2 * z, F.relu),
        (lambda z: z.mul_(2.0), F.relu_),
        (lambda z: z * torch.rand(4, 1, 1), F.relu),
        (lambda z: F.dropout(z, training=False), F.relu),
    ],
)
def test_the_activation_that_follows_is_found_through_norms_scales_and_shifts(between, activation):
    torch.manual_seed(0)
    kept = []

    def then(z: Tensor) -> Tensor:
        a = between(z)
        kept.append(a.detach().clone())
        kept.append(activation(a))
        return kept[-1]

    pre, post = read(OneLayer(then), torch.randn(3, 2, 5, 5))["layer"]
    torch.testing.assert_close(pre, kept[0])
    torch.testing.assert_close(post, kept[1])


@pytest.mark.parametrize(
    "then",
    [
        lambda z: torch.relu(z + z.flip(0)),  # a skip connection: the sum is not the layer's own
        lambda z: torch.relu(z.add_(1.5 * torch.ones_like(z))),
        lambda z: torch.relu(F.avg_pool2d(z, 2)),
        lambda z: z,
    ],
)
def test_an_activation_of_something_else_is_not_taken_for_the_layers_own(then):
    torch.manual_seed(0)
    model, inputs = OneLayer(then), torch.randn(3, 2, 6, 6)
    pre, post = read(model, inputs)["layer"]
    torch.testing.assert_close(pre, model.layer(inputs))
    assert post is None


def test_windows_of_an_input_count_as_one_row(rng):
    model = OneLayer(lambda z: z)
    with watch({"layer": model.layer}, {}, 2, lambda t: log_norms(t, 2)) as seen:
        model(torch.randn(6, 2, 4, 4, generator=rng))  # three windows of each of two inputs
    assert seen[0].pre.shape == (2,)


def test_an_output_without_a_row_per_input_is_refused_by_name():
    model = OneLayer(lambda z: z)
    with (
        watch({"layer": model.layer}, {}, 2, id),
        pytest.raises(InitlabError, match="layer gives \\(3,"),
    ):
        model(torch.randn(3, 2, 4, 4))
