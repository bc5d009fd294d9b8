"""The GR scalings that the inits of Defazio & Bottou give, measured; and preconditioning as a whole."""

from itertools import pairwise
from math import pi

import pytest
import torch
from torch import nn
from torch.func import functional_call, grad, jvp, vmap

from initlab.init.arithmetic import Arithmetic
from initlab.init.fan_in import FanIn
from initlab.init.fan_out import FanOut
from initlab.init.geometric import Geometric
from initlab.init.preconditioned import Preconditioned
from initlab.model.alexnet_strided import AlexnetStrided
from initlab.model.chain import Chain
from initlab.model.lenet_strided import LenetStrided
from initlab.model.mlp import Mlp
from initlab.model.strided import conv_relu
from initlab.norm.none import NoNorm
from initlab.norm.scaled import Scaled, scale_of
from initlab.site import Role, Site, sites_of


def quadratic(outputs, matrix):
    """The random loss sum_n y_n^T R y_n of Sec. 3.1, per sample."""
    return torch.einsum("...i,ij,...j->...", outputs, matrix, outputs)


def gr_scalings(model, inputs, generator):
    """Eq. 1 with b = 1, in log: alpha^4 n_in k^2 rho^2 E[x]^2 E[Dy] / E[y]; biases rho^2 E[Dy] / E[y]."""
    seen = []
    sites = sites_of(model)
    hooks = [
        (scale_of(model, site) or site.layer).register_forward_hook(lambda m, a, y: seen.append((a[0], y)))
        for site in sites
    ]
    logits = model(inputs)
    for hook in hooks:
        hook.remove()
    matrix = torch.randn(logits.shape[1], logits.shape[1], generator=generator, dtype=logits.dtype)
    gradients = torch.autograd.grad(quadratic(logits, matrix).sum(), [y for _, y in seen])
    weights, biases = [], []
    for site, (x, y), dy in zip(sites, seen, gradients, strict=True):
        scaled = scale_of(model, site)
        alpha = 1.0 if scaled is None else float(scaled.scale)
        pixels = y[0, 0].numel()
        biases.append(float(pixels * dy.square().mean() / y.detach().square().mean()))
        weights.append(alpha**4 * site.fan_in * float(x.detach().square().mean()) ** 2 * biases[-1])
    return torch.tensor([weights, biases], dtype=torch.float64).log()


def actual_gr(model, inputs, generator):
    """E[(G_l r)^2] of every weight block: G_l the per-sample Hessian of the random loss, r normal."""
    names = [f"{site.name}.weight" for site in sites_of(model)]
    state = {**dict(model.named_parameters()), **dict(model.named_buffers())}
    size = model(inputs[:1]).shape[1]
    matrix = torch.randn(size, size, generator=generator, dtype=inputs.dtype)

    found = []
    for name in names:
        weight = state[name].detach()
        direction = torch.randn(weight.shape, generator=generator, dtype=weight.dtype)

        def product(x, name=name, weight=weight, direction=direction):
            def loss(moved):
                return quadratic(functional_call(model, {**state, name: moved}, (x[None],))[0], matrix)

            return jvp(grad(loss), (weight,), (direction,))[1]

        with torch.no_grad():
            found.append(vmap(product)(inputs).square().mean().log())
    return torch.stack(found)


def mean_relative(model, init, shape, measure, seeds, relative_to=0):
    """Geometric mean over seeds of what ``measure`` gives, relative to one layer."""
    total = []
    for seed in range(seeds):
        generator = torch.Generator().manual_seed(seed)
        inputs = torch.randn(shape, generator=generator, dtype=torch.float64)
        init(model, generator, inputs)
        found = measure(model, inputs, generator)
        total.append(found - found[..., relative_to : relative_to + 1 or None])
    return torch.stack(total).mean(0).exp()


class Block(nn.Module):
    """relu(s F(x) + t x), or without the ReLU."""

    def __init__(self, branch, residual_scale, skip_scale=1.0, shortcut=None, relu=False):
        super().__init__()
        self.branch = nn.Sequential(*(Scaled(m) if hasattr(m, "weight") else m for m in branch))
        self.shortcut = nn.Identity() if shortcut is None else Scaled(shortcut)
        self.residual_scale, self.skip_scale, self.relu = residual_scale, skip_scale, relu

    def forward(self, x):
        z = self.residual_scale * self.branch(x) + self.skip_scale * self.shortcut(x)
        return z.relu() if self.relu else z


class ResidualChain(nn.Module):
    """A first layer, blocks, and a last layer, all with multipliers."""

    def __init__(self, stem, blocks, head):
        super().__init__()
        self.stem, self.head = Scaled(stem), Scaled(head)
        self.blocks = nn.Sequential(*blocks)

    def forward(self, x):
        return self.head(self.blocks(self.stem(x)).flatten(1))

    def sites(self):
        yield Site("stem.layer", self.stem.layer, Role.STEM, relu=False)
        for index, block in enumerate(self.blocks):
            layers = [(n, m.layer) for n, m in block.branch.named_children() if isinstance(m, Scaled)]
            for position, (name, layer) in enumerate(layers):
                where = f"blocks.{index}.branch.{name}.layer"
                yield Site(where, layer, Role.BRANCH, None, block, 0, index, 1, position, len(layers))
            if isinstance(block.shortcut, Scaled):
                where = f"blocks.{index}.shortcut.layer"
                yield Site(where, block.shortcut.layer, Role.SHORTCUT, False, block, 0, index, 1)
        yield Site("head.layer", self.head.layer, Role.HEAD, relu=False)


def conv(in_channels, out_channels, kernel):
    return nn.Conv2d(in_channels, out_channels, kernel, padding=kernel // 2, padding_mode="circular")


def kernels_5_3_1_3():
    """Circular convolutions of kernel sizes 5, 3, 1, 3 with ReLU, and a linear head: C.3's network."""
    norm = NoNorm()
    widths = [(8, 32, 5), (32, 16, 3), (16, 64, 1), (64, 16, 3)]
    layers = [module for i, o, k in widths for module in conv_relu(i, o, k, 1, "circular", norm)]
    return Chain([*layers, nn.Flatten()], nn.Linear(16 * 64, 64), layer_scales=True).double()


def linear_chain(scales, width=48):
    """y -> s W y + y without ReLU, between two linear layers: the network of App. E's calculation."""
    blocks = [Block([nn.Linear(width, width)], s) for s in scales]
    return ResidualChain(nn.Linear(width, width), blocks, nn.Linear(width, width)).double()


# Proposition 5 and its kin: in closed form, and measured.


def closed_form(init, widths):
    """gamma_l / gamma_0 from gamma_{l+1} / gamma_l = n_l V_l^2 / (n_{l+2} V_{l+1}^2)."""
    layers = [Site("layer", nn.Linear(i, o)) for i, o in pairwise(widths)]
    found = [1.0]
    for below, above in pairwise(layers):
        ratio = below.fan_in * init.second_moment(below) ** 2
        found.append(found[-1] * ratio / (above.fan_out * init.second_moment(above) ** 2))
    return found


@pytest.mark.parametrize(
    ("init", "expected"),
    [
        (Geometric(), [1, 1, 1]),
        (FanIn(), [1, 115.2, 245.76]),
        (FanOut(), [1, 0.008681, 0.004069]),
        (Arithmetic(), [1, 0.3843, 0.7001]),
    ],
)
def test_the_libsvm_network_has_the_closed_form_ratios(init, expected):  # widths 20-384-64-5
    assert closed_form(init, (20, 384, 64, 5)) == pytest.approx(expected, rel=2e-4)


@pytest.mark.parametrize("init", [Geometric(), FanIn(), FanOut(), Arithmetic()])
def test_measured_gr_scalings_follow_the_closed_form(init):  # 8 seeds: within 10 % of it
    widths = (256, 1024, 128, 512, 64)
    model = Mlp(3, widths[1:-1], widths[:1], widths[-1], NoNorm()).double()
    found = mean_relative(model, init, (256, 256), gr_scalings, seeds=8)[0]
    assert found.tolist() == pytest.approx(closed_form(init, widths), rel=0.1)
    if not isinstance(init, Geometric):  # the control: only the geometric mean balances the layers
        assert float((found - 1).abs().max()) > 0.5


@pytest.mark.parametrize("c", [1.0, 2.0, 4.0])
def test_biases_are_balanced_for_c_of_2_alone(c):  # Prop. 7
    model = Mlp(2, (1024, 128), (256,), 512, NoNorm()).double()
    found = mean_relative(model, Geometric(c=c), (256, 256), gr_scalings, seeds=8)[1]
    assert found.tolist() == pytest.approx([(4 / c**2) ** layer for layer in range(3)], rel=0.15)


# Multipliers: the function stays, the GR scaling moves by alpha^4.


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize(
    ("model", "shape"),
    [
        (Mlp(2, (32, 16), (12,), 5, NoNorm(), layer_scales=True), (8, 12)),
        (LenetStrided("circular", 1.0, True, (3, 16, 16), 10, NoNorm()), (4, 3, 16, 16)),
        (AlexnetStrided("circular", 0.1, True, (3, 16, 16), 10, NoNorm()), (4, 3, 16, 16)),
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
    model = LenetStrided("circular", 1.0, True, (3, 32, 32), 10, NoNorm()).double()
    shape = (8, 3, 32, 32)  # 24 seeds: standard error 0.1, mostly from the random loss
    plain = mean_relative(model, Geometric(), shape, gr_scalings, 24, relative_to=4)[0]
    assert plain.tolist() == pytest.approx([25, 25, 1, 1, 1], rel=0.3)
    balanced = mean_relative(model, Preconditioned(), shape, gr_scalings, 24, relative_to=4)[0]
    assert balanced.tolist() == pytest.approx([1.0] * 5, rel=0.3)


# Residual blocks, App. E, held to the second moment of true Hessian products.


def test_the_corrected_beta_balances_residual_blocks_and_the_papers_does_not():
    scales, seeds = (1.0, 0.8, 0.5, 0.3, 0.6), 32
    model, found = linear_chain(scales), {}
    corrected = Preconditioned(c=1.0, output_std=None)
    found["corrected"] = mean_relative(model, corrected, (16, 48), actual_gr, seeds, relative_to=1)
    alphas = {"corrected": torch.stack([scale_of(model, site).scale for site in model.sites()])}
    for form in ("none", "paper"):  # the same draws: only the multipliers differ
        Preconditioned(c=1.0, output_std=None, beta=form)(model, torch.Generator().manual_seed(0))
        alphas[form] = torch.stack([scale_of(model, site).scale for site in model.sites()])
        change = (alphas[form] / alphas["corrected"]) ** 4
        found[form] = found["corrected"] * change / change[1]
    # The standard error of a layer over 32 seeds is 0.05.
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


def test_skip_scales_and_projections_are_balanced_too():
    def linear():
        return nn.Linear(48, 48)

    blocks = [Block([linear()], 1.0, 0.5), Block([linear()], 0.3, 0.9, linear()), Block([linear()], 0.3, 0.9)]
    model = ResidualChain(linear(), blocks, linear()).double()
    shape, found = (24, 48), {}
    for beta in ("corrected", "none"):
        init = Preconditioned(c=1.0, output_std=None, beta=beta)
        found[beta] = mean_relative(model, init, shape, actual_gr, 12, relative_to=1)
    assert found["corrected"].tolist() == pytest.approx([1.0] * 6, rel=0.25)
    assert float(found["none"].min()) < 0.03  # the control


# The input, the output, and what the theory leaves out.


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


def test_average_pooling_of_relu_features_passes_on_more_than_the_paper_assumes():  # Table 1
    generator = torch.Generator().manual_seed(0)
    features = torch.randn(4000, 8, 8, generator=generator, dtype=torch.float64)
    for mean_zero, expected in ((True, 1.0), (False, 1 + 63 / pi)):
        x = features if mean_zero else features.relu()
        ratio = float(x.mean((1, 2)).square().mean() / (x.square().mean() / 64))
        # 4000 squares of means: relative standard error at most sqrt(2 / 4000) = 0.022.
        assert ratio == pytest.approx(expected, rel=0.09)
    assert 1 + 63 / pi == pytest.approx(21.05, abs=0.005)


def test_the_second_moment_telescopes_through_the_convolutions_of_alexnet():  # Sec. 6.4
    model = AlexnetStrided("circular", 1.0, False, (3, 32, 32), 2, NoNorm())
    generator = torch.Generator().manual_seed(0)
    for site in sites_of(model)[:5]:
        with torch.no_grad():
            site.layer.weight.copy_(Geometric().weight(site, generator))
            site.layer.bias.zero_()
    images = torch.randn(4, 3, 32, 32, generator=generator)
    with torch.no_grad():
        ratio = float(model.hidden[:10](images).square().mean() / images.square().mean())
    assert pytest.approx(0.10825, abs=5e-6) == (3 / 256) ** 0.5
    assert ratio == pytest.approx((3 / 256) ** 0.5, rel=0.35)
