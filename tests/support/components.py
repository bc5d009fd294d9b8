"""Find the components of a config group through their YAML files, and build small ones without Hydra."""

from __future__ import annotations

import inspect
from copy import deepcopy
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

import torch
from omegaconf import OmegaConf
from torch import nn

from initlab.errors import ConfigError, Refused
from initlab.init import initialize

ROOT = Path(__file__).parents[2]
CONFIGS = ROOT / "configs"
NUM_CLASSES = 3

# Options that make a network small enough to be built hundreds of times; see `smaller` for all others.
SMALL: dict[str, dict[str, Any]] = {
    "mlp": {"depth": 2, "width": 8},
    "cnn": {"depth": 3, "width": 8},
    "wrn": {"num_blocks": 1},
    "resnet_cifar": {"depth": 8},
    "resnet_b": {"stages": [1, 2], "widths": [8, 16]},
    "resnet_c": {"stages": [1, 2], "widths": [8, 16]},
    "lenet_strided": {"widen_factor": 0.5, "layer_scales": True},
    "alexnet_strided": {"widen_factor": 0.05, "layer_scales": True},
    "timm": {"architecture": "test_resnet"},
}
# Options of a network without which these inits refuse it.
NEEDED: dict[str, dict[str, Any]] = {
    "fixup": {"scalar_biases": True},
    "nf_resnet": {"residual_scale": 0.2, "scale_branch_input": True},
    "normal_resnet": {"residual_scale": 0.5**0.5, "skip_scale": 0.5**0.5},
    "preconditioned": {"layer_scales": True},
}
# Tried in turn, for whatever option of that name a network has.
FALLBACK = {"depth": 2, "num_blocks": 1, "width": 16, "widen_factor": 1, "base_width": 16, "hidden": 16}
SHAPES = [(3, 8, 8), (3, 32, 32), (3, 64, 64), (4, 84, 84), (20,)]


def names(group: str) -> list[str]:
    """The options of a config group."""
    return sorted(path.stem for path in (CONFIGS / group).glob("*.yaml"))


def config(group: str, name: str) -> dict[str, Any]:
    """The values of one option; interpolations stay as they are written."""
    return deepcopy(_read(group, name))


@cache
def _read(group: str, name: str) -> dict[str, Any]:
    values = OmegaConf.to_container(OmegaConf.load(CONFIGS / group / f"{name}.yaml"), resolve=False)
    assert isinstance(values, dict)
    return values


def target(group: str, name: str) -> type:
    """The class that one option names."""
    module, _, attribute = config(group, name)["_target_"].rpartition(".")
    return getattr(import_module(module), attribute)


def build(group: str, name: str, **options: Any) -> Any:
    """Build one option with some of its values replaced."""
    values = {key: value for key, value in config(group, name).items() if key not in ("_target_", "defaults")}
    return target(group, name)(**{**values, **options})


def build_model(name: str, norm: str, small: dict[str, Any], shape: tuple[int, ...]) -> nn.Module:
    """Build one network for inputs of that shape."""
    norm_ = build("norm", norm)
    return build("model", name, **small, input_shape=shape, num_classes=NUM_CLASSES, norm=norm_)


def smaller(name: str) -> list[dict[str, Any]]:
    """Options to try, smallest first; the last try is the YAML file's own size."""
    if name in SMALL:
        return [SMALL[name]]
    values = config("model", name)
    shrunk = {
        key: [small] * len(values[key]) if isinstance(values[key], list) else small
        for key, small in FALLBACK.items()
        if isinstance(values.get(key), (int, list))
    }
    parameters = inspect.signature(target("model", name)).parameters
    no_depth = {key: value for key, value in shrunk.items() if key != "depth"}
    return [{k: v for k, v in options.items() if k in parameters} for options in (shrunk, no_depth, {})]


@cache
def fitting_size(name: str) -> tuple[dict[str, Any], tuple[int, ...]]:
    """The small options and the input shape with which a network builds and runs, with some norm."""
    problems = []
    for small in smaller(name):
        for shape in SHAPES:
            for norm in names("norm"):
                try:
                    model = build_model(name, norm, small, shape).eval()
                    with torch.no_grad():
                        model(torch.zeros(2, *shape))
                except (ConfigError, Refused, RuntimeError, ValueError) as problem:
                    problems.append(f"{small} {shape} {norm}: {problem}")
                else:
                    return small, shape
    raise AssertionError(f"no small size of model={name} runs:\n" + "\n".join(problems))


def small_model(name: str, norm: str, **options: Any) -> nn.Module | None:
    """A small network with that norm, or None where they do not fit or the network lacks an option."""
    small, shape = fitting_size(name)
    if not set(options) <= set(config("model", name)):
        return None
    try:
        return build_model(name, norm, {**small, **options}, shape)
    except (ConfigError, Refused) as refusal:
        check_one_line(refusal)
        return None


def check_one_line(refusal: Exception | str) -> None:
    """A refusal is one sentence, which a person reads without its traceback."""
    assert str(refusal)
    assert "\n" not in str(refusal)


def small_batch(name: str, size: int = 8) -> tuple[torch.Tensor, torch.Tensor]:
    """Inputs and labels for the small network of that name."""
    rng = torch.Generator().manual_seed(0)
    inputs = torch.randn(size, *fitting_size(name)[1], generator=rng)
    return inputs, torch.arange(size) % NUM_CLASSES


def fits(init: str) -> dict[str, Any]:
    """What ``fits.json`` says of an init: the norms it fits by network, and the options that it needs."""
    found: dict[str, list[str]] = {}
    for name in names("model"):
        found[name] = []
        for norm in names("norm"):
            model = small_model(name, norm, **NEEDED.get(init, {}))
            if model is None:
                continue
            try:
                initialize(model, build("init", init), torch.Generator().manual_seed(0), small_batch(name))
            except (Refused, ConfigError):
                continue
            found[name].append(norm)
    return {"needs": needs(init), "fits": found}


def needs(init: str) -> list[str]:
    """The options of a network that an init needs, as on the command line."""
    words = {True: "true", False: "false"}
    return [f"model.{key}={words.get(value, value)}" for key, value in NEEDED.get(init, {}).items()]
