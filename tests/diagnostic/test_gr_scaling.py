"""GR scaling against the closed forms of Defazio & Bottou, Sec. 3 to 6."""

from dataclasses import fields
from itertools import pairwise
from math import log
from pathlib import Path

import pytest
import torch
import yaml
from torch import nn
from torch.func import functional_call

from initlab.diagnostic.gr_scaling import GrScaling
from initlab.errors import ConfigError, Refused
from initlab.init import draw
from initlab.norm.batch import Batch
from initlab.norm.weight import Weight

WIDTHS = (256, 1024, 128, 512, 64)
SEEDS = 8
VARIANCE = {
    "geometric": lambda n_in, n_out: 2 / (n_in * n_out) ** 0.5,
    "geometric, c=1": lambda n_in, n_out: 1 / (n_in * n_out) ** 0.5,
    "geometric, c=4": lambda n_in, n_out: 4 / (n_in * n_out) ** 0.5,
    "fan-in": lambda n_in, n_out: 2 / n_in,
    "fan-out": lambda n_in, n_out: 2 / n_out,
    "arithmetic": lambda n_in, n_out: 4 / (n_in + n_out),
}


class Scaled(nn.Module):
    """A layer whose output is multiplied by a fixed number."""

    def __init__(self, layer, scale):
        super().__init__()
        self.layer = layer
        self.register_buffer("scale", torch.tensor(scale))

    def forward(self, inputs):
        return self.scale * self.layer(inputs)


def mlp(widths, variance, generator):
    layers = []
    for n_in, n_out in pairwise(widths):
        layers += [nn.Linear(n_in, n_out), nn.ReLU()]
        set_weight(layers[-2], variance(n_in, n_out), generator)
    return nn.Sequential(*layers[:-1])


@torch.no_grad()
def set_weight(layer, variance, generator):
    layer.weight.copy_(draw.normal(tuple(layer.weight.shape), variance**0.5, generator))
    layer.bias.zero_()


def conv_net(kernels, strides, channels, generator, scaled=False):
    """Circular convolutions and ReLUs with the geometric variance of ``scale * weight``."""
    layers = []
    for kernel, stride, n_in, n_out in zip(kernels, strides, channels, channels[1:], strict=False):
        layer = nn.Conv2d(n_in, n_out, kernel, stride, kernel // 2, padding_mode="circular")
        scale = kernel**-0.5 if scaled else 1.0
        set_weight(layer, 2 / (kernel**2 * (n_in * n_out) ** 0.5) / scale**2, generator)
        layers += [Scaled(layer, scale), nn.ReLU()]
    return nn.Sequential(*layers[:-1], nn.Flatten())


def geometric_means(build, shape, samples=64, seeds=SEEDS, **options):
    """Mean logarithm over seeds of each quantity, ``{quantity: (layers,)}`` in float64."""
    quantities = ("weight", "bias", "weight_to_gradient", "actual")
    logs = {quantity: [] for quantity in quantities}
    for seed in range(seeds):
        generator = torch.Generator().manual_seed(seed)
        net = build(generator)
        inputs = torch.randn(samples, *shape, generator=generator)
        labels = torch.randint(4, (samples,), generator=generator)
        options = {"num_samples": None, "chunk_size": 64, "actual_samples": None, **options}
        found = GrScaling(**options)(net, (inputs, labels), generator)
        for quantity in quantities:
            values = [getattr(entry, quantity) for entry in found.layers]
            logs[quantity].append([float("nan") if value is None else log(value) for value in values])
    return {quantity: torch.tensor(values).double().mean(0).exp() for quantity, values in logs.items()}


def relative(values):
    return values / values[0]


def close(found, expected, tolerance=0.1):
    """Whether the logarithms agree to ``tolerance``."""
    expected = torch.as_tensor(expected, dtype=torch.float64)
    return bool((found.log() - expected.log()).abs().max() <= tolerance)


@pytest.mark.parametrize("rule", ["geometric", "fan-in", "fan-out", "arithmetic"])
def test_scaling_of_weights_follows_the_closed_form(rule):
    """gamma_{l+1} / gamma_l = n_l V_l^2 / (n_{l+2} V_{l+1}^2); equal for the geometric mean (Prop. 5)."""
    variance = VARIANCE[rule]
    expected = [1.0]
    for a, b, c in zip(WIDTHS, WIDTHS[1:], WIDTHS[2:], strict=False):
        expected.append(expected[-1] * a * variance(a, b) ** 2 / (c * variance(b, c) ** 2))
    found = geometric_means(lambda g: mlp(WIDTHS, variance, g), (WIDTHS[0],), actual_samples=0)
    assert close(relative(found["weight"]), expected)
    if rule == "geometric":
        assert expected == pytest.approx([1, 1, 1, 1])
    else:  # the control: another rule is told apart
        assert not close(relative(found["weight"]), [1, 1, 1, 1])


@pytest.mark.parametrize(
    ("rule", "factor"), [("geometric", 1.0), ("geometric, c=1", 4.0), ("geometric, c=4", 0.25)]
)
def test_scaling_of_biases_grows_by_four_over_c_squared(rule, factor):
    found = geometric_means(lambda g: mlp(WIDTHS, VARIANCE[rule], g), (WIDTHS[0],), actual_samples=0)
    assert close(relative(found["bias"]), [factor**layer for layer in range(4)])
    assert close(relative(found["weight"]), [1, 1, 1, 1])


@pytest.mark.parametrize("rule", ["geometric", "fan-in"])
def test_scaling_predicts_gradients_and_hessian_blocks_of_each_sample(rule):
    """Props. 3 and 4; the mean logarithm of the ratio to the block is .05 to .11 at these widths."""
    found = geometric_means(
        lambda g: mlp(WIDTHS, VARIANCE[rule], g), (WIDTHS[0],), loss="random_quadratic", samples=32
    )
    assert close(found["weight_to_gradient"] / found["weight"], torch.ones(4))
    assert close(found["actual"] / found["weight"], torch.ones(4), tolerance=0.2)


def test_the_block_of_a_whole_batch_is_not_what_the_paper_factor_b_predicts(rng):
    """The control: blocks add up coherently over samples, so they outgrow b gamma; hence b = 1."""
    samples = 64
    net = mlp((64, 96, 48), VARIANCE["geometric"], rng)
    inputs = torch.randn(samples, 64, generator=rng)
    matrix = torch.randn(48, 48, generator=rng)

    def batch_loss(weight):
        outputs = functional_call(net, {"2.weight": weight}, (inputs,))
        return (outputs @ matrix * outputs).sum()

    direction = torch.randn(48, 96, generator=rng)
    _, product = torch.autograd.functional.hvp(batch_loss, net[2].weight.detach(), direction)
    labels = torch.zeros(samples, dtype=torch.long)
    entry = GrScaling(loss="random_quadratic", num_samples=None, actual_samples=None)(
        net, (inputs, labels), rng
    ).layers[1]
    assert entry.actual == pytest.approx(entry.weight, rel=0.35)  # one R and one r
    assert float(product.square().mean()) > 2 * samples * entry.weight


def test_scaling_of_convolutions_goes_with_the_kernel_area_and_alpha_undoes_it():
    """Sec. 5: 25/9, 1, 1/9 of the last; alpha = k^{-1/2} makes them equal."""
    kernels, ones, channels = (5, 3, 1, 3), (1, 1, 1, 1), (24,) * 5
    options = {"shape": (24, 8, 8), "samples": 4, "loss": "random_quadratic", "actual_samples": 0}
    plain = geometric_means(lambda g: conv_net(kernels, ones, channels, g), **options)
    assert close(plain["weight"] / plain["weight"][-1], [25 / 9, 1, 1 / 9, 1], tolerance=0.25)
    scaled = geometric_means(lambda g: conv_net(kernels, ones, channels, g, scaled=True), **options)
    assert close(scaled["weight"] / scaled["weight"][-1], torch.ones(4), tolerance=0.25)
    assert not close(plain["weight"] / plain["weight"][-1], torch.ones(4), tolerance=0.25)
    torch.testing.assert_close(  # the forward pass is the same, so gamma changes by alpha^4 = 1 / k^2
        scaled["weight"] * torch.tensor([25.0, 9, 1, 9]).double(), plain["weight"], rtol=1e-4, atol=0
    )


def test_strides_need_no_correction():
    strided = geometric_means(
        lambda g: conv_net((3, 3, 3, 3), (1, 2, 1, 2), (24,) * 5, g),
        (24, 12, 12),
        samples=8,
        loss="random_quadratic",
    )
    assert close(relative(strided["weight"]), torch.ones(4), tolerance=0.2)
    assert close(strided["actual"] / strided["weight"], torch.ones(4), tolerance=0.35)


def test_the_multiplier_may_stand_before_or_after_the_layer(rng):
    class Before(Scaled):
        def forward(self, inputs):
            return self.layer(self.scale * inputs)

    inputs, labels = torch.randn(6, 5, generator=rng), torch.randint(3, (6,), generator=rng)
    layer = nn.Linear(5, 8, bias=False)
    head = nn.Linear(8, 3)
    found = []
    for wrap in (Scaled, Before):
        net = nn.Sequential(wrap(layer, 0.5), nn.ReLU(), head)
        found.append(GrScaling()(net, (inputs, labels), torch.Generator().manual_seed(1)).rows())
    for one, other in zip(*found, strict=True):
        for key in ("weight", "weight_to_gradient", "actual"):
            assert one[key] == pytest.approx(other[key], rel=1e-5)


def test_chunks_do_not_change_the_result_and_num_samples_cuts_the_batch(rng):
    net = mlp((6, 12, 5), VARIANCE["geometric"], rng).double()
    inputs = torch.randn(20, 6, generator=rng, dtype=torch.float64)
    labels = torch.randint(5, (20,), generator=rng)

    def measure(**options):
        options = {"actual_samples": None, **options}
        return GrScaling(**options)(net, (inputs, labels), torch.Generator().manual_seed(2)).metrics()

    assert measure(chunk_size=3) == pytest.approx(measure(chunk_size=20), rel=1e-9)
    cut = GrScaling(num_samples=None, actual_samples=None)(
        net, (inputs[:7], labels[:7]), torch.Generator().manual_seed(2)
    )
    assert measure(num_samples=7) == pytest.approx(cut.metrics(), rel=1e-9)
    assert measure(num_samples=7) != pytest.approx(measure(), rel=1e-3)
    few, fewest = measure(actual_samples=7), measure(actual_samples=7, num_samples=7)
    assert few["gr_scaling/actual/0"] == pytest.approx(fewest["gr_scaling/actual/0"])
    assert few["gr_scaling/weight/0"] == pytest.approx(measure()["gr_scaling/weight/0"])


def test_norms_are_in_evaluation_mode_and_the_model_is_left_as_it_was(rng):
    net = nn.Sequential(
        Weight().wrap(nn.Conv2d(2, 4, 3)),
        Batch().activation(4),
        nn.ReLU(inplace=True),
        nn.Flatten(),
        nn.Linear(16, 3),
    )
    net[4].bias.requires_grad_(False)
    inputs, labels = torch.randn(5, 2, 4, 4, generator=rng), torch.randint(3, (5,), generator=rng)
    state = {name: value.clone() for name, value in net.state_dict().items()}
    found = GrScaling(heat_map=True)(net, (inputs, labels), rng)
    assert net.training
    assert [p.requires_grad for p in net.parameters()].count(False) == 1
    assert all(p.grad is None for p in net.parameters())
    assert all(not module._forward_hooks for module in net.modules())
    assert all(torch.equal(value, state[name]) for name, value in net.state_dict().items())
    alone = [GrScaling()(net, (inputs[i : i + 1], labels[i : i + 1]), rng) for i in range(5)]
    mean = sum(one.layers[0].gradient_moment for one in alone) / 5
    assert found.layers[0].gradient_moment == pytest.approx(mean, rel=1e-5)


def test_metrics_rows_and_figure_name_every_layer(rng, tmp_path):
    net = mlp((6, 12, 8, 5), VARIANCE["geometric"], rng)
    net[2].bias = None
    batch = torch.randn(9, 6, generator=rng), torch.randint(5, (9,), generator=rng)
    found = GrScaling(heat_map=True)(net, batch, rng)
    metrics = found.metrics()
    assert len(metrics) == 4 * 3 + 1 + 3 * 3  # of each layer, the spread, the blocks
    scalings = [metrics[f"gr_scaling/weight/{name}"] for name in "024"]
    assert metrics["gr_scaling/spread"] == max(scalings) / min(scalings)
    assert metrics["gr_scaling/block/2/4"] == found.heat_map[1][2]
    for quantity in ("weight", "bias", "weight_to_gradient", "actual"):
        for name in "024":
            value = metrics[f"gr_scaling/{quantity}/{name}"]
            assert value is None if (quantity, name) == ("bias", "2") else value > 0
    assert [row["layer"] for row in found.rows()] == ["0", "2", "4"]
    assert found.rows()[1]["block/4"] == found.heat_map[1][2]
    found.figure().savefig(tmp_path / "gr_scaling.png")
    assert (tmp_path / "gr_scaling.png").stat().st_size > 5000
    plain = GrScaling(actual_samples=0)(net, batch, rng)
    assert plain.metrics()["gr_scaling/actual/0"] is None
    assert "block/4" not in plain.rows()[1]


def test_a_layer_of_zeros_has_no_scaling(rng):
    net = mlp((6, 12, 5), VARIANCE["geometric"], rng)
    nn.init.zeros_(net[2].weight)
    batch = torch.randn(9, 6, generator=rng), torch.randint(5, (9,), generator=rng)
    found = GrScaling()(net, batch, rng)
    assert found.layers[1].weight is None
    assert found.layers[1].bias is None
    assert found.layers[1].weight_to_gradient is None
    assert found.layers[1].actual > 0
    found.figure()


def test_frozen_and_unused_layers_are_left_out_and_named(rng):
    net = mlp((6, 12, 8, 5), VARIANCE["geometric"], rng)
    net[2].weight.requires_grad_(False)
    net[0].extra = nn.Linear(2, 2)
    batch = torch.randn(9, 6, generator=rng), torch.randint(5, (9,), generator=rng)
    found = GrScaling()(net, batch, rng)
    assert [entry.layer for entry in found.layers] == ["0", "4"]
    assert found.left_out == (
        "2 Linear(12, 8) is frozen",
        "0.extra Linear(2, 2) is not used in the forward pass",
    )


def test_what_has_no_scaling_is_refused_in_a_sentence(rng):
    batch = torch.randn(9, 6, generator=rng), torch.randint(6, (9,), generator=rng)
    layer = nn.Linear(6, 6)
    with pytest.raises(Refused, match=r"0 Linear\(6, 6\) is used twice in one forward pass"):
        GrScaling()(nn.Sequential(layer, nn.ReLU(), layer), batch, rng)
    other = nn.Linear(6, 6)
    other.weight = layer.weight
    with pytest.raises(Refused, match=r"0 Linear\(6, 6\) and 1 Linear\(6, 6\) share a weight"):
        GrScaling()(nn.Sequential(layer, other), batch, rng)
    with pytest.raises(Refused, match="no trainable Linear or Conv layer"):
        GrScaling()(nn.Sequential(nn.Flatten()), batch, rng)
    with pytest.raises(Refused, match="inputs hold NaN or inf"):
        GrScaling()(layer, (batch[0] / 0, batch[1]), rng)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"loss": "mse"}, "gr_scaling.loss=mse: must be cross_entropy or random_quadratic"),
        ({"num_samples": 0}, "num_samples=0"),
        ({"chunk_size": 0}, "chunk_size=0"),
        ({"actual_samples": -1}, "actual_samples=-1: must be a whole number of at least 0"),
        ({"actual_samples": 0, "heat_map": True}, "actual_samples=0: must be at least 1 for the heat map"),
    ],
)
def test_an_option_out_of_range_is_refused(options, message):
    with pytest.raises(ConfigError, match=message):
        GrScaling(**options)


def test_the_config_file_holds_the_defaults():
    config = yaml.safe_load(Path("configs/diagnostic/gr_scaling.yaml").read_text())
    assert config.pop("_target_") == f"{GrScaling.__module__}.{GrScaling.__name__}"
    assert config == {field.name: field.default for field in fields(GrScaling)}
