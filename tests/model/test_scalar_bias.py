import pytest
import torch
from torch import nn

from initlab.model.resnet_b import ResnetB
from initlab.model.scalar_bias import ScalarBias, scalar_bias
from initlab.norm.none import NoNorm


def test_it_starts_at_0_and_shifts_every_entry():
    bias = ScalarBias()
    inputs = torch.randn(2, 3, generator=torch.Generator().manual_seed(0))
    assert torch.equal(bias(inputs), inputs)
    nn.init.constant_(bias.value, 0.5)
    assert torch.equal(bias(inputs), inputs + 0.5)
    bias.reset_parameters()
    assert torch.equal(bias(inputs), inputs)


def test_one_that_is_not_wanted_has_no_parameter():
    assert not list(scalar_bias(wanted=False).parameters())
    assert isinstance(scalar_bias(wanted=True), ScalarBias)


@pytest.mark.parametrize("preact", [False, True])
def test_scalar_biases_stand_before_every_conv_relu_and_the_head(preact):
    model = ResnetB(
        stages=[2, 1],
        widths=[8, 12],
        scalar_biases=True,
        preact=preact,
        input_shape=(3, 8, 8),
        num_classes=5,
        norm=NoNorm(),
    )
    blocks = [block for stage in model.stages for block in stage]
    convs = 1 + sum(len(block.convs) for block in blocks)
    relus = (
        convs  # as many ReLUs as convs in both forms: the last ReLU of one stands for the stem's of the other
    )
    assert sum(isinstance(module, ScalarBias) for module in model.modules()) == convs + relus + 1
    assert all(block.alpha is not None for block in blocks)
