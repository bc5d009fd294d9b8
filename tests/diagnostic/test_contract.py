"""What every diagnostic of configs/diagnostic promises, whatever it measures."""

import io
import math
from collections.abc import Callable
from dataclasses import fields
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from torch import Tensor, nn

import components
from initlab.errors import InitlabError
from initlab.init import initialize
from initlab.model.mlp import Mlp
from initlab.norm.weight import Weight
from initlab.site import sites_of

FOLDER = Path(__file__).parents[2] / "configs" / "diagnostic"
CONFIGS = sorted(path for path in FOLDER.glob("*.yaml") if "_target_" in yaml.safe_load(path.read_text()))


class Residual(nn.Module):
    """A block that overwrites what it can and draws random numbers in training mode."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.norm1 = nn.BatchNorm2d(channels)
        self.relu = nn.ReLU(inplace=True)
        self.dropout = nn.Dropout(0.5)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, inputs: Tensor) -> Tensor:
        out = self.conv2(self.dropout(self.relu(self.norm1(self.conv1(inputs)))))
        out += inputs
        return self.relu(out)


def tiny_mlp() -> nn.Module:
    return Mlp(depth=2, width=6, input_shape=(2, 6, 6), num_classes=3, norm=Weight())


def tiny_conv() -> nn.Module:
    stem = nn.Conv2d(2, 4, 3, stride=2, padding=1)
    return nn.Sequential(
        stem, nn.ReLU(True), Residual(4), Residual(4), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 3)
    )


class Attention(nn.Module):
    """The pixels look at each other, in torch's fused operation."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.project = nn.Linear(channels, 3 * channels)

    def forward(self, images: Tensor) -> Tensor:
        tokens = images.flatten(2).mT
        query, key, value = self.project(tokens)[:, None].chunk(3, -1)
        seen = nn.functional.scaled_dot_product_attention(query, key, value)[:, 0]
        return (tokens + seen).mean(1)


def tiny_attention() -> nn.Module:
    return nn.Sequential(nn.Conv2d(2, 4, 2, stride=2), Attention(4), nn.Linear(4, 3))


def load(path: Path) -> Any:
    options = yaml.safe_load(path.read_text())
    module, _, name = options.pop("_target_").rpartition(".")
    return getattr(import_module(module), name)(**options)


def batch() -> tuple[Tensor, Tensor]:
    rng = torch.Generator().manual_seed(3)
    return torch.randn(5, 2, 6, 6, generator=rng), torch.randint(3, (5,), generator=rng)


def build(network: Callable[[], nn.Module]) -> nn.Module:
    """Make a network in a state that is easily lost: gradients, mixed modes, used statistics, hooks."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = network()
        inputs, labels = batch()
        nn.functional.cross_entropy(model(inputs), labels).backward()
    next(model.children()).eval()
    list(model.children())[-1].register_forward_hook(lambda module, args, output: None)
    return model


def hooks(model: nn.Module) -> list[int]:
    kinds = [name for name in vars(model) if name.endswith("_hooks")]
    return [len(getattr(module, kind)) for module in model.modules() for kind in kinds]


def state(model: nn.Module) -> dict[str, Any]:
    """Everything that a measurement may not change."""
    found: dict[str, Any] = {
        "modes": [module.training for module in model.modules()],
        "hooks": hooks(model),
        "names": [name for name, _ in model.named_modules()],
        "grads": [None if p.grad is None else p.grad.clone() for p in model.parameters()],
        "frozen": [p.requires_grad for p in model.parameters()],
        "identity": [id(t) for t in (*model.parameters(), *model.buffers())],
        "values": [t.detach().clone() for t in (*model.parameters(), *model.buffers())],
    }
    return found


def same(one: Any, other: Any) -> bool:
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if isinstance(one, (list, tuple)):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, Tensor):
        return torch.equal(one, other)
    return bool(one == other)


def test_there_are_diagnostics_to_hold_to_this_contract():
    assert {"signal", "correlation", "jacobian", "gradient", "summary"} <= {path.stem for path in CONFIGS}


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_its_config_names_every_argument_with_the_default_of_the_code(path):
    options = yaml.safe_load(path.read_text())
    target = options.pop("_target_")
    name = "".join(part.capitalize() for part in path.stem.split("_"))
    assert target == f"initlab.diagnostic.{path.stem}.{name}"
    assert options == {field.name: getattr(load(path), field.name) for field in fields(load(path))}
    assert load(path) == type(load(path))()


@pytest.mark.parametrize("network", [tiny_mlp, tiny_conv, tiny_attention])
@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_it_measures_any_network_and_leaves_no_trace(path, network, rng):
    model, given = build(network), batch()
    before, random, inputs = state(model), torch.get_rng_state(), given[0].clone()
    measured = load(path)(model, given, rng)
    assert same(before, state(model))
    assert torch.equal(random, torch.get_rng_state())
    assert torch.equal(inputs, given[0])
    assert given[0].grad is None
    assert not given[0].requires_grad

    metrics, rows = measured.metrics(), measured.rows()
    assert metrics
    assert all(name.startswith(f"{path.stem}/") for name in metrics)
    assert all(
        value is None or (isinstance(value, (int, float)) and math.isfinite(value))
        for value in metrics.values()
    )
    assert any(value is not None for value in metrics.values())
    assert rows
    assert all(list(row) == list(rows[0]) for row in rows)

    png = io.BytesIO()
    measured.figure().savefig(png, format="png")
    assert png.getvalue().startswith(b"\x89PNG")


@cache
def initialized(name: str) -> nn.Module:
    """A small network of the model group, its signal neither lost nor blown up."""
    model = components.small_model(name, "none")
    assert model is not None
    initialize(model, "he", generator=torch.Generator().manual_seed(0))
    return model


@pytest.mark.parametrize("name", components.names("model"))
@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_it_measures_every_network_of_the_project_and_every_layer_of_it(path, name, rng):
    model, given = initialized(name), components.small_batch(name, size=3)
    before = state(model)
    measured = load(path)(model, given, rng)
    assert same(before, state(model))
    values = measured.metrics()
    assert all(value is None or math.isfinite(value) for value in values.values())
    assert sum(value is None for value in values.values()) <= len(values) / 2
    rows = measured.rows()
    if "layer" in rows[0]:
        assert {site.name for site in sites_of(model)} <= {row["layer"] for row in rows}


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_the_generator_alone_decides_the_result(path):
    results = []
    for seed in (1, 2):
        torch.manual_seed(seed)
        results.append(load(path)(build(tiny_conv), batch(), torch.Generator().manual_seed(0)).metrics())
    assert results[0] == results[1]


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_it_measures_under_no_grad_too(path, rng):
    model = build(tiny_mlp)
    with torch.no_grad():
        assert load(path)(model, batch(), rng).metrics()
        assert not torch.is_grad_enabled()


@pytest.mark.parametrize("bad", [math.nan, math.inf])
@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_a_batch_that_is_not_finite_is_refused_in_one_sentence(path, bad, rng):
    inputs, labels = batch()
    inputs[1, 0, 2, 3] = bad
    model = build(tiny_conv)
    before = state(model)
    with pytest.raises(InitlabError, match=r"^[^\n]*batch[^\n]*$"):
        load(path)(model, (inputs, labels), rng)
    assert same(before, state(model))


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_a_module_without_layers_is_refused_in_one_sentence(path, rng):
    with pytest.raises(InitlabError, match=r"^[^\n]+$"):
        load(path)(nn.Sequential(nn.Flatten(), nn.ReLU()), batch(), rng)


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_a_network_that_fails_half_way_is_left_as_it_was(path, rng):
    model = build(tiny_conv)
    before, random = state(model), torch.get_rng_state()
    inputs, labels = batch()
    with pytest.raises(RuntimeError, match="channels"):
        load(path)(model, (inputs[:, :1], labels), rng)  # one channel where the network wants two
    assert same(before, state(model))
    assert torch.equal(random, torch.get_rng_state())
