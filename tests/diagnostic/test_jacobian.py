import math

import pytest
import torch
from torch import Tensor, nn

from initlab.diagnostic.jacobian import Jacobian
from initlab.errors import ConfigError, InitlabError
from initlab.init.draw import orthogonal
from initlab.model.mlp import Mlp
from initlab.norm.none import NoNorm

LABELS = torch.zeros(2, dtype=torch.long)


def delta_(conv: nn.Conv2d, matrix: Tensor) -> None:
    """Zero kernels but for ``matrix``, (out, in), at the centre."""
    nn.init.zeros_(conv.weight)
    nn.init.zeros_(conv.bias)
    middle = conv.kernel_size[0] // 2
    conv.weight.data[:, :, middle, middle] = matrix


def looks_linear(matrix: Tensor) -> Tensor:
    return torch.cat([torch.cat([matrix, -matrix], 1), torch.cat([-matrix, matrix], 1)])


class TypeC(nn.Module):
    """A RISOTTO block: relu(W2 relu(W1 x) + S x) is the looks-linear image of an orthogonal M."""

    def __init__(self, channels: int, stride: int, alpha: float, rng: torch.Generator) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, channels, 3, stride, 1, dtype=torch.float64)
        self.conv2 = nn.Conv2d(channels, channels, 3, 1, 1, dtype=torch.float64)
        self.shortcut = nn.Conv2d(channels, channels, 1, stride, dtype=torch.float64)
        u1, u2, m = (orthogonal((channels // 2, channels // 2), rng) for _ in range(3))
        delta_(self.conv1, looks_linear(u1))
        delta_(self.conv2, alpha * looks_linear(u2))
        delta_(self.shortcut, looks_linear(m - alpha * u2 @ u1))

    def forward(self, inputs: Tensor) -> Tensor:
        return torch.relu(self.conv2(torch.relu(self.conv1(inputs))) + self.shortcut(inputs))


class Risotto(nn.Module):
    def __init__(
        self, strides: tuple[int, ...], rng: torch.Generator, channels: int = 8, alpha: float = 1.0
    ) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, channels, 3, padding=1, dtype=torch.float64)
        u0 = orthogonal((channels // 2, 3), rng)
        delta_(self.stem, torch.cat([u0, -u0]))
        self.blocks = nn.Sequential(*[TypeC(channels, stride, alpha, rng) for stride in strides])
        self.head = nn.Linear(channels, 10, dtype=torch.float64)

    def forward(self, inputs: Tensor) -> Tensor:
        return self.head(self.blocks(torch.relu(self.stem(inputs))).mean((2, 3)))


def image(rng: torch.Generator, side: int = 6, dtype: torch.dtype = torch.float64) -> tuple[Tensor, Tensor]:
    return torch.randn(2, 3, side, side, generator=rng, dtype=dtype), LABELS


@pytest.mark.parametrize("alpha", [0.3, 1.0, 2.0])
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-10), (torch.float32, 1e-5)])
def test_a_risotto_network_is_an_isometry_from_the_image(alpha, dtype, tolerance, rng):
    model = Risotto((1, 1, 1), rng, alpha=alpha).to(dtype)
    features = Jacobian(outputs="features", blocks=0)(model, image(rng, dtype=dtype), rng).features
    assert features.exact
    assert len(features.values) == 3 * 6 * 6
    assert features.sigma_min == pytest.approx(1, abs=tolerance)
    assert features.sigma_max == pytest.approx(1, abs=tolerance)
    assert features.num_zero == 0


def test_lanczos_ends_at_once_on_an_isometry(rng):
    features = Jacobian(method="lanczos", blocks=0)(Risotto((1, 1), rng), image(rng), rng).features
    assert len(features.values) == 1
    assert features.sigma_min == features.sigma_max == pytest.approx(1, abs=1e-12)
    assert features.num_zero is None


@pytest.mark.parametrize(("strides", "side", "ones", "zeros"), [((2,), 6, 27, 81), ((2, 2), 8, 12, 116)])
def test_strides_leave_ones_on_sampled_pixels_and_zeros_elsewhere(strides, side, ones, zeros, rng):
    model = Risotto(strides, rng, channels=32)
    features = Jacobian(outputs="features", blocks=0)(model, image(rng, side), rng).features
    smaller = min(3 * side**2, features.outputs)
    assert (smaller, features.num_zero) == (ones + zeros, zeros)
    assert list(features.values[:ones]) == pytest.approx([1] * ones, abs=1e-5)


def test_a_block_is_isometric_on_active_units_and_not_on_all(rng):
    block = Jacobian(outputs="features")(Risotto((1, 1), rng), image(rng), rng).blocks[1]
    half = 8 * 36 // 2
    assert block.block == "blocks.1"
    assert list(block.raw.values[:half]) == pytest.approx(
        [math.sqrt(2)] * half, abs=1e-5
    )  # Thm 2.11, raw: false
    assert block.raw.num_zero == half
    assert len(block.active.values) == half
    assert block.active.sigma_min == pytest.approx(1, abs=1e-5)
    assert block.active.sigma_max == pytest.approx(1, abs=1e-5)


def test_a_branch_at_the_wrong_scale_is_no_isometry(rng):
    model = Risotto((1, 1), rng)
    for block in model.blocks:
        block.conv2.weight.data.mul_(2**0.5)
    assert Jacobian(outputs="features", blocks=0)(model, image(rng), rng).features.sigma_min < 0.9


def test_a_linear_network_has_the_singular_values_of_its_product(rng):
    torch.manual_seed(0)
    model = nn.Sequential(nn.Flatten(), *[nn.Linear(a, b) for a, b in ((12, 9), (9, 7), (7, 4))]).double()
    inputs = torch.randn(2, 3, 2, 2, generator=rng, dtype=torch.float64)
    result = Jacobian()(model, (inputs, LABELS), rng)
    first, second, third = (layer.weight.detach() for layer in model[1:])
    expected = torch.linalg.svdvals(second @ first)  # the features are what the head is given
    assert list(result.features.values) == pytest.approx(expected.tolist(), abs=1e-12)
    expected = torch.linalg.svdvals(third @ second @ first)
    assert list(result.logits.values) == pytest.approx(expected.tolist(), abs=1e-12)
    assert result.blocks == ()


def test_the_logits_of_a_looks_linear_head_see_three_colours(rng):
    model = Risotto((1,), rng)
    half = model.head.weight.data[:, :4]
    model.head.weight.data = torch.cat([half, -half], 1)
    inputs = image(rng)[0]
    logits = Jacobian(outputs="logits", blocks=0)(model, (inputs, LABELS), rng).logits
    assert len(logits.values) - logits.num_zero == 3  # pooling a mirrored map leaves the mean colour
    dense = Jacobian(outputs="logits", blocks=0)(Risotto((1,), rng), (inputs, LABELS), rng).logits
    assert dense.num_zero < 7


def test_metrics_have_their_fixed_names(rng):
    metrics = Jacobian()(Risotto((1,), rng), image(rng), rng).metrics()
    for scope in ("", "logits/", "block/blocks.0/", "block/blocks.0/active/"):
        for name in ("sigma_min", "sigma_max", "num_zero"):
            assert f"jacobian/{scope}{name}" in metrics


def test_blocks_are_chosen_evenly(rng):
    found = Jacobian(outputs="features", blocks=3, method="lanczos", lanczos_steps=1)(
        Risotto((1,) * 5, rng), image(rng), rng
    )
    assert [block.block for block in found.blocks] == ["blocks.0", "blocks.2", "blocks.4"]


def test_the_input_index_chooses_the_input(rng):
    model, given = Mlp(2, 8, (3, 2, 2), 4, NoNorm()).double(), image(rng, 2)
    first, second = (Jacobian(input_index=i)(model, given, rng).logits.values for i in (0, 1))
    assert second == Jacobian()(model, (given[0][1:], LABELS[1:]), rng).logits.values
    assert first != second
    with pytest.raises(InitlabError, match="the batch holds 2 inputs"):
        Jacobian(input_index=2)(model, given, rng)


def test_a_block_of_two_arguments_has_no_spectrum_of_its_own(rng):
    class Pair(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.Linear(3, 3)

        def forward(self, one: Tensor, other: Tensor) -> Tensor:
            return self.layer(one) + other

    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.pairs = nn.ModuleList([Pair(), Pair()])

        def forward(self, inputs: Tensor) -> Tensor:
            return self.pairs[1](self.pairs[0](inputs, inputs), inputs)

    result = Jacobian()(Net(), (torch.randn(2, 3, generator=rng), LABELS), rng)
    assert [(block.raw, block.active) for block in result.blocks] == [(None, None)] * 2
    assert result.metrics()["jacobian/block/pairs.0/sigma_max"] is None


def test_batch_norm_without_running_statistics_is_refused(rng):
    model = nn.Sequential(nn.Linear(4, 4), nn.BatchNorm1d(4, track_running_stats=False), nn.Linear(4, 2))
    with pytest.raises(InitlabError, match=r"^1 keeps no running statistics"):
        Jacobian()(model, (torch.randn(2, 4), LABELS), rng)


@pytest.mark.parametrize(
    "option",
    [
        {"outputs": "all"},
        {"method": "svd"},
        {"precision": "half"},
        {"blocks": -1},
        {"exact_limit": 1.5},
        {"lanczos_steps": 0},
        {"input_index": True},
        {"chunk": 0},
        {"zero_tolerance": 2.0},
    ],
)
def test_an_option_that_makes_no_sense_is_refused(option):
    (name,) = option
    with pytest.raises(ConfigError, match=f"jacobian.{name}="):
        Jacobian(**option)
