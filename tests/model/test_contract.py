"""What every network promises, checked over the files of ``configs/model`` with every norm."""

from collections import defaultdict
from functools import cache

import pytest
import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

import components
from initlab.errors import Refused
from initlab.norm.base import is_weight_normalized, parametrization
from initlab.site import LAYERS, Role, sites_of

MODELS = components.names("model")
NORMS = components.names("norm")


def test_the_config_files_are_found():
    assert {"mlp", "cnn", "wrn", "resnet_cifar"} <= set(MODELS)
    assert {"none", "weight", "batch"} <= set(NORMS)


@pytest.fixture(params=MODELS)
def name(request):
    return request.param


@cache
def built(name, norm):
    return components.small_model(name, norm)


@pytest.fixture(params=NORMS)
def model(name, request):
    model = built(name, request.param)
    if model is None:
        pytest.skip(f"model={name} does not take norm={request.param}")
    return model


def test_some_norm_fits(name):
    assert any(built(name, norm) is not None for norm in NORMS)


def test_sites_list_each_layer_once_under_its_own_name(model):
    sites = sites_of(model)
    modules = dict(model.named_modules())
    assert all(modules[site.name] is site.layer for site in sites)
    assert len({site.name for site in sites}) == len(sites)
    assert {id(site.layer) for site in sites} == {id(m) for m in modules.values() if isinstance(m, LAYERS)}


def test_the_head_is_listed_and_no_norm_touches_it(model):
    heads = [site for site in sites_of(model) if site.role is Role.HEAD]
    assert heads
    assert not any(is_weight_normalized(site.layer) for site in heads)


def test_sites_of_residual_branches_say_where_they_are(model):
    branches = defaultdict(list)
    for site in sites_of(model):
        if site.role in (Role.BRANCH, Role.SHORTCUT):
            assert isinstance(site.unit, nn.Module)
            assert site.stage is not None
            assert site.block is not None
            assert 0 <= site.block < site.num_blocks
            assert any(site.layer is module for module in site.unit.modules())
        if site.role is Role.BRANCH:
            branches[id(site.unit)].append(site)
    for branch in branches.values():
        assert [site.position for site in branch] == list(range(branch[0].branch_length))
        assert {site.branch_length for site in branch} == {len(branch)}
        assert [site.last_in_branch for site in branch] == [False] * (len(branch) - 1) + [True]


def test_shapes_are_those_of_the_weights(model):
    for site in sites_of(model):
        assert tuple(site.layer.weight.shape) == site.shape


def test_runs_forward_and_backward(name, model):
    model.zero_grad()
    inputs, labels = components.small_batch(name)
    outputs = model(inputs)
    outputs = outputs if isinstance(outputs, tuple) else (outputs,)
    assert outputs[0].shape == (len(labels), components.NUM_CLASSES)
    assert all(bool(torch.isfinite(output).all()) for output in outputs)
    (nn.functional.cross_entropy(outputs[0], labels) + sum(o.sum() for o in outputs[1:])).backward()
    without = [key for key, parameter in model.named_parameters() if parameter.grad is None]
    assert not without
    assert all(bool(torch.isfinite(parameter.grad).all()) for parameter in model.parameters())


def test_what_no_site_holds_can_be_reset(model):
    """Parameters and buffers outside layers belong to modules that say how they start."""
    for name, module in model.named_modules():
        if type(module).__module__.startswith("initlab.model"):
            direct = [*module.parameters(recurse=False), *module.buffers(recurse=False)]
            assert not direct or callable(getattr(module, "reset_parameters", None)), name


NORMALIZATIONS = [
    (norm, options)
    for norm in NORMS
    for options in (
        [{"position": p} for p in ("first", "middle", "last")] if norm == "batch_single" else [{}]
    )
]


@pytest.mark.parametrize(("norm", "options"), NORMALIZATIONS, ids=str)
def test_a_norm_acts_or_is_refused_in_a_sentence_that_names_both(name, norm, options):
    """That something is there; `test_runs_forward_and_backward` shows that its parameters have gradients."""
    small, shape = components.fitting_size(name)
    given = components.build("norm", norm, **options)
    try:
        model = components.build("model", name, **small, input_shape=shape, num_classes=3, norm=given)
    except Refused as error:
        refusal = str(error)
    else:
        sites = sites_of(model)
        wrapped = [site.role for site in sites if parametrization(site.layer) is not None]
        hidden = [site.role for site in sites if site.role is not Role.HEAD]
        norms = [m for m in model.modules() if isinstance(m, _BatchNorm)] if name != "timm" else []
        of_activations = norm.startswith("batch")
        assert wrapped == ([] if of_activations or norm == "none" else hidden)
        assert bool(norms) is of_activations
        assert norm != "batch_single" or len(norms) == 1
        return
    components.check_one_line(refusal)
    assert type(given).__name__ in refusal
    assert name in refusal
