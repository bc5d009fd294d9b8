import pytest
import timm
import torch
from torch import Tensor, nn

from initlab.diagnostic.receptive import architectural_field, positions


def field(network, *shape: int) -> tuple[int, ...]:
    leaf = torch.randn(1, *shape, generator=torch.Generator().manual_seed(0)).requires_grad_()
    return architectural_field(network(leaf.clone()), leaf)


def test_a_resnet_18_sees_435_pixels_a_side():
    model = timm.create_model("resnet18").eval()
    assert field(model.forward_features, 3, 64, 64) == (435, 435)


def test_pooling_widens_the_view_as_a_kernel_does():
    assert field(nn.Sequential(nn.MaxPool2d(3, 2), nn.AvgPool2d(2), nn.Conv2d(1, 1, 3)), 1, 40, 30) == (
        13,
        13,
    )
    assert field(nn.Sequential(nn.MaxPool1d(2), nn.Conv1d(1, 1, 3)), 1, 40) == (6,)


def test_kernels_that_are_not_square_see_no_square():
    assert field(nn.Sequential(nn.Conv2d(1, 1, (3, 1), (2, 1)), nn.Conv2d(1, 1, (1, 5))), 1, 20, 20) == (3, 5)


def test_branches_that_meet_see_what_the_wider_sees():
    wide, narrow = nn.Conv2d(1, 1, 5, padding=2), nn.Conv2d(1, 1, 1)
    assert field(lambda x: torch.relu(wide(x)) + narrow(x), 1, 9, 9) == (5, 5)


@pytest.mark.parametrize(
    "mix",
    [
        lambda x: x.mean((2, 3)),
        lambda x: x.flatten(2) @ x.flatten(2).transpose(1, 2),
        nn.AdaptiveAvgPool2d(1),
        nn.Sequential(nn.Flatten(), nn.Linear(2 * 12, 3)),
    ],
)
def test_what_mixes_all_positions_sees_the_whole_input(mix):
    assert field(mix, 2, 4, 3) == (4, 3)


@pytest.mark.parametrize(
    "stay",
    [
        lambda x: x.mean(1, keepdim=True),
        lambda x: x.mean(-3),
        lambda x: nn.functional.linear(x.permute(0, 2, 3, 1), torch.ones(5, 2)),
        nn.GroupNorm(1, 2),
        lambda x: x + 0 * torch.ones(2, 1, 1, requires_grad=True),
    ],
)
def test_what_acts_on_each_position_sees_one(stay):
    assert field(stay, 2, 4, 3) == (1, 1)


def test_a_linear_network_sees_every_entry_of_a_vector():
    assert field(nn.Linear(7, 2), 7) == (7,)


def test_what_does_not_depend_on_the_input_sees_nothing():
    weight = torch.ones(1, 2, requires_grad=True)
    assert field(lambda x: weight * 2, 1, 4, 4) == (0, 0)


def test_depth_is_no_limit():
    def deep(inputs: Tensor) -> Tensor:
        for _ in range(5000):
            inputs = inputs + 1
        return inputs

    assert field(deep, 1, 4, 4) == (1, 1)


def test_positions_are_pixels_or_entries():
    assert positions(torch.zeros(2, 3, 4, 5)) == (4, 5)
    assert positions(torch.zeros(2, 7)) == (7,)
