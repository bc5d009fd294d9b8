import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from initlab.diagnostic.correlation import Correlation, alike
from initlab.errors import ConfigError, InitlabError
from initlab.init import initialize
from initlab.init.draw import orthogonal
from initlab.model.resnet_c import ResnetC
from initlab.norm.none import NoNorm

LABELS = torch.zeros(64, dtype=torch.long)


def kappa(rho: float) -> float:
    """Arc-cosine kernel: the cosine of ReLU features of wide random layers (RISOTTO, Sec. 2.2)."""
    return (math.sqrt(1 - rho**2) + rho * (math.pi - math.acos(rho))) / math.pi


def pair_with_cosine(rho: float, size: int) -> Tensor:
    first, second = torch.eye(size)[:2]
    return torch.stack([first, rho * first + math.sqrt(1 - rho**2) * second])


def test_relu_layers_draw_inputs_together_as_the_arc_cosine_kernel_says():
    torch.manual_seed(0)
    width, rho = 2000, 0.1396
    model = nn.Sequential(
        nn.Linear(50, width), nn.ReLU(), nn.Linear(width, width), nn.ReLU(), nn.Linear(width, 3)
    )
    for layer in (model[0], model[2]):
        nn.init.normal_(layer.weight, std=layer.in_features**-0.5)
        nn.init.zeros_(layer.bias)
    start, first, second, _ = Correlation()(
        model, (pair_with_cosine(rho, 50), LABELS[:2]), torch.Generator()
    ).likenesses
    assert start.cosine == pytest.approx(rho, abs=1e-6)
    assert first.cosine == pytest.approx(rho, abs=0.06)
    assert first.cosine_post == pytest.approx(kappa(first.cosine), abs=0.06)
    assert second.cosine == pytest.approx(first.cosine_post, abs=0.06)
    assert second.cosine_post == pytest.approx(kappa(kappa(rho)), abs=0.06)


def test_an_orthogonal_linear_network_keeps_every_cosine(rng):
    model = nn.Sequential(*[nn.Linear(8, 8, bias=False, dtype=torch.float64) for _ in range(6)])
    for layer in model:
        layer.weight.data.copy_(orthogonal((8, 8), rng))
    inputs = torch.randn(5, 8, dtype=torch.float64, generator=rng)
    start, *rest = Correlation()(model, (inputs, LABELS[:5]), rng).likenesses
    for likeness in rest:
        assert likeness.cosine == pytest.approx(start.cosine, abs=1e-14)
        assert likeness.cosine_std == pytest.approx(start.cosine_std, abs=1e-14)
        assert likeness.cosine_post is None


@given(
    seed=st.integers(0, 2**16), count=st.integers(2, 7), scale=st.sampled_from([1e-200, 1e-30, 1.0, 1e200])
)
@settings(max_examples=25, deadline=None)
def test_pearson_and_cosine_are_those_of_numpy_at_any_scale(seed, count, scale):
    rows = torch.randn(count, 11, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    cosines, pearsons = alike(rows * scale, "all")
    upper = np.triu_indices(count, 1)
    units = (rows / rows.norm(dim=1, keepdim=True)).numpy()
    np.testing.assert_allclose(pearsons, np.corrcoef(rows.numpy())[upper], atol=1e-12)
    np.testing.assert_allclose(cosines, (units @ units.T)[upper], atol=1e-12)


def test_adjacent_pairs_are_disjoint(rng):
    rows = torch.randn(5, 6, generator=rng)
    every, adjacent = alike(rows, "all")[0], alike(rows, "adjacent")[0]
    assert len(every) == 10
    assert adjacent.tolist() == pytest.approx([every[0].item(), every[7].item()])  # (0, 1) and (2, 3)


class Block(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(4, 4, 3, padding=1)

    def forward(self, inputs: Tensor) -> Tensor:
        return torch.relu_(self.conv(inputs) + inputs)


def test_blocks_stem_and_head_are_measured_and_layers_inside_blocks_are_not(rng):
    model = nn.Sequential(
        nn.Conv2d(3, 4, 3),
        nn.ReLU(),
        Block(),
        Block(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(4, 2),
    )
    inputs = torch.randn(3, 3, 6, 6, generator=rng)
    result = Correlation()(model, (inputs, LABELS[:3]), rng)
    assert [likeness.block for likeness in result.likenesses] == ["input", "0", "2", "3", "6"]
    z = model[2].conv(model[:2](inputs)) + model[:2](inputs)
    assert result.metrics()["correlation/cosine/2"] == pytest.approx(
        alike(z.flatten(1), "all")[0].mean().item()
    )
    x = torch.relu(z).flatten(1)
    assert result.metrics()["correlation/cosine_post/2"] == pytest.approx(alike(x, "all")[0].mean().item())


def test_outputs_that_are_zero_have_no_cosine(rng):
    model = nn.Sequential(nn.Linear(4, 3))
    nn.init.zeros_(model[0].weight)
    nn.init.zeros_(model[0].bias)
    last = Correlation()(model, (torch.randn(3, 4, generator=rng), LABELS[:3]), rng).likenesses[-1]
    assert last.cosine is None
    assert last.pearson is None


def test_one_input_has_nothing_to_be_compared_with(rng):
    with pytest.raises(InitlabError, match="at least two"):
        Correlation()(nn.Sequential(nn.Linear(4, 3)), (torch.randn(1, 4), LABELS[:1]), rng)


@pytest.mark.parametrize("option", ["pairs", "statistics", "precision"])
def test_an_option_that_does_not_exist_is_refused(option):
    with pytest.raises(ConfigError, match=f"correlation.{option}=maybe: must be"):
        Correlation(**{option: "maybe"})


# RISOTTO, Fig. 2b: five Type C blocks of 32 channels, one pair of images per draw of the weights.

FIG_2B = {
    "risotto": ({}, {}),
    "he": ({}, {"mode": "fan_out"}),
    "fixup": ({"scalar_biases": True}, {}),
    "skipinit": ({}, {}),
}


def cosines_of_a_pair(init: str, size: int, seed: int) -> torch.Tensor:
    """Cosines of two smooth images and, of the pre-activations, after the stem and each of five blocks."""
    model_options, options = FIG_2B[init]
    rng = torch.Generator().manual_seed(seed)
    coarse = torch.randn(2, 3, 4, 4, generator=rng, dtype=torch.float64)
    images = nn.functional.interpolate(coarse, size=(size, size), mode="bilinear")
    model = ResnetC(
        stages=[5], widths=[32], strides=[1], norm=NoNorm(),
        input_shape=(3, size, size), num_classes=10, **model_options,
    ).double()  # fmt: skip
    initialize(model, init, rng, **options)
    found = Correlation()(model, (images, torch.zeros(2, dtype=torch.long)), rng).likenesses
    assert [likeness.block for likeness in found[1:-1]] == ["stem", *(f"stages.0.{i}" for i in range(5))]
    return torch.tensor([likeness.cosine for likeness in found[:-1]], dtype=torch.float64)


@pytest.mark.parametrize(
    ("size", "runs"), [(16, 5), pytest.param(32, 50, id="full size", marks=pytest.mark.slow)]
)
def test_risotto_keeps_every_cosine_and_the_other_inits_draw_inputs_together(size, runs):
    each = {
        init: torch.stack([cosines_of_a_pair(init, size, seed) for seed in range(runs)]) for init in FIG_2B
    }
    drift = (each["risotto"] - each["risotto"][:, :1]).abs().max()
    assert drift < 1e-6
    assert all((each[init] - each[init][:, :1]).abs().max() > 0.3 for init in FIG_2B if init != "risotto")
    means = {init: cosines.mean(0) for init, cosines in each.items()}
    last = {init: float(cosines[-1]) for init, cosines in means.items()}
    assert last["he"] > last["fixup"] > last["risotto"] + 0.3
    # Fixup and SkipInit have the same law here, and He's curve rises at every block. Over draws the last
    # cosine has a standard deviation of about 0.1.
    assert last["skipinit"] == pytest.approx(last["fixup"], abs=4 * 0.1 * (2 / runs) ** 0.5)
    assert bool((means["he"][1:].diff() > 0).all())
