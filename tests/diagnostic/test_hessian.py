"""The Hessian diagnostic against the exact Hessian of tiny networks."""

import math
from dataclasses import fields
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
import yaml
from torch import nn
from torch.autograd.functional import hessian as exact_hessian
from torch.func import functional_call

from initlab.diagnostic.hessian import Hessian, hessian_spectrum
from initlab.errors import ConfigError, Refused
from initlab.norm.base import Norm
from initlab.norm.batch import Batch
from initlab.norm.none import NoNorm
from initlab.norm.weight import Weight

NORMS = {"none": NoNorm(), "weight": Weight(), "batch": Batch()}


class Tiny(nn.Module):
    """Conv-ReLU-Conv-ReLU with a skip connection, then a linear head."""

    def __init__(self, norm: Norm) -> None:
        super().__init__()
        self.stem = norm.wrap(nn.Conv2d(1, 2, 3, stride=2))
        self.branch = norm.wrap(nn.Conv2d(2, 2, 3, padding=1))
        self.norm = norm.activation(2) or nn.Identity()
        self.head = nn.Linear(2, 3)

    def forward(self, inputs):
        hidden = self.stem(inputs).relu()
        hidden = hidden + self.norm(self.branch(hidden)).relu()
        return self.head(hidden.mean((2, 3)))


def tiny(norm="none", samples=12):
    torch.manual_seed(0)
    net = Tiny(NORMS[norm]).double()
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.add_(0.3 * torch.randn(parameter.shape, generator=generator, dtype=torch.float64))
    inputs = torch.randn(samples, 1, 7, 7, generator=generator, dtype=torch.float64)
    return net, (inputs, torch.randint(3, (samples,), generator=generator))


def exact_eigenvalues(net, batch):
    """All eigenvalues by falling magnitude, through torch's own Hessian."""
    inputs, labels = batch
    named = {name: p for name, p in net.named_parameters() if p.requires_grad}
    sizes = [p.numel() for p in named.values()]
    buffers = {name: value.clone() for name, value in net.named_buffers()}

    def loss(flat):
        parts = zip(named, flat.split(sizes), strict=True)
        values = {name: part.view_as(named[name]) for name, part in parts}
        return F.cross_entropy(functional_call(net, {**values, **buffers}, (inputs,)), labels)

    matrix = exact_hessian(loss, torch.cat([p.detach().reshape(-1) for p in named.values()]))
    values = torch.linalg.eigvalsh(matrix)
    return values[values.abs().argsort(descending=True)]


@pytest.mark.parametrize("mode", ["train", "eval"])
@pytest.mark.parametrize("norm", NORMS)
def test_every_method_equals_the_exact_hessian(norm, mode, rng):
    net, batch = tiny(norm)
    net.train(mode == "train")
    exact = exact_eigenvalues(net, batch)
    found = Hessian(num_eigenvalues=4, tolerance=1e-7, mode=mode)(net, batch, rng)
    assert found.spectrum.converged
    assert found.num_parameters == len(exact)
    torch.testing.assert_close(
        torch.tensor(found.spectrum.eigenvalues, dtype=torch.float64), exact[:4], rtol=1e-7, atol=1e-10
    )
    power = Hessian(method="power", tolerance=1e-4, max_products=3000, mode=mode)(net, batch, rng)
    assert power.spectrum.eigenvalues[0] == pytest.approx(float(exact[0]), rel=1e-4)
    quick = Hessian(mode=mode)(net, batch, rng)
    assert quick.spectral_norm == pytest.approx(float(exact[0].abs()), rel=1e-3)
    assert quick.spectrum.num_products < found.spectrum.num_products


def test_weight_norm_toy_of_one_neuron(rng):
    """y = g v.x / ||v|| with v = (3, 4), g = 2, x = (1, 2) and target 0.5: eigenvalues worked out by hand."""
    layer = Weight().wrap(nn.Linear(2, 1, bias=False)).double()
    with torch.no_grad():
        layer.parametrizations.weight.original0.fill_(2.0)
        layer.parametrizations.weight.original1.copy_(torch.tensor([[3.0, 4.0]]))
    x = torch.tensor([[1.0, 2.0]], dtype=torch.float64)
    found = hessian_spectrum(
        lambda: 0.5 * (layer(x) - 0.5).square().sum(), layer.parameters(), rng, num_eigenvalues=3
    )
    assert sorted(found.spectrum.eigenvalues) == pytest.approx(
        [-0.76002392, 0.02016346, 4.91906046], abs=1e-8
    )


def test_torchs_weight_norm_gives_a_wrong_hessian_and_leaves_no_trace(rng):
    net, batch = tiny("weight")
    largest = float(exact_eigenvalues(net, batch)[0].abs())
    options = {"method": "power", "tolerance": 1e-8, "max_products": 5000}
    exact = Hessian(**options)(net, batch, rng).spectral_norm
    wrong = Hessian(**options, weight_norm="torch")(net, batch, rng).spectral_norm
    assert exact == pytest.approx(largest, rel=1e-6)
    # The error is in the term of the layer's own curvature, which is small here beside the Gauss-Newton term.
    assert abs(wrong / largest - 1) > 2e-5
    assert Hessian(**options)(net, batch, rng).spectral_norm == pytest.approx(largest, rel=1e-6)


@pytest.mark.parametrize("method", ["lanczos", "power"])
def test_the_spectral_norm_is_a_magnitude(method, rng):
    x = nn.Parameter(torch.tensor([0.3, -0.2], dtype=torch.float64))
    curvature = torch.tensor([1.0, -3.0], dtype=torch.float64)
    found = hessian_spectrum(lambda: 0.5 * (curvature * x**2).sum(), [x], rng, method=method)
    metrics = found.metrics()
    assert metrics["hessian/spectral_norm"] == pytest.approx(3, rel=1e-5)
    assert metrics["hessian/log10_spectral_norm"] == pytest.approx(math.log10(3), rel=1e-5)
    assert metrics["hessian/eigenvalue_0"] == pytest.approx(-3, rel=1e-5)
    assert metrics["hessian/num_products"] == found.spectrum.num_products


@pytest.mark.parametrize("norm", ["none", "weight"])
def test_chunks_and_kept_graphs_do_not_change_the_result(norm, rng):
    net, batch = tiny(norm)
    whole = Hessian(tolerance=1e-9)(net, batch, rng).spectral_norm
    for options in ({"chunk_size": 5}, {"chunk_size": 5, "graph_memory_gib": 0.0}):
        assert Hessian(tolerance=1e-9, **options)(net, batch, rng).spectral_norm == pytest.approx(
            whole, rel=1e-8
        )
    first = Hessian(num_samples=5, tolerance=1e-9)(net, batch, rng).spectral_norm
    inputs, labels = batch
    assert Hessian(tolerance=1e-9)(net, (inputs[:5], labels[:5]), rng).spectral_norm == pytest.approx(first)
    assert first != pytest.approx(whole, rel=1e-3)


def test_a_seed_gives_the_same_number_even_with_dropout_and_rebuilt_graphs():
    net, batch = tiny()
    net = nn.Sequential(nn.Dropout(0.2), net)
    options = {"graph_memory_gib": 0.0, "tolerance": 1e-6, "chunk_size": 6}
    values = [
        Hessian(**options)(net, batch, torch.Generator().manual_seed(3)).spectral_norm for _ in range(2)
    ]
    assert values[0] == values[1]
    kept = Hessian(tolerance=1e-6, chunk_size=6)(net, batch, torch.Generator().manual_seed(3))
    assert kept.spectral_norm == pytest.approx(values[0], rel=1e-9)


def test_the_model_is_left_as_it_was(rng):
    net, batch = tiny("batch")
    net.eval()
    net.branch.train()
    before = {name: value.clone() for name, value in net.state_dict().items()}
    net.head.weight.grad = torch.ones_like(net.head.weight)
    torch_state = torch.get_rng_state()
    Hessian()(net, batch, rng)
    for name, value in net.state_dict().items():
        assert torch.equal(value, before[name]), name
    assert not net.training
    assert net.branch.training
    assert torch.equal(net.head.weight.grad, torch.ones_like(net.head.weight))
    assert all(p.grad is None for p in net.stem.parameters())
    assert torch.equal(torch.get_rng_state(), torch_state)


def test_frozen_parameters_are_left_out_and_named(rng):
    net, batch = tiny()
    net.stem.weight.requires_grad_(False)
    found = Hessian(tolerance=1e-8)(net, batch, rng)
    assert found.excluded == ("stem.weight",)
    assert found.metrics()["hessian/num_excluded"] == 1
    assert found.spectral_norm == pytest.approx(float(exact_eigenvalues(net, batch)[0].abs()), rel=1e-7)
    net.requires_grad_(False)
    with pytest.raises(Refused, match="no trainable parameter"):
        Hessian()(net, batch, rng)


def test_tied_parameters_count_once(rng):
    net, batch = tiny()
    net.other = nn.Conv2d(2, 2, 3)
    net.other.weight = net.branch.weight
    assert Hessian()(net, batch, rng).num_parameters == len(exact_eigenvalues(tiny()[0], batch)) + 2


def test_any_loss_that_is_a_mean_over_samples_can_be_used(rng):
    net, (inputs, labels) = tiny()
    found = Hessian(loss=lambda outputs, _: outputs.square().mean(), tolerance=1e-8, chunk_size=5)
    other = hessian_spectrum(lambda: net(inputs).square().mean(), net.parameters(), rng, tolerance=1e-8)
    assert found(net, (inputs, labels), rng).spectral_norm == pytest.approx(other.spectral_norm, rel=1e-6)


def test_bad_input_is_refused_in_a_sentence(rng):
    net, (inputs, labels) = tiny()
    broken = inputs.clone()
    broken[3, 0, 2, 2] = float("nan")
    with pytest.raises(Refused, match="batch: the inputs hold NaN or inf"):
        Hessian()(net, (broken, labels), rng)
    with pytest.raises(Refused, match="12 inputs with 11 labels"):
        Hessian()(net, (inputs, labels[:-1]), rng)
    with pytest.raises(Refused, match=r"loss: must be a scalar, and this one is \(12,\)"):
        Hessian(loss=lambda o, y: F.cross_entropy(o, y, reduction="none"))(net, (inputs, labels), rng)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"method": "qr"}, "hessian.method=qr: must be lanczos or power"),
        ({"method": "power", "num_eigenvalues": 2}, "power iteration gives 1"),
        ({"num_eigenvalues": 0}, "num_eigenvalues=0"),
        ({"tolerance": 0.0}, "tolerance=0.0"),
        ({"max_products": 0}, "max_products=0"),
        ({"mode": "test"}, "mode=test"),
        ({"loss": "mse"}, "loss=mse"),
        ({"chunk_size": 0}, "chunk_size=0"),
        ({"num_samples": 0}, "num_samples=0"),
        ({"graph_memory_gib": float("nan")}, "graph_memory_gib=nan"),
        ({"weight_norm": "fused"}, "weight_norm=fused"),
        ({"weight_norm": "torch"}, "form no symmetric matrix; use power"),
    ],
)
def test_an_option_out_of_range_is_refused(options, message):
    with pytest.raises(ConfigError, match=message):
        Hessian(**options)


def test_a_flat_loss_has_no_logarithm(rng):
    weight = nn.Parameter(torch.ones(3))
    found = hessian_spectrum(lambda: weight.sum(), [weight], rng)
    assert found.metrics()["hessian/spectral_norm"] == 0
    assert found.metrics()["hessian/log10_spectral_norm"] is None


def test_rows_and_figure_show_every_eigenvalue(rng, tmp_path):
    net, batch = tiny("weight")
    found = Hessian(num_eigenvalues=3)(net, batch, rng)
    assert [row["index"] for row in found.rows()] == [0, 1, 2]
    assert [row["eigenvalue"] for row in found.rows()] == list(found.spectrum.eigenvalues)
    found.figure().savefig(tmp_path / "hessian.png")
    assert (tmp_path / "hessian.png").stat().st_size > 5000


def test_the_config_file_holds_the_defaults():
    config = yaml.safe_load(Path("configs/diagnostic/hessian.yaml").read_text())
    assert config.pop("_target_") == f"{Hessian.__module__}.{Hessian.__name__}"
    assert config == {field.name: field.default for field in fields(Hessian)}
