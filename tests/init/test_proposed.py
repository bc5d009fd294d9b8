"""The theorems of Arpit et al. 2019, and what their Fig. 1 shows."""

from math import exp, lgamma, log, pi, prod

import pytest
import torch
from torch import Generator, nn

from initlab.errors import ConfigError, Refused
from initlab.init import initialize
from initlab.init.proposed import Proposed
from initlab.model.mlp import Mlp
from initlab.model.resnet_cifar import ResnetCifar
from initlab.model.wrn import Wrn
from initlab.norm.base import gain_of, set_gain_
from initlab.norm.none import NoNorm
from initlab.norm.weight import Weight
from initlab.site import Role
from synthetic import (
    FullyConnectedStage,
    set_all_gains_,
    set_layer_,
    squared_norm_ratio,
)

DIRECTIONS = ["orthogonal", "he"]


# Theorem 1: one layer, forward.


def mean_over_draws(layer, init, inputs, rng, gain=None, num_draws=300):
    """Mean of ``||relu(W u)||^2 / ||u||^2`` over draws of the layer."""
    ratios = []
    for _ in range(num_draws):
        set_layer_(layer, init, rng)
        if gain is not None:
            set_gain_(layer, gain)
        with torch.no_grad():
            ratios.append(squared_norm_ratio(layer(inputs).relu(), inputs).mean())
    return float(torch.stack(ratios).mean())


# One draw spreads by .27 for 64 units and .13 for 256: 3 standard errors of 300 draws are .047 at most.
@pytest.mark.parametrize("directions", DIRECTIONS)
@pytest.mark.parametrize(("fan_in", "fan_out"), [(256, 64), (64, 256), (128, 128)])
def test_theorem_1_the_mean_squared_norm_is_kept(directions, fan_in, fan_out, rng):
    layer = Weight().wrap(nn.Linear(fan_in, fan_out))
    inputs = torch.randn(1, fan_in, generator=rng)
    assert mean_over_draws(layer, Proposed(directions), inputs, rng) == pytest.approx(1, abs=0.06)


def test_theorem_1_fails_with_gain_1(rng):
    layer = Weight().wrap(nn.Linear(256, 64))
    inputs = torch.randn(1, 256, generator=rng)
    ratio = mean_over_draws(layer, Proposed(), inputs, rng, gain=1.0)
    assert ratio == pytest.approx(64 / (2 * 256), rel=0.06)


def sphere_area(n):
    """Logarithm of the surface area of the unit sphere of dimension n, in n + 1 dimensions."""
    return log(2) + (n + 1) / 2 * log(pi) - lgamma((n + 1) / 2)


def k(n, even_product):
    """K_n as in Eq. 3, which gives even n the product 2/3 * 4/5 ..., or as in Eq. 9, which gives it odd n."""
    if (n % 2 == 0) is even_product:
        product = prod(i / (i + 1) for i in range(2, n - 1, 2))
    else:
        product = pi / 2 * prod(i / (i + 1) for i in range(1, n - 1, 2))
    return 2 * exp(sphere_area(n - 1) - sphere_area(n)) * product


def test_the_constant_of_theorem_1_is_1_in_every_dimension():
    """``S_n`` is the area of the sphere in n + 1 dimensions. Eq. 3 has the parity right, Eq. 9 wrong."""
    assert [k(n, even_product=True) for n in range(2, 102)] == pytest.approx([1] * 100, abs=1e-12)
    wrong = [k(n, even_product=False) for n in (2, 3, 4, 5, 10, 100)]
    assert wrong == pytest.approx([1.5708, 1.2732, 1.178, 1.132, 1.057, 1.0051], abs=1e-3)


@pytest.mark.parametrize("n", [2, 3, 10])
def test_half_of_the_squared_cosine_is_on_the_side_that_a_relu_keeps(n, rng):
    directions = torch.randn(100_000, n, generator=rng, dtype=torch.float64)
    kept = (directions[:, 0].relu() / directions.norm(dim=1)).square()
    error = float(kept.std()) / 100_000**0.5
    assert float(kept.mean()) == pytest.approx(1 / (2 * n), abs=4 * error)


# Theorem 2: one layer, backward.


@pytest.mark.parametrize("directions", DIRECTIONS)
@pytest.mark.parametrize(("gain_mode", "fan_ratio"), [("backward", 1.0), ("forward", 256 / 64)])
def test_theorem_2_backward_gains_keep_the_gradients_norm(directions, gain_mode, fan_ratio, rng):
    """``v = sqrt(2) z * (R^T u)`` with a fair coin for each z; forward gains multiply by n_in / n_out."""
    layer = Weight().wrap(nn.Linear(256, 64))
    gradient = torch.randn(1, 64, generator=rng)
    ratios = []
    for _ in range(300):
        set_layer_(layer, Proposed(directions, gain_mode), rng)
        active = torch.randint(0, 2, (256,), generator=rng)
        ratios.append(squared_norm_ratio(active * (gradient @ layer.weight.detach()), gradient))
    assert float(torch.cat(ratios).mean()) == pytest.approx(fan_ratio, rel=0.06)


# Fig. 1, top: 20 layers of random widths.


def plain_network(mean_width, directions, rng):
    """A network with 20 ReLU layers as in Fig. 1 (top), and 1000 inputs."""
    widths = torch.randint(mean_width - 50, mean_width + 50, (20,), generator=rng).tolist()
    model = Mlp(20, widths, input_shape=(500,), num_classes=10, norm=Weight())
    initialize(model, Proposed(directions), rng)
    return model, widths, torch.randn(1000, 500, generator=rng)


def norms_per_layer(model, inputs, rng):
    """Mean norm ratios ``||h^l|| / ||x||`` and, of the gradients, ``||da^l|| / ||da^20||``."""
    before, after, hidden = [], [], inputs
    for module in list(model.hidden)[1:]:
        hidden = module(hidden)
        if isinstance(module, nn.ReLU):
            after.append(hidden.detach())
        else:
            hidden.retain_grad()
            before.append(hidden)
    before[-1].backward(torch.randn(before[-1].shape, generator=rng))
    last = before[-1].grad.norm(dim=1)
    forward = [float((h.norm(dim=1) / inputs.norm(dim=1)).mean()) for h in after]
    return forward, [float((a.grad.norm(dim=1) / last).mean()) for a in before]


# One draw multiplies twenty factors that each spread by about sqrt(5 / width) in the squared norm.
FIGURE_1_TOP = [
    pytest.param(200, "orthogonal", 0.5, 1.6, id="orthogonal-200"),
    pytest.param(200, "he", 0.4, 2.5, id="he-200"),
    pytest.param(1000, "orthogonal", 0.85, 1.2, id="orthogonal-1000", marks=pytest.mark.slow),
    pytest.param(1000, "he", 0.75, 1.4, id="he-1000", marks=pytest.mark.slow),
]


@pytest.mark.parametrize(("mean_width", "directions", "low", "high"), FIGURE_1_TOP)
def test_twenty_layers_keep_norms_forward_and_backward(mean_width, directions, low, high, rng):
    model, widths, inputs = plain_network(mean_width, directions, rng)
    forward, backward = norms_per_layer(model, inputs, rng)
    assert low < min(forward) <= max(forward) < high
    # With forward gains the ratio of squared gradient norms telescopes to n_l / n_20.
    corrected = [ratio * (widths[-1] / width) ** 0.5 for ratio, width in zip(backward, widths, strict=True)]
    assert low < min(corrected) <= max(corrected) < high


def test_with_gain_1_twenty_layers_lose_the_norm(rng):
    model, widths, inputs = plain_network(200, "orthogonal", rng)
    set_all_gains_(model, 1.0)
    forward, _ = norms_per_layer(model, inputs, rng)
    assert forward[0] == pytest.approx((widths[0] / 500 / 2) ** 0.5, rel=0.1)
    assert forward[-1] == pytest.approx(2**-10 * (widths[-1] / 500) ** 0.5, rel=0.6)
    assert forward[-1] < 0.002


def test_backward_gains_keep_the_gradient_without_correction(rng):
    model, _, inputs = plain_network(200, "orthogonal", rng)
    initialize(model, Proposed(gain_mode="backward"), rng)
    _, backward = norms_per_layer(model, inputs, rng)
    assert 0.5 < min(backward) <= max(backward) < 1.6


# Theorems 3 and 4, and Fig. 1, bottom: one stage of residual blocks.


def stage_norms(num_blocks, directions, rng, gain=None):
    """Mean norm ratios of the output, of the gradient of the input, and of that after the first block."""
    model = FullyConnectedStage(num_blocks, width=500, hidden=200)
    initialize(model, Proposed(directions), rng)
    if gain is not None:
        set_all_gains_(model, gain)
    inputs = torch.randn(200, 500, generator=rng, requires_grad=True)
    first = model[0](inputs)
    first.retain_grad()
    outputs = first
    for block in list(model)[1:]:
        outputs = block(outputs)
    error = torch.randn(200, 500, generator=rng)
    outputs.backward(error)
    pairs = [(outputs.detach(), inputs.detach()), (inputs.grad, error), (first.grad, error)]
    return [float((top.norm(dim=1) / bottom.norm(dim=1)).mean()) for top, bottom in pairs]


@pytest.mark.parametrize("directions", DIRECTIONS)
@pytest.mark.parametrize("num_blocks", [1, 2, 3, 40])
def test_a_stage_multiplies_norms_by_a_constant_below_sqrt_e(num_blocks, directions, rng):
    """The norm ratio is (1 + 1/B)^(B/2); the gradient after the first block passes one block less."""
    growth = 1 + 1 / num_blocks
    expected = [growth ** (num_blocks / 2)] * 2 + [growth ** ((num_blocks - 1) / 2)]
    # Hidden width 200 and 200 inputs: each block's share 1/B spreads by about 5%.
    assert stage_norms(num_blocks, directions, rng) == pytest.approx(expected, rel=0.03)


def test_with_gain_1_a_stage_explodes(rng):
    """Every block with 500 inputs and outputs multiplies the squared norm by 1 + 1/2."""
    assert stage_norms(1, "orthogonal", rng, gain=1.0)[0] == pytest.approx(1.5**0.5, rel=0.03)
    assert stage_norms(40, "orthogonal", rng, gain=1.0)[0] == pytest.approx(1.5**20, rel=0.3)


# Convolutions: the total squared norm is kept with circular padding, at stride 1.


CONVOLUTIONS = [  # out, in, kernel; ratio with zero padding on 16x16
    (64, 32, 3, 0.918),
    (32, 32, 3, 0.918),
    (16, 32, 3, 0.918),
    (64, 32, 1, 1.0),
    (64, 32, 5, 0.8556),
]


def convolution_ratio(out_channels, in_channels, kernel, rng, padding_mode, stride=1):
    layer = nn.Conv2d(
        in_channels, out_channels, kernel, stride, padding=kernel // 2, padding_mode=padding_mode
    )
    images = torch.randn(16, in_channels, 16, 16, generator=rng)
    return mean_over_draws(Weight().wrap(layer), Proposed(), images, rng, num_draws=4)


@pytest.mark.parametrize(("out_channels", "in_channels", "kernel", "with_zeros"), CONVOLUTIONS)
def test_a_convolution_keeps_the_total_norm_but_for_what_zero_padding_loses(
    out_channels, in_channels, kernel, with_zeros, rng
):
    """Zero padding loses ``((3r - 2) / 3r)^2`` of a 3x3 window on r x r pixels."""
    circular, zeros = (
        convolution_ratio(out_channels, in_channels, kernel, rng, padding)
        for padding in ("circular", "zeros")
    )
    assert circular == pytest.approx(1, abs=0.02)
    assert zeros == pytest.approx(with_zeros, abs=0.02)


def test_stride_2_keeps_a_quarter_of_the_total_norm(rng):
    assert convolution_ratio(64, 32, 3, rng, "circular", stride=2) == pytest.approx(0.25, abs=0.01)


def second_moments(padding_mode, num_draws=4):
    """Mean square of the units of WRN-40-2 after the stem and after each stage, over draws."""
    moments = []
    for seed in range(num_draws):
        rng = Generator().manual_seed(seed)
        model = Wrn(6, 2, 16, 2, padding_mode, input_shape=(3, 16, 16), num_classes=10, norm=Weight())
        initialize(model, Proposed(), rng)
        with torch.no_grad():
            stream = model.stem(torch.randn(8, 3, 16, 16, generator=rng))
            streams = [stream]
            for stage in model.stages:
                streams.append(stage(streams[-1]))
        moments.append([float(stream.square().mean()) for stream in streams])
    return torch.tensor(moments).mean(0)


def test_a_stage_of_a_network_multiplies_the_second_moment_as_predicted():
    """Stem ``3/16``; a stage ``c_in / c_out (1 + 1/B)^B``: strides lose norm and units alike."""
    growth = (1 + 1 / 6) ** 6
    expected = 3 / 16 * torch.tensor([1, growth / 2, growth**2 / 4, growth**3 / 8])
    torch.testing.assert_close(second_moments("circular"), expected, rtol=0.15, atol=0)


def test_zero_padding_loses_second_moment_in_every_stage():
    assert bool((second_moments("zeros", 1) < 0.95 * second_moments("circular", 1)).all())


# The gains themselves.


def test_gains_of_a_wide_residual_network(rng):
    model = Wrn(4, 2, 16, 3, "zeros", input_shape=(3, 8, 8), num_classes=10, norm=Weight())
    initialize(model, Proposed(), rng)
    for site in model.sites():
        if site.role is Role.HEAD:
            continue
        gamma = 1 / 4 if site.last_in_branch else 2 if site.role is Role.BRANCH else 1
        expected = (gamma * site.fan_in / site.fan_out) ** 0.5
        gains = gain_of(site.layer)
        torch.testing.assert_close(gains, torch.full_like(gains, expected))
        assert not bool(site.layer.bias.any())


@pytest.mark.parametrize(("stem_gamma", "gamma"), [(None, 1.0), (2.0, 2.0)])
def test_the_stem_follows_the_rule_or_the_papers_code(stem_gamma, gamma, rng):
    model = ResnetCifar(8, input_shape=(3, 8, 8), num_classes=10, norm=Weight())
    initialize(model, Proposed(stem_gamma=stem_gamma), rng)
    gains = gain_of(model.stem)
    torch.testing.assert_close(gains.square() * 16 / 3, torch.full_like(gains, gamma))


def test_needs_gains_and_knowledge_of_relus(rng):
    with pytest.raises(
        Refused, match=r"Proposed sets gains and hidden.1 Linear\(3, 4\) has none: .*norm=weight"
    ):
        initialize(Mlp(1, 4, (3,), 2, NoNorm()), Proposed(), rng)
    with pytest.raises(Refused, match=r"Proposed needs a network that says where its ReLUs .* of 0 Linear"):
        initialize(nn.Sequential(Weight().wrap(nn.Linear(3, 3))), Proposed(), rng)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"directions": "uniform"}, "init.directions=uniform: must be orthogonal or he"),
        ({"gain_mode": "both"}, "init.gain_mode=both: must be forward or backward"),
        ({"stem_gamma": 0.0}, "init.stem_gamma=0.0: must be positive, or null for the rule"),
    ],
)
def test_bad_options_are_refused(options, sentence):
    with pytest.raises(ConfigError, match=f"^{sentence}$"):
        Proposed(**options)
