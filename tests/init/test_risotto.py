import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.func import jacrev

from initlab.errors import ConfigError, Refused
from initlab.init import initialize
from initlab.init.isometry import PartialIsometryWarning
from initlab.init.risotto import Risotto
from initlab.model.resnet_b import ResnetB
from initlab.model.resnet_c import ResnetC
from initlab.norm.batch import Batch
from initlab.norm.none import NoNorm
from initlab.norm.weight import Weight
from initlab.site import Role, Site, sites_of

alphas = st.one_of(st.sampled_from([0.3, 1.0, 2.0]), st.floats(0.1, 3))


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def build(
    network=ResnetC, size=8, dtype=torch.float64, init="risotto", seed=0, options=None, **kw
) -> nn.Module:
    """Three stages without strides, unless told otherwise."""
    kw = {"stages": [2, 2, 2], "widths": [8, 16, 32], "strides": [1, 1, 1], "norm": NoNorm()} | kw
    model = network(**kw, input_shape=(3, size, size), num_classes=5).to(dtype)
    initialize(model, init, generator(seed), **(options or {}))
    return model


def image(size: int = 8, n: int = 1, dtype: torch.dtype = torch.float64, seed: int = 1) -> Tensor:
    return torch.randn(n, 3, size, size, generator=generator(seed), dtype=dtype)


def singular_values(function, inputs: Tensor) -> Tensor:
    """Of the Jacobian of one input, all of them: ``min(in, out)``."""
    jacobian = jacrev(lambda x: function(x).flatten())(inputs)
    return torch.linalg.svdvals(jacobian.reshape(jacobian.shape[0], -1))


def blocks_of(model: nn.Module) -> list[nn.Module]:
    return [block for stage in model.stages for block in stage]


def block_outputs(model: nn.Module, inputs: Tensor) -> list[Tensor]:
    """Return x after the stem and after each block."""
    found = [torch.relu(model.stem(inputs))]
    for block in blocks_of(model):
        found.append(block(found[-1]))
    return found


def pairs(width: int, size: int, seed: int = 0) -> Tensor:
    """Activations relu([z; -z]) of random z."""
    z = torch.randn(1, width // 2, size, size, dtype=torch.float64, generator=generator(seed))
    return torch.relu(torch.cat([z, -z], dim=1))


def difference(x: Tensor) -> Tensor:
    """x+ - x- of activations."""
    positive, negative = x.chunk(2, dim=1)
    return positive - negative


# Dynamical isometry: Thm 2.11, in the form that is true.


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-10), (torch.float32, 1e-5)])
@pytest.mark.parametrize("network", [ResnetB, ResnetC])
def test_all_singular_values_from_the_image_are_one(network, dtype, tolerance):
    sigma = singular_values(build(network, dtype=dtype).features, image(dtype=dtype))
    assert len(sigma) == 192
    assert (sigma - 1).abs().max() < tolerance


@settings(max_examples=25, deadline=None)
@given(
    network=st.sampled_from([ResnetB, ResnetC]),
    block=st.sampled_from(["basic", "bottleneck"]),
    preact=st.booleans(),
    projects_raw=st.booleans(),
    alpha=alphas,
    divided=st.booleans(),
    learned=st.booleans(),
    seed=st.integers(0, 2**16),
)
def test_every_kind_of_block_is_an_isometry_for_every_alpha(
    network, block, preact, projects_raw, alpha, divided, learned, seed
):
    kw = {
        "block": block,
        "widths": [8, 8, 12],
        "preact": preact,
        "projects_raw": projects_raw,
        "residual_scale": alpha,
        "learn_residual_scale": learned,
        "scale_branch_input": divided,
    }
    model = build(network, size=3, seed=seed, **kw)
    assert (singular_values(model.features, image(3)) - 1).abs().max() < 1e-10


@settings(max_examples=10, deadline=None)
@given(
    network=st.sampled_from([ResnetB, ResnetC]), preact=st.booleans(), alpha=alphas, beta=st.floats(0.2, 3)
)
def test_basic_blocks_are_isometries_for_every_beta(network, preact, alpha, beta):
    model = build(network, size=3, preact=preact, residual_scale=alpha, skip_scale=beta)
    assert (singular_values(model.features, image(3)) - 1).abs().max() < 1e-10


def test_type_c_without_a_branch_is_an_isometry_too():
    """alpha = 0: the SkipInit end of the paper's Fig. 2c."""
    model = build(residual_scale=0.0)
    assert (singular_values(model.features, image()) - 1).abs().max() < 1e-10


@pytest.mark.parametrize("network", [ResnetB, ResnetC])
def test_the_raw_jacobian_of_a_block_is_no_isometry_and_that_of_the_active_units_is(network):
    """Thm 2.11 as printed is false: half of the singular values are 0.

    The others are sqrt 2 in Type C; in Type B they are sqrt 2 for the active outputs whose input is inactive,
    where the identity adds to the rotation, and 1 for those whose input is active.
    """
    size, width = 3, 8
    block, x = blocks_of(build(network, stages=[1], widths=[width], strides=[1]))[0], pairs(width, size)
    jacobian = jacrev(lambda x: block(x).flatten())(x).flatten(1)
    sigma, half = torch.linalg.svdvals(jacobian), size * size * width // 2
    doubled = half if network is ResnetC else int(((block(x) > 0) & (x == 0)).sum())
    assert 0 < doubled <= half
    assert (sigma[:doubled] - 2**0.5).abs().max() < 1e-10
    assert network is ResnetC or (sigma[doubled:half] - 1).abs().max() < 1e-10
    assert sigma[half:].abs().max() < 1e-10
    assert not torch.allclose(sigma, torch.ones_like(sigma), atol=0.1)  # the theorem's claim must fail
    active = jacobian[block(x).flatten() > 0][:, x.flatten() > 0]
    assert (torch.linalg.svdvals(active) - 1).abs().max() < 1e-10


@pytest.mark.parametrize("network", [ResnetB, ResnetC])
def test_a_block_is_an_orthogonal_map_of_the_pairs(network):
    block = blocks_of(build(network, stages=[1], widths=[8], strides=[1]))[0]
    z = torch.randn(1, 4, 3, 3, dtype=torch.float64, generator=generator())
    sigma = singular_values(lambda z: difference(block(torch.relu(torch.cat([z, -z], dim=1)))), z)
    assert (sigma - 1).abs().max() < 1e-10


@pytest.mark.parametrize("block", ["basic", "bottleneck"])
def test_a_widening_block_embeds_its_input(block):
    model = build(stages=[1, 1], strides=[1, 1], widths=[8, 24], block=block, size=3)
    wide, width = blocks_of(model)[1], 8 if block == "basic" else 32
    x = pairs(width, 3)
    sigma = singular_values(lambda x: difference(wide(x)), x)
    assert int((sigma > 0.5).sum()) == width // 2 * 9
    assert wide(x).norm().item() == pytest.approx(x.norm().item())


# The forms of the paper.


@pytest.mark.parametrize("preact", [False, True])
@pytest.mark.parametrize("alpha", [0.5, 1.0, 2.0])
def test_the_forms_of_the_paper_are_right_where_they_are_and_wrong_elsewhere(alpha, preact):
    """Def. 2.9 fits pre-activation blocks, App. A.3 post-activation ones; both with all sigma = alpha."""
    kw = {"stages": [1], "strides": [1], "widths": [16], "residual_scale": alpha, "preact": preact}
    fits, fails = ("paper", "appendix") if preact else ("appendix", "paper")
    sigma = singular_values(build(ResnetB, options={"form": fits}, **kw).features, image())
    assert (sigma - alpha).abs().max() < 1e-10
    sigma = singular_values(build(ResnetB, options={"form": fails}, **kw).features, image())
    assert sigma.max() - sigma.min() > 0.5 * alpha


def test_definition_2_9_to_the_letter_raises_the_norm_by_half_and_breaks_the_pairs():
    """Control: for independent normal z and M z the squared norm grows by 2 + 1/pi."""
    ratios = []
    for seed in range(10):
        model = build(ResnetB, stages=[1], strides=[1], widths=[64], seed=seed, options={"form": "paper"})
        x = pairs(64, 8, seed)
        out = blocks_of(model)[0](x)
        ratios.append((out.norm() / x.norm()).item())
        positive, negative = out.chunk(2, dim=1)
        assert (positive * negative).max() > 0.1
    assert sum(ratios) / 10 == pytest.approx((2 + 1 / torch.pi) ** 0.5, abs=0.04)


def test_a_bottleneck_of_looks_linear_layers_on_an_identity_skip_is_no_isometry():
    kw = {"stages": [2], "strides": [1], "widths": [16], "block": "bottleneck"}
    x, ratios = pairs(64, 8), {}
    for form in ("exact", "paper"):
        block = blocks_of(build(ResnetB, options={"form": form}, **kw))[1]
        ratios[form] = (block(x).norm() / x.norm()).item()
    assert ratios["exact"] == pytest.approx(1)
    assert ratios["paper"] == pytest.approx(1.16, abs=0.05)


# Signals and gradients: Thm 2.10.


@pytest.mark.parametrize("network", [ResnetB, ResnetC])
def test_an_18_layer_network_keeps_norm_and_cosine_of_the_sampled_pixels(network):
    inputs = image(32, n=2, dtype=torch.float32)
    model = network(18, input_shape=(3, 32, 32), num_classes=10, norm=NoNorm())
    with pytest.warns(PartialIsometryWarning):
        initialize(model, "risotto", generator())
    with torch.no_grad():
        outputs = block_outputs(model, inputs)[2::2]
    strides, total = (1, 2, 4, 8), []
    for stride, x in zip(strides, outputs, strict=True):
        sampled = inputs[:, :, ::stride, ::stride].flatten(1)
        torch.testing.assert_close(x.flatten(1).norm(dim=1), sampled.norm(dim=1), rtol=1e-5, atol=0)
        cosines = [torch.cosine_similarity(*y.flatten(1), dim=0).item() for y in (difference(x), sampled)]
        assert cosines[0] == pytest.approx(cosines[1], abs=1e-5)
        total.append((x.norm() / inputs.norm()).item() ** 2)
    # 16 of 1024 pixels in the end; 4 standard errors of a mean of 2 * 3 * 1024 / stride^2 squared normals
    for share, stride in zip(total, strides, strict=True):
        assert share == pytest.approx(stride**-2, rel=4 * (2 * stride**2 / 6144) ** 0.5)


@pytest.mark.parametrize("network", [ResnetB, ResnetC])
def test_the_cosine_of_two_inputs_is_constant_in_the_pairs_and_drifts_in_the_activations(network):
    model = build(network, stages=[6], widths=[32], strides=[1])
    outputs = block_outputs(model, image(n=2))
    hats = [difference(x).flatten(1) for x in outputs]
    for centred in (False, True):
        cosines = []
        for hat in hats:
            both = torch.cat([hat, -hat], dim=1)  # z, whose mean is 0: cosine and Pearson agree
            cosines.append(torch.cosine_similarity(*(both - centred * both.mean(1, keepdim=True)), dim=0))
        assert (torch.stack(cosines) - cosines[0]).abs().max() < 1e-13
    raw = torch.stack([torch.cosine_similarity(*x.flatten(1), dim=0) for x in outputs])
    assert (raw - raw[0]).abs().max() > 1e-3


@pytest.mark.parametrize("network", [ResnetB, ResnetC])
def test_the_gradient_norm_of_the_active_units_is_constant(network):
    model = build(network, stages=[6], widths=[32], strides=[1], size=6)
    outputs = block_outputs(model, image(6))
    for x in outputs:
        x.retain_grad()
    outputs[-1].backward(torch.randn(outputs[-1].shape, dtype=torch.float64, generator=generator(5)))
    active = torch.stack([(x.grad * (x > 0)).norm() for x in outputs])
    raw = torch.stack([x.grad.norm() for x in outputs])
    torch.testing.assert_close(active, active[-1:].expand(7))
    if network is ResnetC:
        torch.testing.assert_close(raw[:-1], 2**0.5 * active[:-1])
    else:  # the identity passes on what arrives at active outputs of inactive inputs, half of it on average
        torch.testing.assert_close(
            raw[:-1] / active[:-1], torch.full((6,), 1.5**0.5).double(), rtol=0.1, atol=0
        )


def test_with_batch_norm_the_pairs_stay_mirrored_and_the_norm_does_not():
    block = blocks_of(build(stages=[1], widths=[16], strides=[1], norm=Batch()))[0]
    z = torch.randn(8, 8, 6, 6, dtype=torch.float64, generator=generator())
    x = torch.relu(torch.cat([z, -z], dim=1))
    out = block(x)
    positive, negative = out.chunk(2, dim=1)
    assert (positive * negative).abs().max() == 0
    assert abs((out.norm() / x.norm()).item() - 1) > 0.1


# Strides, narrowing, refusals.


@pytest.mark.parametrize(("size", "strides", "ones", "zeros"), [(6, [1, 2], 27, 81), (8, [1, 2, 2], 12, 116)])
@pytest.mark.parametrize("block", ["basic", "bottleneck"])
def test_strides_leave_an_isometry_of_the_sampled_pixels(size, strides, ones, zeros, block):
    kw = {"stages": [1] * len(strides), "strides": strides}
    with pytest.warns(PartialIsometryWarning, match=r"stages\.1\.0\.shortcut"):
        model = build(size=size, block=block, **kw)
    inputs = image(size)
    jacobian = jacrev(lambda x: model.features(x).flatten())(inputs).flatten(1)
    sigma = torch.linalg.svdvals(jacobian)
    seen = jacobian.square().sum(0).reshape(inputs.shape)[0].sum(0) > 0
    step = 2 ** (len(strides) - 1)
    assert torch.equal(
        seen.nonzero(), torch.cartesian_prod(torch.arange(0, size, step), torch.arange(0, size, step))
    )
    assert int(((sigma - 1).abs() < 1e-10).sum()) == ones
    assert int((sigma < 1e-10).sum()) == len(sigma) - ones
    if (
        block == "basic"
    ):  # zeros are counted among min(in, out), and a bottleneck's output is four times as large
        assert len(sigma) - ones == zeros


def test_strides_and_pooling_warn_once_and_name_the_layers():
    with pytest.warns(PartialIsometryWarning) as caught:
        build(stem="imagenet", strides=[1, 2, 2], size=32)
    assert len(caught) == 1
    for name in ("stem Conv(3, 8, 7x7)", "stages.1.0.shortcut", "stages.2.0.shortcut", "pool"):
        assert name in str(caught[0].message)


def test_narrowing_warns_by_name_and_loses_norm():
    with pytest.warns(PartialIsometryWarning, match=r"stages\.1\.0\.shortcut Conv\(8, 4, 1x1\) narrows"):
        model = build(stages=[1, 1], widths=[8, 4], strides=[1, 1], size=3)
    sigma = singular_values(model.features, image(3)).reshape(3, 9)  # 9 pixels alike
    assert sigma.max() <= 1 + 1e-10
    assert sigma[2].max() < 1e-10  # two pairs cannot carry three colours


@pytest.mark.parametrize("network", [ResnetB, ResnetC])
def test_odd_widths_are_refused_by_name(network):
    with pytest.raises(Refused, match=r"stages\.1\.0.*even widths"):
        build(network, widths=[8, 7, 8])


def test_what_no_weight_can_do_is_refused_with_the_remedy():
    bottleneck = {"block": "bottleneck", "widths": [8, 8, 8]}
    with pytest.raises(Refused, match=r"stages\.0\.1.*model\.skip_scale=1"):
        build(ResnetB, skip_scale=0.5, **bottleneck)
    with pytest.raises(Refused, match=r"model\.residual_scale"):
        build(ResnetB, residual_scale=0.0)
    with pytest.raises(Refused, match=r"model\.skip_scale"):
        build(ResnetC, skip_scale=0.0)
    with pytest.raises(Refused, match=r"stages\.0\.1\.convs\.2 .*weight norm.*norm=none"):
        build(ResnetB, norm=Weight(), **bottleneck)
    with pytest.raises(Refused, match="sites"):
        initialize(nn.Sequential(nn.Linear(4, 4)), "risotto", generator())
    with pytest.raises(ConfigError, match=r"init\.form=verbatim"):
        Risotto(form="verbatim")


class ForeignBlock(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(4, 4, 3)

    def sites(self):
        return [Site("conv", self.conv, Role.BRANCH, unit=self)]


def test_a_block_that_does_not_tell_its_scales_is_refused():
    with pytest.raises(Refused, match=r"conv Conv\(4, 4, 3x3\) does not tell its scales"):
        initialize(ForeignBlock(), "risotto", generator())


@pytest.mark.parametrize("network", [ResnetB, ResnetC])
def test_weight_norm_holds_the_same_weights(network):
    plain, normalized = (build(network, norm=norm) for norm in (NoNorm(), Weight()))
    torch.testing.assert_close(normalized(image()), plain(image()))


def test_the_weights_of_a_seed_are_the_same_in_every_precision_up_to_rounding():
    single, double = build(dtype=torch.float32), build()
    for one, other in zip(single.parameters(), double.parameters(), strict=True):
        torch.testing.assert_close(one, other.float(), rtol=0, atol=0)


@pytest.mark.parametrize("network", [ResnetB, ResnetC])
@pytest.mark.parametrize("kw", [{}, {"preact": True}, {"block": "bottleneck"}])
def test_every_parameter_is_set(network, kw):
    """From NaN; biases, and scalar biases, to 0, and alpha to the value it starts from."""
    options = {"stages": [2], "strides": [1], "widths": [8], "scalar_biases": True, "residual_scale": 0.7}
    model = network(**options, **kw, input_shape=(3, 4, 4), num_classes=3, norm=NoNorm())
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.fill_(torch.nan)
    initialize(model, "risotto", generator())
    assert all(parameter.isfinite().all() for parameter in model.parameters())
    assert all(block.alpha.item() == pytest.approx(0.7) for block in blocks_of(model))
    branch = [site.layer for site in sites_of(model) if site.role in (Role.STEM, Role.BRANCH)]
    assert all((layer.bias == 0).all() for layer in branch)


def test_logits_of_a_dense_head_see_more_than_the_mean_colour():
    """A looks-linear head after the pooling sees 3 numbers; a dense head sees as many as it has rows."""
    model = build(size=3)
    assert int((singular_values(model, image(3)) > 1e-6).sum()) == 5
    with torch.no_grad():
        row = model.head.weight[:, :16]
        model.head.weight.copy_(torch.cat([row, -row], dim=1))
    assert int((singular_values(model, image(3)) > 1e-6).sum()) == 3
