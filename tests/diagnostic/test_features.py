import pytest
import timm
import torch
import torchvision
from torch import Tensor, nn

from initlab.diagnostic.features import Features
from initlab.errors import InitlabError
from initlab.model.mlp import Mlp
from initlab.norm.none import NoNorm


def image(side: int = 32) -> Tensor:
    return torch.randn(1, 3, side, side, generator=torch.Generator().manual_seed(0))


class Excite(nn.Module):
    """A squeeze-and-excite gate: it pools all pixels in the middle of a network."""

    def __init__(self) -> None:
        super().__init__()
        self.gate = nn.Linear(4, 4)

    def forward(self, inputs: Tensor) -> Tensor:
        return inputs * torch.sigmoid(self.gate(inputs.mean((2, 3))))[:, :, None, None]


def test_timm_networks_say_what_their_features_are():
    model = timm.create_model("resnet18").eval()
    torch.testing.assert_close(Features(model)(image()), model.forward_features(image()))


def test_torchvision_networks_say_so_too():
    model = torchvision.models.squeezenet1_1().eval()
    torch.testing.assert_close(Features(model)(image(64)), model.features(image(64)))


@pytest.mark.parametrize(
    "pool",
    [
        nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten()),
        nn.Sequential(nn.AdaptiveMaxPool2d(1), nn.Flatten()),
        nn.Sequential(nn.AvgPool2d(8), nn.Flatten()),
    ],
)
def test_elsewhere_they_are_what_the_last_pooling_is_given(pool):
    stem = nn.Sequential(nn.Conv2d(3, 4, 3, 4, 1), Excite(), nn.Conv2d(4, 4, 3, 1, 1), nn.ReLU())
    model = nn.Sequential(stem, pool, nn.Linear(4, 6), nn.ReLU(), nn.Linear(6, 2))
    torch.testing.assert_close(Features(model)(image()), stem(image()))


def test_a_mean_over_pixels_is_a_pooling():
    class Mean(nn.Module):
        def forward(self, inputs: Tensor) -> Tensor:
            return inputs.mean(dim=(2, 3))

    model = nn.Sequential(nn.Conv2d(3, 4, 3), Mean(), nn.Linear(4, 2))
    torch.testing.assert_close(Features(model)(image()), model[0](image()))


def test_without_pooling_they_are_what_the_head_is_given():
    mlp = Mlp(2, 5, (3, 4, 4), 2, NoNorm())
    torch.testing.assert_close(Features(mlp)(image(4)), mlp.hidden(image(4)))
    plain = nn.Sequential(nn.Flatten(), nn.Linear(48, 5), nn.ReLU(), nn.Linear(5, 2), nn.Softmax(1))
    torch.testing.assert_close(Features(plain)(image(4)), plain[:3](image(4)))


def test_a_network_that_ends_in_a_convolution_is_all_features():
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Conv2d(4, 2, 1))
    torch.testing.assert_close(Features(model)(image()), model(image()))


def test_features_that_are_no_tensor_are_refused():
    class Pyramid(nn.Conv2d):
        def features(self, inputs: Tensor) -> list[Tensor]:
            return [self(inputs)]

    with pytest.raises(InitlabError, match=r"Pyramid.features returns no tensor"):
        Features(Pyramid(3, 4, 3))(image())
