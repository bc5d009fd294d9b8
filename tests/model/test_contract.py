"""What every network promises, checked over the files of ``configs/model`` with every norm."""

from collections import defaultdict

import pytest
import torch
from torch import nn

import components
from initlab.norm.base import is_weight_normalized
from initlab.site import LAYERS, Role, sites_of

MODELS = components.names("model")
NORMS = components.names("norm")


def test_the_config_files_are_found():
    assert {"mlp", "cnn", "wrn", "resnet_cifar"} <= set(MODELS)
    assert {"none", "weight", "batch"} <= set(NORMS)


@pytest.fixture(params=MODELS)
def name(request):
    return request.param


@pytest.fixture(params=NORMS)
def model(name, request):
    model = components.small_model(name, request.param)
    if model is None:
        pytest.skip(f"model={name} does not take norm={request.param}")
    return model


def test_some_norm_fits(name):
    assert any(components.small_model(name, norm) is not None for norm in NORMS)


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
