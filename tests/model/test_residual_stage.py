import pytest
import torch
from torch import nn

from initlab.model.residual_stage import ResidualBlock
from initlab.model.wrn import Wrn
from initlab.norm.batch import Batch
from initlab.norm.none import NoNorm
from initlab.norm.weight import Weight
from initlab.site import Role


def build(in_channels=4, out_channels=4, stride=1, num_convs=2, padding_mode="zeros", norm=None):
    return ResidualBlock(in_channels, out_channels, stride, num_convs, padding_mode, norm or NoNorm())


@pytest.fixture
def stream(rng):
    return torch.randn(3, 4, 8, 8, generator=rng)


@pytest.mark.parametrize("norm", [NoNorm(), Weight()])
def test_adds_conv_relu_conv_and_nothing_after(norm, stream):
    block = build(norm=norm)
    first, relu, last = block.branch
    assert isinstance(relu, nn.ReLU)
    torch.testing.assert_close(block(stream), stream + last(first(stream).relu()))
    assert bool((block(stream) < 0).any())


def test_a_branch_can_have_any_number_of_convolutions():
    kinds = [type(module) for module in build(num_convs=3).branch]
    assert kinds == [nn.Conv2d, nn.ReLU, nn.Conv2d, nn.ReLU, nn.Conv2d]
    assert [type(module) for module in build(num_convs=1).branch] == [nn.Conv2d]


@pytest.mark.parametrize(
    ("out_channels", "stride", "projected"), [(4, 1, False), (8, 1, True), (4, 2, True), (8, 2, True)]
)
def test_the_shortcut_is_a_1x1_convolution_where_the_shape_changes(out_channels, stride, projected, stream):
    block = build(out_channels=out_channels, stride=stride)
    assert (block.shortcut is not None) is projected
    if block.shortcut is not None:
        assert block.shortcut.kernel_size == (1, 1)
        assert block.shortcut.bias is not None
        torch.testing.assert_close(block(stream), block.shortcut(stream) + block.branch(stream))
    assert block(stream).shape == (3, out_channels, 8 // stride, 8 // stride)


def test_with_batch_norm_the_branch_is_norm_relu_conv_twice(stream):
    block = build(norm=Batch())
    relu, first, normalization, relu2, last = block.branch
    assert isinstance(relu, nn.ReLU)
    assert isinstance(relu2, nn.ReLU)
    entered = block.entry(stream)
    expected = stream + last(normalization(first(entered.relu())).relu())
    torch.testing.assert_close(block(stream), expected)


def test_with_batch_norm_the_shortcut_is_fed_the_normalized_stream_without_relu(stream):
    block = build(out_channels=8, stride=2, norm=Batch())
    entered = block.entry(stream)
    torch.testing.assert_close(block(stream) - block.branch(entered), block.shortcut(entered))


def test_sites_say_role_relu_unit_and_position():
    block = build(out_channels=8, num_convs=3, norm=Weight())
    *branch, shortcut = block.sites("stages.1.0", stage=1, block=0, num_blocks=2)
    assert [site.role for site in branch] == [Role.BRANCH] * 3
    assert [site.relu for site in branch] == [True, True, False]
    assert [site.position for site in branch] == [0, 1, 2]
    assert {site.branch_length for site in branch} == {3}
    assert (shortcut.role, shortcut.relu) == (Role.SHORTCUT, False)
    assert {(s.stage, s.block, s.num_blocks) for s in (*branch, shortcut)} == {(1, 0, 2)}
    assert all(site.unit is block for site in (*branch, shortcut))


@pytest.mark.parametrize("norm", [Weight(), Batch()], ids=["weight", "batch"])
def test_checkpointed_blocks_have_the_same_gradients_to_the_last_bit(norm):
    images = torch.randn(2, 3, 8, 8, generator=torch.Generator().manual_seed(1))
    gradients = []
    for checkpoint_activations in (False, True):
        torch.manual_seed(0)
        model = Wrn(
            2, checkpoint_activations=checkpoint_activations, input_shape=(3, 8, 8), num_classes=3, norm=norm
        )
        model(images).square().sum().backward()
        gradients.append([parameter.grad for parameter in model.parameters()])
    for plain, recomputed in zip(*gradients, strict=True):
        assert plain.abs().sum() > 0
        assert torch.equal(plain, recomputed)
