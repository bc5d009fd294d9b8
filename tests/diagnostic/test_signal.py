import math

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from initlab.diagnostic.signal import Signal
from initlab.errors import ConfigError, InitlabError
from initlab.init import initialize
from initlab.init.draw import orthogonal
from initlab.model.mlp import Mlp
from initlab.model.mlp_residual import MlpResidual
from initlab.norm.base import set_gain_
from initlab.norm.weight import Weight
from initlab.site import sites_of

LAYERS, INPUTS = 20, 500


def scaled_orthogonal_chain(depth: int, width: int, scale: float, rng: torch.Generator, dtype=torch.float32):
    """A linear network that multiplies every norm by ``scale`` per layer, exactly."""
    chain = nn.Sequential(*[nn.Linear(width, width, bias=False, dtype=dtype) for _ in range(depth)])
    for layer in chain:
        layer.weight.data.copy_(scale * orthogonal((width, width), rng))
    return chain


def proposed_mlp(
    rng: torch.Generator, directions: str = "orthogonal", gain: float | None = None
) -> tuple[Mlp, list]:
    widths = torch.randint(150, 250, (LAYERS,), generator=rng).tolist()
    model = Mlp(LAYERS, widths, (INPUTS,), 10, Weight())
    initialize(model, "proposed", generator=rng, directions=directions)
    if gain is not None:
        for site in list(sites_of(model))[:-1]:
            set_gain_(site.layer, gain)
    return model, widths


def batch(rng: torch.Generator, count: int = 200, size: int = INPUTS) -> tuple[Tensor, Tensor]:
    return torch.randn(count, size, generator=rng), torch.zeros(count, dtype=torch.long)


@pytest.mark.parametrize(("directions", "low", "high"), [("orthogonal", 0.5, 1.6), ("he", 0.4, 2.5)])
def test_the_proposed_init_keeps_norms_both_ways_through_20_layers(directions, low, high, rng):
    model, widths = proposed_mlp(rng, directions)  # Arpit et al. 2019, Fig. 1 top
    result = Signal(error="random", output="features")(model, batch(rng), rng)
    *hidden, head = result.passages
    assert result.reference == hidden[-1].layer
    for passage, width in zip(hidden, widths, strict=True):
        assert low < passage.forward_ratio < high
        assert (
            low < passage.backward_ratio / math.sqrt(width / widths[-1]) < high
        )  # gains telescope to n_l / n_L
    assert hidden[-1].backward_ratio == pytest.approx(1)
    assert head.backward_ratio is None


def test_gain_1_loses_half_of_the_squared_norm_per_layer(rng):
    model, widths = proposed_mlp(rng, gain=1.0)
    passages = Signal()(model, batch(rng), rng).passages
    for index, width in ((0, widths[0]), (LAYERS - 1, widths[-1])):
        predicted = 2 ** (-(index + 1) / 2) * math.sqrt(width / INPUTS)
        assert passages[index].forward_ratio == pytest.approx(predicted, rel=0.6 if index else 0.05)
    assert not 0.5 < passages[LAYERS - 1].forward_ratio < 1.6  # the tolerance of the theorem can fail


FORTY_BLOCKS = {"num_blocks": 40, "width": 500, "hidden_width": 200, "layers_per_block": 2}


@pytest.mark.parametrize("directions", ["orthogonal", "he"])
def test_forty_blocks_grow_norms_both_ways_as_theorem_2_says(directions, rng):
    model = MlpResidual(**FORTY_BLOCKS, input_shape=(INPUTS,), num_classes=10, norm=Weight())
    initialize(model, "proposed", generator=rng, directions=directions)  # Arpit et al. 2019, Fig. 1 bottom
    result = Signal(error="random", output="features")(model, batch(rng), rng)
    blocks = [passage for passage in result.passages if passage.kind == "block"]
    assert result.reference == blocks[-1].layer == "blocks.39"
    assert blocks[-1].backward_ratio == pytest.approx(1)
    for index, passage in enumerate(blocks, start=1):  # (1 + 1/B)^(b/2), and the rest of it backward
        assert passage.forward_ratio == pytest.approx(1.025 ** (index / 2), rel=0.03)
        assert passage.backward_ratio == pytest.approx(1.025 ** ((40 - index) / 2), rel=0.03)


def test_with_gain_1_every_block_multiplies_the_squared_norm_by_1_and_a_half(rng):
    model = MlpResidual(**FORTY_BLOCKS, input_shape=(INPUTS,), num_classes=10, norm=Weight())
    initialize(model, "proposed", generator=rng)
    for site in list(sites_of(model))[:-1]:
        set_gain_(site.layer, 1.0)
    result = Signal()(model, batch(rng), rng)
    blocks = [passage for passage in result.passages if passage.kind == "block"]
    for index in (1, 10, 40):
        predicted = 1.5 ** (index / 2)
        assert blocks[index - 1].forward_ratio == pytest.approx(predicted, rel=0.03 * index**0.5)
    assert blocks[-1].forward_ratio > 1000 * 1.025**20  # the tolerance of the theorem can fail


def test_a_linear_orthogonal_network_has_ratios_of_exactly_1(rng):
    chain = scaled_orthogonal_chain(12, 10, 1.0, rng, torch.float64)
    inputs = torch.randn(7, 10, dtype=torch.float64, generator=rng)
    for passage in Signal()(chain, (inputs, torch.zeros(7).long()), rng).passages:
        assert passage.forward_ratio == pytest.approx(1, abs=1e-14)
        assert passage.backward_ratio == pytest.approx(1, abs=1e-14)
        assert passage.forward_std == pytest.approx(0, abs=1e-14)


def test_a_norm_of_1e_minus_31_is_not_zero(rng):
    depth = 206
    chain, given = scaled_orthogonal_chain(depth, 8, 2**-0.5, rng), batch(rng, 4, 8)
    passages = Signal()(chain, given, rng).passages
    assert passages[-1].forward_ratio == pytest.approx(2 ** (-depth / 2), rel=1e-4)
    assert passages[-1].log10_forward_ratio == pytest.approx(-31.0, abs=0.02)
    assert passages[0].log10_backward_ratio == pytest.approx(-(depth - 1) / 2 * math.log10(2), abs=1e-4)
    with torch.no_grad():
        assert float((chain(given[0]) ** 2).sum()) == 0.0  # what the plain formula would have said


def test_float64_follows_a_signal_out_of_the_range_of_float32(rng):
    chain, given = scaled_orthogonal_chain(400, 4, 0.5, rng), batch(rng, 3, 4)
    last = Signal(precision="float64")(chain, given, rng).passages[-1]
    assert last.log10_forward_ratio == pytest.approx(400 * math.log10(0.5), rel=1e-6)
    assert chain[0].weight.dtype == torch.float32
    lost = Signal()(chain, given, rng).passages[-1]
    assert (lost.forward_ratio, lost.log10_forward_ratio) == (0.0, None)


class Network(nn.Module):
    """Two layers and a head; the ReLU is written in each of the usual ways."""

    def __init__(self, style: str) -> None:
        super().__init__()
        self.style = style
        self.first, self.second, self.head = nn.Linear(6, 5), nn.Linear(5, 5), nn.Linear(5, 3)
        self.shift, self.norm = nn.Parameter(torch.full((1,), 0.3)), nn.LayerNorm(5)
        self.relu = nn.ReLU(inplace=style == "module in place")

    def activate(self, z: Tensor) -> Tensor:
        if self.style == "functional":
            return F.relu(z)
        return z.relu_() if self.style == "method in place" else self.relu(z)

    def forward(self, inputs: Tensor) -> Tensor:
        h = self.activate(self.first(inputs) + self.shift)
        return self.head(self.activate(self.norm(self.second(h))))


@pytest.mark.parametrize("style", ["module", "module in place", "functional", "method in place"])
def test_activations_and_gradients_are_those_of_autograd_however_the_relu_is_written(style, rng):
    torch.manual_seed(0)
    model = Network(style)
    inputs, labels = torch.randn(4, 6, generator=rng), torch.tensor([0, 1, 2, 0])
    first, second, head = Signal()(model, (inputs, labels), rng).passages

    a1 = model.first(inputs) + model.shift
    h1 = torch.relu(a1)
    a2 = model.norm(model.second(h1))
    h2 = torch.relu(a2)
    logits = model.head(h2)
    tensors = [a1, h1, a2, h2, logits]
    gradients = torch.autograd.grad(F.cross_entropy(logits, labels, reduction="sum"), tensors)
    sizes = [(t.norm(dim=1) / inputs.norm(dim=1)).mean().item() for t in tensors]
    slopes = [(g.norm(dim=1) / gradients[-1].norm(dim=1)).mean().item() for g in gradients]
    assert [first.forward_ratio_pre, first.forward_ratio] == pytest.approx(sizes[:2])
    assert [second.forward_ratio_pre, second.forward_ratio] == pytest.approx(sizes[2:4])
    assert head.forward_ratio == pytest.approx(sizes[4])
    assert [first.backward_ratio, first.backward_ratio_post] == pytest.approx(slopes[:2])
    assert [second.backward_ratio, second.backward_ratio_post] == pytest.approx(slopes[2:4])
    assert head.backward_ratio == pytest.approx(1)
    assert first.second_moment == pytest.approx((h1**2).mean().item())


class Block(nn.Module):
    def __init__(self, closing: bool) -> None:
        super().__init__()
        self.fc1, self.fc2, self.closing = nn.Linear(6, 9), nn.Linear(9, 6), closing

    def forward(self, h: Tensor) -> Tensor:
        h = h + self.fc2(torch.relu(self.fc1(h)))
        return torch.relu(h) if self.closing else h


@pytest.mark.parametrize("closing", [True, False])
def test_a_block_is_read_before_and_after_the_relu_that_closes_it(closing, rng):
    torch.manual_seed(1)
    model = nn.Sequential(Block(closing), Block(closing), nn.Linear(6, 3))
    inputs = torch.randn(4, 6, generator=rng)
    found = {p.layer: p for p in Signal()(model, (inputs, torch.zeros(4).long()), rng).passages}
    assert list(found) == ["0.fc1", "0.fc2", "0", "1.fc1", "1.fc2", "1", "2"]
    z = inputs + model[0].fc2(torch.relu(model[0].fc1(inputs)))
    ratio = (z.norm(dim=1) / inputs.norm(dim=1)).mean().item()
    assert found["0"].kind == "block"
    assert found["0"].forward_ratio_pre == pytest.approx(ratio)
    assert (found["0"].forward_ratio == pytest.approx(ratio)) is not closing
    assert found["0.fc2"].forward_ratio == found["0.fc2"].forward_ratio_pre  # the block's ReLU is not its own


def test_a_layer_that_is_used_twice_is_read_twice(rng):
    layer = nn.Linear(4, 4)
    names = [
        p.layer for p in Signal()(nn.Sequential(layer, nn.ReLU(), layer), batch(rng, 3, 4), rng).passages
    ]
    assert names == ["0", "0@2"]


def test_frozen_parameters_do_not_stop_the_signal(rng):
    model = Mlp(2, 5, (4,), 3, Weight()).requires_grad_(False)
    assert all(p.backward_ratio > 0 for p in Signal()(model, batch(rng, 3, 4), rng).passages)


def test_second_moments_are_metrics_on_request(rng):
    model = Mlp(2, 5, (4,), 3, Weight())
    assert "signal/second_moment/head" in Signal(second_moments=True)(model, batch(rng, 3, 4), rng).metrics()
    assert "signal/second_moment/head" not in Signal()(model, batch(rng, 3, 4), rng).metrics()


def test_batch_statistics_are_those_of_the_batch(rng):
    model = nn.Sequential(nn.Linear(4, 6), nn.BatchNorm1d(6), nn.ReLU(), nn.Linear(6, 3))
    model[1].running_var.fill_(100.0)
    given = batch(rng, 16, 4)
    normalized = Signal(statistics="batch")(model, given, rng).passages[0]
    assert normalized.second_moment == pytest.approx(0.5, abs=0.1)  # ReLU halves a unit second moment
    assert Signal()(model, given, rng).passages[0].second_moment < 0.1
    assert bool((model[1].running_var == 100.0).all())


@pytest.mark.parametrize(
    ("model", "sentence"),
    [
        (
            nn.Sequential(nn.Linear(4, 4), nn.Unflatten(1, (4, 1)), nn.ConvTranspose1d(4, 3, 1)),
            "2 is a ConvTranspose1d",
        ),
        (nn.Sequential(nn.LazyLinear(3)), "0 has no shape yet"),
        (nn.Sequential(nn.Linear(4, 3), nn.Unflatten(1, (3, 1))), "must be \\(N, num_classes\\)"),
        (nn.Sequential(nn.Linear(4, 2), nn.ReLU()), "labels reach outside 0..1"),
    ],
)
@pytest.mark.filterwarnings("ignore:Lazy modules:UserWarning")
def test_what_cannot_be_measured_is_named(model, sentence, rng):
    with pytest.raises(InitlabError, match=sentence):
        Signal()(model, (torch.randn(3, 4), torch.tensor([0, 1, 2])), rng)


def test_labels_must_fit_the_inputs(rng):
    with pytest.raises(InitlabError, match="3 inputs with 2 labels"):
        Signal()(nn.Sequential(nn.Linear(4, 3)), (torch.randn(3, 4), torch.zeros(2).long()), rng)


def test_a_network_without_a_layer_before_the_head_has_no_features(rng):
    with pytest.raises(InitlabError, match="no layer before its head"):
        Signal(output="features")(nn.Sequential(nn.Linear(4, 3)), batch(rng, 3, 4), rng)


@pytest.mark.parametrize("option", ["error", "output", "statistics", "precision"])
def test_an_option_that_does_not_exist_is_refused(option):
    with pytest.raises(ConfigError, match=f"signal.{option}=maybe: must be"):
        Signal(**{option: "maybe"})
