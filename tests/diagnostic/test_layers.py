import math

import pytest
import timm
import torch
import torchvision
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn import functional as F

from initlab.diagnostic import layers
from initlab.errors import ConfigError, InitlabError
from initlab.model.mlp import Mlp
from initlab.norm.none import NoNorm
from initlab.site import Role, Site


@pytest.mark.parametrize(
    ("build", "count", "first", "last"),
    [
        (lambda: timm.create_model("resnet18"), 8, "layer1.0", "layer4.1"),
        (lambda: timm.create_model("convnext_atto"), 12, "stages.0.blocks.0", "stages.3.blocks.1"),
        (lambda: timm.create_model("vit_tiny_patch16_224", depth=3), 3, "blocks.0", "blocks.2"),
        (lambda: torchvision.models.mobilenet_v3_small(), 11, "features.1", "features.11"),
        (lambda: torchvision.models.vgg11(num_classes=2, init_weights=False).features, 0, None, None),
    ],
)
def test_blocks_of_known_networks_are_the_ones_their_papers_draw(build, count, first, last):
    with torch.device("meta"):
        blocks = list(layers.blocks_of(build()))
    assert len(blocks) == count
    assert (blocks[:1], blocks[-1:]) == (([first], [last]) if count else ([], []))


def test_blocks_of_a_network_with_sites_are_its_units():
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.body = nn.ModuleDict({"a": nn.Sequential(nn.Linear(3, 3), nn.ReLU(), nn.Linear(3, 3))})
            self.head = nn.Linear(3, 2)

        def sites(self):
            unit = self.body["a"]
            for index in (0, 2):
                yield Site("", unit[index], Role.BRANCH, unit=unit)
            yield Site("", self.head, Role.HEAD)

    model = Net()
    assert layers.blocks_of(model) == {"body.a": model.body["a"]}
    assert list(layers.layers_of(model)) == ["body.a.0", "body.a.2", "head"]
    assert layers.head_of(model) is model.head
    assert layers.head_of(nn.Sequential(nn.Linear(3, 2))) is None


def test_measuring_puts_everything_back_after_an_exception():
    model = nn.Sequential(nn.Linear(3, 3), nn.BatchNorm1d(3), nn.Dropout(0.5), nn.Linear(3, 2))
    model[3].eval()
    modes = [module.training for module in model.modules()]
    before = [buffer.clone() for buffer in model.buffers()]
    random = torch.get_rng_state()

    def fail() -> None:
        with torch.no_grad(), layers.measuring(model, "batch"):
            assert torch.is_grad_enabled()
            assert [module.training for module in model] == [False, True, False, False]
            model(torch.randn(5, 3))
            assert not torch.equal(before[0], model[1].running_mean)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert [module.training for module in model.modules()] == modes
    assert all(map(torch.equal, before, model.buffers()))
    assert torch.equal(random, torch.get_rng_state())


def test_a_buffer_that_a_network_replaces_is_put_back_too():
    class Counting(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.register_buffer("calls", torch.zeros(()))

        def forward(self, inputs: Tensor) -> Tensor:
            self.calls = self.calls + 1
            return inputs

    model = Counting()
    kept = model.calls
    with layers.measuring(model):
        model(torch.zeros(1))
        assert float(model.calls) == 1
    assert model.calls is kept


def read(model: nn.Module, inputs: Tensor) -> dict[str, tuple[Tensor, Tensor | None]]:
    named, blocks = layers.layers_of(model), layers.blocks_of(model)
    with (
        layers.measuring(model),
        layers.watch(named, blocks, len(inputs), lambda t: t.detach().clone()) as seen,
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
    with layers.watch({"layer": model.layer}, {}, 2, lambda t: layers.log_norms(t, 2)) as seen:
        model(torch.randn(6, 2, 4, 4, generator=rng))  # three windows of each of two inputs
    assert seen[0].pre.shape == (2,)


def test_an_output_without_a_row_per_input_is_refused_by_name():
    model = OneLayer(lambda z: z)
    with (
        layers.watch({"layer": model.layer}, {}, 2, id),
        pytest.raises(InitlabError, match="layer gives \\(3,"),
    ):
        model(torch.randn(3, 2, 4, 4))


@given(
    rows=st.integers(1, 4),
    exponent=st.integers(-300, 300),
    seed=st.integers(0, 2**16),
)
@settings(max_examples=40, deadline=None)
def test_log_norms_are_exact_far_beyond_where_squares_live(rows, exponent, seed):
    tensor = torch.randn(rows, 3, 2, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    expected = tensor.flatten(1).norm(dim=1).log() + exponent * math.log(10)
    torch.testing.assert_close(layers.log_norms(tensor * 10.0**exponent, rows), expected)


def test_norms_of_zero_and_of_infinity_are_what_they_are():
    assert layers.norm_of(torch.zeros(3)) == 0
    assert layers.norm_of(torch.tensor([1.0, math.inf])) == math.inf
    assert math.isnan(layers.norm_of(torch.tensor([1.0, math.nan])))
    assert layers.norm_of(torch.full((4,), 1e-40)) == pytest.approx(2e-40, rel=1e-4)
    assert layers.finite(math.inf) is None
    assert layers.finite(2.0) == 2.0


@pytest.mark.parametrize(
    ("inputs", "sentence"),
    [
        (torch.zeros(0, 3), "must be"),
        (torch.zeros(3), "must be"),
        (torch.zeros(2, 3, dtype=torch.long), "must be of floating point"),
        (torch.tensor([[math.nan]]), "NaN or infinity"),
    ],
)
def test_inputs_that_mean_nothing_are_refused(inputs, sentence):
    with pytest.raises(InitlabError, match=sentence):
        layers.check_inputs(inputs)


def test_float64_runs_on_copies():
    torch.manual_seed(0)
    model = Mlp(1, 4, (3,), 2, NoNorm())
    inputs = torch.randn(2, 3)
    output = layers.run(model, inputs, "float64")
    assert output.dtype == torch.float64
    assert model.head.weight.dtype == torch.float32
    torch.testing.assert_close(output.float(), model(inputs))


def test_counts_and_choices_are_checked_by_name():
    with pytest.raises(ConfigError, match=r"^signal.n=0: must be a whole number of at least 1$"):
        layers.check_count("signal.n", 0)
    with pytest.raises(ConfigError, match=r"^signal.way=up: must be left or right$"):
        layers.check_choice("signal.way", "up", ("left", "right"))


def test_a_model_that_returns_no_tensor_is_refused():
    with pytest.raises(InitlabError, match="returns dict"):
        layers.logits_of({"logits": torch.zeros(1)})
