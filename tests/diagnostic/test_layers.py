import pytest
import timm
import torch
import torchvision
from torch import nn

from initlab.diagnostic.layers import blocks_of, head_of, layers_of
from initlab.errors import InitlabError
from initlab.site import Role, Site


@pytest.mark.parametrize(
    ("build", "count", "first", "last"),
    [
        (lambda: timm.create_model("resnet18"), 8, "layer1.0", "layer4.1"),
        (lambda: timm.create_model("convnext_atto"), 12, "stages.0.blocks.0", "stages.3.blocks.1"),
        (lambda: timm.create_model("vit_tiny_patch16_224", depth=3), 3, "blocks.0", "blocks.2"),
        (lambda: torchvision.models.mobilenet_v3_small(), 11, "features.1", "features.11"),
        (lambda: torchvision.models.vgg11(num_classes=2, init_weights=False).features, 0, None, None),
    ],
)
def test_blocks_of_known_networks_are_the_ones_their_papers_draw(build, count, first, last):
    with torch.device("meta"):
        blocks = list(blocks_of(build()))
    assert len(blocks) == count
    assert (blocks[:1], blocks[-1:]) == (([first], [last]) if count else ([], []))


def test_blocks_of_a_network_with_sites_are_its_units():
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.body = nn.ModuleDict({"a": nn.Sequential(nn.Linear(3, 3), nn.ReLU(), nn.Linear(3, 3))})
            self.head = nn.Linear(3, 2)

        def sites(self):
            unit = self.body["a"]
            for index in (0, 2):
                yield Site("", unit[index], Role.BRANCH, unit=unit)
            yield Site("", self.head, Role.HEAD)

    model = Net()
    assert blocks_of(model) == {"body.a": model.body["a"]}
    assert list(layers_of(model)) == ["body.a.0", "body.a.2", "head"]
    assert head_of(model) is model.head
    assert head_of(nn.Sequential(nn.Linear(3, 2))) is None


def test_a_layer_that_no_site_can_describe_is_refused_by_name():
    with pytest.raises(InitlabError, match=r"^1 is a ConvTranspose2d, which is not supported$"):
        layers_of(nn.Sequential(nn.Conv2d(3, 4, 3), nn.ConvTranspose2d(4, 3, 3)))
    with pytest.raises(InitlabError, match=r"^1 has no shape yet"):
        layers_of(nn.Sequential(nn.Conv2d(3, 4, 3), nn.LazyLinear(2)))
    with pytest.raises(InitlabError, match=r"^ReLU has no Linear or Conv layer to measure$"):
        layers_of(nn.ReLU())
