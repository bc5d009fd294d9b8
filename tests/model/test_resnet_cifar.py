import pytest
import torch
from torch import nn

from initlab.errors import ConfigError
from initlab.model.resnet_cifar import ResnetCifar
from initlab.norm.batch import Batch
from initlab.norm.weight import Weight
from initlab.site import Role


def build(depth=14, num_classes=10, norm=None):
    return ResnetCifar(depth, input_shape=(3, 32, 32), num_classes=num_classes, norm=norm or Weight())


@pytest.mark.parametrize(
    ("depth", "num_classes", "count"), [(56, 10, 855770), (110, 10, 1730714), (164, 100, 2611508)]
)
def test_has_as_many_parameters_as_the_papers_code(depth, num_classes, count):
    model = build(depth, num_classes)
    assert sum(parameter.numel() for parameter in model.parameters()) == count


@pytest.mark.parametrize(("depth", "num_blocks"), [(8, 1), (56, 9), (110, 18), (164, 27)])
def test_depth_is_6n_plus_2(depth, num_blocks):
    sites = list(build(depth).sites())
    assert {site.num_blocks for site in sites if site.role is Role.BRANCH} == {num_blocks}
    assert sum(site.role is not Role.SHORTCUT for site in sites) == depth


@pytest.mark.parametrize(("depth", "nearest"), [(1, 8), (9, 8), (55, 56), (57, 56), (163, 164)])
def test_another_depth_is_refused_with_the_nearest_right_one(depth, nearest):
    with pytest.raises(ConfigError, match=rf"^model.depth={depth}: .* the nearest is {nearest}$"):
        build(depth)


@pytest.mark.parametrize("depth", [0, -4])
def test_a_depth_is_positive(depth):
    with pytest.raises(ConfigError, match=f"model.depth={depth}: must be a positive whole number"):
        build(depth)


def test_batch_norm_also_follows_the_stem_and_precedes_the_pooling_without_relu(rng):
    model, images = build(norm=Batch()), torch.randn(4, 3, 32, 32, generator=rng)
    assert sum(isinstance(module, nn.BatchNorm2d) for module in model.modules()) == 12 + 2
    stream = model.stages(model.stem_norm(model.stem(images)))
    torch.testing.assert_close(model(images), model.head(model.final_norm(stream).mean((2, 3))))


def test_vectors_are_no_images():
    with pytest.raises(ConfigError, match="model=resnet_cifar takes images"):
        ResnetCifar(8, input_shape=(20,), num_classes=10, norm=Weight())
