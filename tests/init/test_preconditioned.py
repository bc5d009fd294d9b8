import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from initlab.errors import ConfigError, Refused
from initlab.init.preconditioned import (
    Preconditioned,
    balanced_input_moment,
    branch_share,
    layer_alphas,
    residual_betas,
)
from initlab.model.mlp import Mlp
from initlab.norm.none import NoNorm
from initlab.site import Role, Site

SCALES = st.lists(st.floats(0.01, 100), min_size=1, max_size=8)


@given(scales=SCALES)
def test_the_corrected_beta_cancels_the_share_of_the_branch(scales):  # GR scaling (p / beta^2)^2, App. E.1
    balanced = [branch_share(s) / b**2 for s, b in zip(scales, residual_betas(scales), strict=True)]
    assert balanced == pytest.approx([balanced[0]] * len(scales))


@given(scale=st.floats(0.01, 100), length=st.integers(1, 8))
def test_equal_blocks_need_no_beta_in_any_form(scale, length):
    for form in ("corrected", "paper", "none"):
        assert residual_betas([scale] * length, form) == [1.0] * length


@given(scales=SCALES)
def test_the_papers_recursion_is_the_printed_one(scales):
    squares = [beta**2 for beta in residual_betas(scales, "paper")]
    for before, after, s, t in zip(squares, squares[1:], scales, scales[1:], strict=False):
        assert after == pytest.approx(before * (1 + t**2) / (1 + s**2))


def test_the_papers_recursion_leaves_blocks_of_falling_scale_unbalanced():  # the control
    scales = (1.0, 0.8, 0.5, 0.3, 0.6)
    left = [
        (branch_share(s) / b**2) ** 2 for s, b in zip(scales, residual_betas(scales, "paper"), strict=True)
    ]
    assert [x / left[0] for x in left] == pytest.approx([1, 0.906, 0.410, 0.0918, 0.606], rel=0.002)


class Unit(nn.Module):
    def __init__(self, residual_scale=1.0, skip_scale=1.0):
        super().__init__()
        self.residual_scale = nn.Parameter(torch.tensor(residual_scale))
        self.skip_scale = skip_scale


def site(kernel=1, role=Role.HIDDEN, unit=None):
    return Site(f"{role}", nn.Conv2d(2, 2, kernel), role, unit=unit)


def test_a_bottleneck_block_has_the_multipliers_of_the_paper():  # App. E: 1/beta, 1/(sqrt(3) beta), 1/beta
    units = [Unit(1.0), Unit(0.5)]
    sites = [site(k, Role.BRANCH, unit) for unit in units for k in (1, 3, 1)]
    beta = residual_betas([1.0, 0.5])[1]
    expected = [1, 3**-0.5, 1, 1 / beta, 3**-0.5 / beta, 1 / beta]
    assert layer_alphas(sites) == pytest.approx(expected)


def test_the_head_is_balanced_with_the_last_block_and_in_the_papers_form_with_flat_scales_alone():
    for scales, agree in (([0.5, 0.5], True), ([1.0, 0.5], False)):
        chain = [site(7, Role.STEM), *(site(3, Role.BRANCH, Unit(s)) for s in scales), site(1, Role.HEAD)]
        ours, papers = layer_alphas(chain)[-1], layer_alphas(chain, "paper")[-1]
        assert papers**2 == pytest.approx(branch_share(scales[-1]))
        assert (ours == pytest.approx(papers)) == agree


def test_without_beta_only_kernel_sizes_count():
    chain = [site(7, Role.STEM), site(3, Role.BRANCH, Unit(0.5)), site(1, Role.HEAD)]
    assert layer_alphas(chain, "none") == pytest.approx([7**-0.5, 3**-0.5, 1])


def test_only_the_ratio_of_the_two_scales_of_a_block_counts():
    def alphas(*scales):
        chain = [site(1, Role.STEM), *(site(3, Role.BRANCH, Unit(*pair)) for pair in scales)]
        return layer_alphas(chain)

    assert alphas((0.5, 1.0), (0.3, 1.0)) == pytest.approx(alphas((-0.2, 0.4), (0.6, 2.0)))


def test_a_block_closed_by_a_zero_is_refused():
    with pytest.raises(Refused, match="its residual_scale is 0"):
        layer_alphas([site(3, Role.BRANCH, Unit(0.0))])
    with pytest.raises(Refused, match="its skip_scale is 0"):
        layer_alphas([site(3, Role.BRANCH, Unit(1.0, 0.0))])


@pytest.mark.parametrize(
    ("channels", "kernel", "moment", "std"), [(3, 3, 0.19245, 0.4387), (3, 11, 0.05249, 0.2291)]
)
def test_the_input_moment_is_the_papers(channels, kernel, moment, std):  # Sec. 6.3
    first = Site("stem", nn.Conv2d(channels, 8, kernel), Role.STEM)
    assert balanced_input_moment(first) == pytest.approx(moment, abs=6e-6)
    assert balanced_input_moment(first) ** 0.5 == pytest.approx(std, abs=6e-5)


@pytest.mark.parametrize("input_moment", ["paper", "balanced"])
def test_the_input_scale_gives_the_batch_its_moment_after_layer_norm(input_moment, rng):
    model = Mlp(1, 8, (20,), 3, NoNorm(), layer_norm_input=True, layer_scales=True)
    inputs = 5 + 7 * torch.randn(16, 20, generator=rng)
    Preconditioned(input_moment=input_moment)(model, rng, inputs)
    seen = model.input_scale(model.input_norm(inputs))
    assert float(seen.square().mean()) == pytest.approx(20**-0.5, rel=1e-5)
    assert float(model(inputs).detach().std(correction=0)) == pytest.approx(0.05, rel=1e-5)


def test_a_network_without_multipliers_is_refused_with_the_option_that_gives_them(rng):
    for model in (Mlp(1, 4, (3,), 2, NoNorm()), nn.Sequential(nn.Linear(3, 2))):
        with pytest.raises(Refused, match=r"Linear\(3, .*build the model with model.layer_scales=true"):
            Preconditioned(output_std=None)(model, rng)


@pytest.mark.parametrize("options", [{"input_moment": "paper"}, {"output_std": 0.1}])
def test_a_batch_is_needed_for_the_scales_of_input_and_output_alone(options, rng):
    model = Mlp(1, 4, (3,), 2, NoNorm(), layer_scales=True)
    assert Preconditioned(**{"output_std": None, **options}).needs_batch
    assert not Preconditioned(output_std=None).needs_batch
    with pytest.raises(Refused, match="needs a batch"):
        Preconditioned(**{"output_std": None, **options})(model, rng)


def test_an_empty_input_is_refused(rng):
    model = Mlp(1, 4, (3,), 2, NoNorm(), layer_scales=True)
    with pytest.raises(Refused, match="second moment 0"):
        Preconditioned(input_moment="paper")(model, rng, torch.zeros(4, 3))


@pytest.mark.parametrize("options", [{"beta": "inverted"}, {"input_moment": "unit"}, {"c": -1.0}])
def test_unknown_choices_are_refused(options):
    with pytest.raises(ConfigError, match="must be"):
        Preconditioned(**options)
