import pytest
import torch

from initlab.model.resnet_b import ResnetB
from initlab.norm.batch import Batch
from initlab.norm.none import NoNorm


@pytest.mark.parametrize(
    ("depth", "parameters"), [(18, 11689512), (34, 21797672), (50, 25557032), (101, 44549160)]
)
def test_it_is_as_large_as_the_published_resnet(depth, parameters):
    """ResNet of He et al. 2016 for ImageNet: these counts include 2 numbers per channel of batch norm."""
    with torch.device("meta"):
        model = ResnetB(
            depth,
            stem="imagenet",
            bias=False,
            learn_residual_scale=False,
            input_shape=(3, 224, 224),
            num_classes=1000,
            norm=Batch(),
        )
    assert sum(parameter.numel() for parameter in model.parameters()) == parameters


def test_a_block_of_one_width_has_no_weight_on_its_skip():
    model = ResnetB(stages=[2], widths=[8], input_shape=(3, 8, 8), num_classes=5, norm=NoNorm())
    with torch.no_grad():
        for block in model.stages[0]:
            block.alpha.zero_()
    inputs = torch.randn(2, 3, 8, 8)
    assert torch.equal(model.features(inputs), torch.relu(model.stem(inputs)))
