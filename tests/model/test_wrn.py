import pytest
import torch
from torch import nn

from initlab.errors import ConfigError
from initlab.init import initialize
from initlab.model.construction import build_undrawn
from initlab.model.wrn import Wrn
from initlab.norm.batch import Batch
from initlab.norm.none import NoNorm
from initlab.norm.weight import Weight
from initlab.site import Role


def build(num_blocks=2, widen_factor=1, stem_width=16, convs_per_block=2, padding_mode="zeros", **others):
    shared = {"input_shape": (3, 32, 32), "num_classes": 10, "norm": Weight()}
    return Wrn(num_blocks, widen_factor, stem_width, convs_per_block, padding_mode, **{**shared, **others})


def num_parameters(model):
    return sum(parameter.numel() for parameter in model.parameters())


@pytest.mark.parametrize(
    ("num_blocks", "widen_factor", "stem_width", "count"),
    [
        (6, 1, 16, 564122),
        (1, 1, 16, 78042),
        (6, 10, 16, 55843994),
        (6, 10, 160, 56052650),
        (16, 1, 16, 1536282),
    ],
)
def test_has_as_many_parameters_as_the_papers_code(num_blocks, widen_factor, stem_width, count):
    with torch.device("meta"):
        model = build(num_blocks, widen_factor, stem_width)
    assert num_parameters(model) == count


@pytest.mark.slow
@pytest.mark.parametrize(("num_blocks", "count"), [(166, 16118682), (1666, 161942682)])
def test_ten_thousand_layers_can_be_built(num_blocks, count):
    model = build(num_blocks)
    assert num_parameters(model) == count
    stem, shortcuts, head = 1, 2, 1
    assert len(list(model.sites())) == 6 * num_blocks + stem + shortcuts + head


@pytest.mark.slow
def test_ten_thousand_layers_pass_a_signal_forward_and_backward(rng):
    model = build_undrawn(lambda: build(1666))
    initialize(model, "proposed", generator=rng)
    logits = model(torch.randn(2, 3, 32, 32, generator=rng))
    nn.functional.cross_entropy(logits, torch.tensor([0, 1])).backward()
    gradients = [parameter.grad.norm() for parameter in model.parameters()]
    assert bool(torch.stack(gradients).isfinite().all())
    # Theorem 2: each of three stages multiplies a norm by less than sqrt(e), whatever its depth.
    stem, head = model.stem.parametrizations.weight.original0.grad, model.head.weight.grad
    assert 1e-3 < float(stem.norm() / head.norm()) < 1e3


def test_the_stem_and_the_last_layer_of_a_branch_have_no_relu_after_them():
    sites = list(build().sites())
    assert sites[0].role is Role.STEM
    assert {(site.role, site.last_in_branch, site.relu) for site in sites} == {
        (Role.STEM, False, False),
        (Role.BRANCH, False, True),
        (Role.BRANCH, True, False),
        (Role.SHORTCUT, False, False),
        (Role.HEAD, False, False),
    }


def test_stages_have_16k_32k_and_64k_channels_and_the_later_two_start_with_stride_2():
    lasts = [site for site in build(widen_factor=3).sites() if site.last_in_branch]
    assert [site.out_channels for site in lasts] == [48, 48, 96, 96, 192, 192]
    assert [site.stage for site in lasts] == [0, 0, 1, 1, 2, 2]
    assert [site.block for site in lasts] == [0, 1] * 3
    firsts = [site for site in build().sites() if site.role is Role.BRANCH and site.position == 0]
    assert [site.stride[0] for site in firsts] == [1, 1, 2, 1, 2, 1]


def test_the_first_stage_has_a_shortcut_only_if_it_widens():
    def shortcuts(model):
        return [site.name for site in model.sites() if site.role is Role.SHORTCUT]

    assert shortcuts(build()) == ["stages.1.0.shortcut", "stages.2.0.shortcut"]
    assert len(shortcuts(build(widen_factor=2))) == 3
    assert len(shortcuts(build(widen_factor=2, stem_width=32))) == 2


def test_blocks_can_have_other_lengths():
    sites = [site for site in build(convs_per_block=4).sites() if site.role is Role.BRANCH]
    assert len(sites) == 6 * 4
    assert {site.branch_length for site in sites} == {4}


def test_batch_norm_stands_before_each_convolution_of_a_branch_and_nowhere_else():
    model = build(num_blocks=2, norm=Batch())
    assert sum(isinstance(module, nn.BatchNorm2d) for module in model.modules()) == 12
    assert model.stem_norm is None
    assert model.final_norm is None


def test_nothing_stands_between_the_last_addition_and_the_pooling(rng):
    model, images = build(norm=NoNorm()), torch.randn(2, 3, 32, 32, generator=rng)
    torch.testing.assert_close(model(images), model.head(model.stages(model.stem(images)).mean((2, 3))))


def test_all_convolutions_have_biases_and_the_head_is_plain():
    model = build()
    assert all(site.layer.bias is not None for site in model.sites())
    assert type(model.head) is nn.Linear


@pytest.mark.parametrize(
    ("options", "key"),
    [
        ({"num_blocks": 0}, "model.num_blocks=0"),
        ({"widen_factor": 0}, "model.widen_factor=0"),
        ({"stem_width": 0}, "model.stem_width=0"),
        ({"convs_per_block": 0}, "model.convs_per_block=0"),
        ({"padding_mode": "same"}, "model.padding_mode=same"),
        ({"input_shape": (20,)}, "model=wrn takes images"),
    ],
)
def test_bad_options_are_refused(options, key):
    with pytest.raises(ConfigError, match=f"^{key}"):
        build(**options)
