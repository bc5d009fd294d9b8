"""GR scalings measured on a network, in the paper's formula and in true Hessian products."""

from itertools import pairwise

import torch
from torch import nn
from torch.func import functional_call, grad, jvp, vmap

from initlab.model.chain import Chain
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
            modules = [*block.branch.named_children(), ("", None)]
            layers = [
                (name, module.layer, isinstance(after, nn.ReLU))
                for (name, module), (_, after) in pairwise(modules)
                if isinstance(module, Scaled)
            ]
            for position, (name, layer, relu) in enumerate(layers):
                where = f"blocks.{index}.branch.{name}.layer"
                yield Site(where, layer, Role.BRANCH, relu, block, 0, index, 1, position, len(layers))
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
