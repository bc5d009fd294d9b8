import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

import components
from gr_scaling import (
    Block,
    ResidualChain,
    actual_gr,
    conv,
    gr_scalings,
    kernels_5_3_1_3,
    linear_chain,
    mean_relative,
)
from initlab.errors import ConfigError, Refused
from initlab.init import initialize
from initlab.init.geometric import Geometric
from initlab.init.preconditioned import (
    Preconditioned,
    balanced_input_moment,
    block_scale,
    branch_share,
    layer_alphas,
    residual_betas,
)
from initlab.model.alexnet_strided import AlexnetStrided
from initlab.model.chain import Chain
from initlab.model.lenet_strided import LenetStrided
from initlab.model.mlp import Mlp
from initlab.norm.none import NoNorm
from initlab.norm.scaled import scale_of
from initlab.site import Role, Site, sites_of

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


# Multipliers: the function stays, the GR scaling moves by alpha^4.


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize(
    ("model", "shape"),
    [
        (Mlp(2, (32, 16), (12,), 5, NoNorm(), layer_scales=True), (8, 12)),
        (
            LenetStrided("circular", 1.0, True, input_shape=(3, 16, 16), num_classes=10, norm=NoNorm()),
            (4, 3, 16, 16),
        ),
        (
            AlexnetStrided("circular", 0.1, True, input_shape=(3, 16, 16), num_classes=10, norm=NoNorm()),
            (4, 3, 16, 16),
        ),
        (components.small_model("resnet_b", "none", layer_scales=True), (4, 3, 8, 8)),
        (components.small_model("resnet_c", "weight", layer_scales=True), (4, 3, 8, 8)),
        (linear_chain((1.0, 0.5), 16), (8, 16)),
    ],
)
@pytest.mark.parametrize("options", [{"output_std": None}, {}, {"input_moment": "balanced"}])
def test_preconditioning_leaves_the_function_alone(model, shape, dtype, options, rng):
    if isinstance(model, ResidualChain) and options != {"output_std": None}:
        pytest.skip("this chain has no scales of input and output")
    model, inputs = model.to(dtype), torch.randn(shape, generator=rng, dtype=dtype)
    outputs = []
    plain = Geometric(output_std=None if "output_std" in options else 0.05)
    for init in (plain, Preconditioned(**options)):
        init(model, torch.Generator().manual_seed(1), inputs)
        outputs.append(model(inputs).detach())
    error = (outputs[1] - outputs[0]).norm() / outputs[0].norm()
    assert float(error) < (1e-6 if dtype == torch.float32 else 1e-13)


@pytest.mark.parametrize("model", [kernels_5_3_1_3(), linear_chain((1.0, 0.8, 0.5), 16)])
@pytest.mark.parametrize("measure", [gr_scalings, actual_gr])
def test_the_gr_scaling_of_a_layer_moves_by_alpha_to_the_fourth(model, measure, rng):
    shape = (4, 8, 8, 8) if isinstance(model, Chain) else (4, 16)
    inputs = torch.randn(shape, generator=rng, dtype=torch.float64)
    found = []
    for init in (Geometric(), Preconditioned(output_std=None)):
        init(model, torch.Generator().manual_seed(1), inputs)
        measured = measure(model, inputs, torch.Generator().manual_seed(2))
        found.append(measured if measured.dim() == 1 else measured[0])
    alphas = torch.stack([scale_of(model, site).scale for site in sites_of(model)])
    assert float(alphas.std()) > 0.05
    torch.testing.assert_close(found[1] - found[0], 4 * alphas.log(), rtol=0, atol=1e-9)


def test_kernel_sizes_are_balanced_by_alpha_and_not_without():  # C.3
    model, shape = kernels_5_3_1_3(), (16, 8, 8, 8)
    # Relative to the last convolution, a layer without alpha is off by its k^2 / 9. Four standard errors.
    plain = mean_relative(model, Geometric(), shape, gr_scalings, 16, relative_to=3)[0]
    assert plain.tolist() == pytest.approx([25 / 9, 1, 1 / 9, 1, 1 / 9], rel=0.25)
    balanced = mean_relative(model, Preconditioned(), shape, gr_scalings, 16, relative_to=3)[0]
    assert balanced.tolist() == pytest.approx([1.0] * 5, rel=0.25)


def test_the_kernels_of_lenet_are_balanced_by_alpha_and_not_without():  # C.3
    model = LenetStrided(
        "circular", 1.0, True, input_shape=(3, 32, 32), num_classes=10, norm=NoNorm()
    ).double()
    shape = (8, 3, 32, 32)  # 24 seeds: standard error 0.1, mostly from the random loss
    plain = mean_relative(model, Geometric(), shape, gr_scalings, 24, relative_to=4)[0]
    assert plain.tolist() == pytest.approx([25, 25, 1, 1, 1], rel=0.3)
    balanced = mean_relative(model, Preconditioned(), shape, gr_scalings, 24, relative_to=4)[0]
    assert balanced.tolist() == pytest.approx([1.0] * 5, rel=0.3)


# Residual blocks, App. E, held to the second moment of true Hessian products.


def test_the_corrected_beta_balances_residual_blocks_and_the_papers_does_not():
    scales, seeds = (1.0, 0.8, 0.5, 0.3, 0.6), 20
    model, found = linear_chain(scales), {}
    corrected = Preconditioned(c=1.0, output_std=None)
    found["corrected"] = mean_relative(model, corrected, (16, 48), actual_gr, seeds, relative_to=1)
    alphas = {"corrected": torch.stack([scale_of(model, site).scale for site in model.sites()])}
    for form in ("none", "paper"):  # the same draws: only the multipliers differ
        Preconditioned(c=1.0, output_std=None, beta=form)(model, torch.Generator().manual_seed(0))
        alphas[form] = torch.stack([scale_of(model, site).scale for site in model.sites()])
        change = (alphas[form] / alphas["corrected"]) ** 4
        found[form] = found["corrected"] * change / change[1]
    # The standard error of a layer over 20 seeds is 0.06.
    assert found["corrected"].tolist() == pytest.approx([1.0] * 7, rel=0.2)
    blocks = {form: values[1:6].tolist() for form, values in found.items()}
    assert blocks["none"] == pytest.approx([1, 0.61, 0.16, 0.027, 0.28], rel=0.2)
    assert blocks["paper"] == pytest.approx([1, 0.91, 0.41, 0.092, 0.61], rel=0.2)
    assert min(blocks["paper"]) < 0.15  # the control


@pytest.mark.parametrize("scale", [1.0, 0.5, 0.2])
def test_the_first_layer_and_the_head_balance_the_blocks(scale):  # App. E.1
    blocks = [Block([conv(16, 16, 3)], scale)]
    model = ResidualChain(conv(8, 16, 5), blocks, nn.Linear(16 * 64, 10)).double()
    init = Preconditioned(c=1.0, output_std=None)
    found = mean_relative(model, init, (16, 8, 8, 8), actual_gr, 8, relative_to=1)
    assert found.tolist() == pytest.approx([1.0] * 3, rel=0.15)
    share = scale**2 / (1 + scale**2)
    alphas = [float(scale_of(model, site).scale) for site in model.sites()]
    # The paper writes alpha of the first layer relative to the block's: (k1 / k0) s^2 / (1 + s^2).
    assert alphas[0] ** 2 / alphas[1] ** 2 == pytest.approx(3 / 5 * share)
    assert alphas[2] ** 2 / alphas[1] ** 2 == pytest.approx(3 * share)


def test_skip_scales_projections_and_relus_are_balanced_too():
    def linear():
        return nn.Linear(48, 48)

    def branch():
        return [linear(), nn.ReLU(), linear()]

    # With c = 2 the branches, which end without a ReLU, double the second moment; so does the projection.
    blocks = [Block(branch(), 1.0, 0.5), Block(branch(), 0.3, 0.9, linear()), Block([linear()], 0.3, 0.9)]
    model = ResidualChain(linear(), blocks, linear()).double()
    corrected = Preconditioned(output_std=None)
    found = {"corrected": mean_relative(model, corrected, (24, 48), actual_gr, 16, relative_to=1)}
    reference = torch.stack([scale_of(model, site).scale for site in model.sites()])
    for beta in ("paper", "none"):  # the same draws: only the multipliers differ
        Preconditioned(output_std=None, beta=beta)(model, torch.Generator().manual_seed(0))
        alphas = torch.stack([scale_of(model, site).scale for site in model.sites()])
        change = (alphas / reference) ** 4
        found[beta] = found["corrected"] * change / change[1]
    assert found["corrected"].tolist() == pytest.approx([1.0] * 8, rel=0.3)  # standard error 0.08
    assert float(found["paper"].min()) < 0.3  # the controls
    assert float(found["none"].min()) < 0.03


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, 2**0.5),  # the last layer of a post-activation branch has no ReLU to halve it
        ({"widths": [16, 32]}, 1.0),  # the second stage starts with a projection, which doubles as well
        ({"preact": True}, 1.0),
        ({"residual_scale": 0.3, "skip_scale": 0.6}, 2**0.5 / 2),
    ],
)
def test_a_block_has_the_scale_of_its_second_moments(options, expected):
    values = {"stages": [1, 1], "widths": [16, 16], "strides": [1, 1], **options}
    model = components.build(
        "model", "resnet_b", **values, input_shape=(3, 8, 8), num_classes=3, norm=NoNorm()
    )
    block = [site for site in sites_of(model) if site.stage == 1]
    assert block_scale(block, c=2.0) == pytest.approx(expected)
    ratio = options.get("residual_scale", 1.0) / options.get("skip_scale", 1.0)
    assert block_scale(block, c=None) == pytest.approx(ratio)


def test_the_second_moments_of_a_block_are_as_predicted(rng):
    branch = nn.Sequential(nn.Linear(400, 400), nn.ReLU(), nn.Linear(400, 400))
    Geometric()(branch, rng)
    inputs = torch.randn(400, 400, generator=rng).relu()
    ratio = float(branch(inputs).detach().square().mean() / inputs.square().mean())
    assert ratio == pytest.approx(2, rel=0.1)


def test_a_block_that_divides_its_input_is_refused(rng):
    model = components.build(
        "model",
        "resnet_c",
        stages=[2],
        widths=[8],
        residual_scale=0.2,
        scale_branch_input=True,
        input_shape=(3, 8, 8),
        num_classes=3,
        norm=NoNorm(),
    )
    with pytest.raises(Refused, match=r"model\.scale_branch_input=false"):
        layer_alphas(sites_of(model))


def test_the_balanced_input_gives_weights_and_biases_of_the_first_layer_one_gr_scaling():  # Sec. 6.3
    model, shape = kernels_5_3_1_3(), (48, 8, 8, 8)

    def first(input_moment):
        generator = torch.Generator().manual_seed(0)
        inputs = 3 * torch.randn(shape, generator=generator, dtype=torch.float64) + 1
        Preconditioned(input_moment=input_moment)(model, generator, inputs)
        weights, biases = gr_scalings(model, inputs, generator)
        return float((weights - biases).exp()[0])

    assert first("balanced") == pytest.approx(1, rel=1e-9)
    assert first("paper") == pytest.approx(1 / 25, rel=1e-9)  # alpha^4 of the 5x5 layer


@pytest.mark.parametrize("name", [name for name in components.names("model") if name != "timm"])
def test_a_network_without_multipliers_is_refused_with_an_option_that_some_network_has(name, rng):
    """Or, where the network itself has the option, with nothing more to do than to set it."""
    small, shape = components.fitting_size(name)
    options = {key: value for key, value in small.items() if key != "layer_scales"}
    model = components.build_model(name, "none", options, shape)
    with pytest.raises(
        Refused, match=r"model.layer_scales=true, on a network with that option, such as mlp or"
    ):
        initialize(model, "preconditioned", rng, batch=torch.randn(4, *shape, generator=rng))
    assert all("layer_scales" in components.config("model", other) for other in ("mlp", "resnet_c"))
