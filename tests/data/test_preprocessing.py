import pytest
import torch
from torchvision.transforms import v2

from initlab.data.preprocessing import Preprocessing


def test_equals_torchvisions_normalization_to_rounding(rng):
    images = torch.randint(256, (5, 3, 8, 8), generator=rng, dtype=torch.uint8)
    mean, std = (0.4914, 0.4822, 0.4465), (0.2023, 0.1994, 0.2010)
    oracle = v2.Compose([v2.ToDtype(torch.float32, scale=True), v2.Normalize(mean, std)])
    torch.testing.assert_close(Preprocessing(255.0, mean, std)(images), oracle(images), rtol=0, atol=1e-6)


@pytest.mark.parametrize("shape", [(400, 3, 5, 5), (400, 7)])
@pytest.mark.parametrize("dtype", [torch.uint8, torch.float32])
def test_measured_statistics_give_mean_0_and_deviation_1(shape, dtype, rng):
    stored = (torch.rand(shape, generator=rng) * 200).to(dtype)
    inputs = Preprocessing.measured(stored, 255.0)(stored).double().transpose(0, 1).flatten(1)
    assert inputs.mean(1).abs().max() < 1e-6
    assert (inputs.std(1, correction=0) - 1).abs().max() < 1e-6


@pytest.mark.parametrize("dtype", [torch.uint8, torch.float32])
def test_a_constant_feature_is_centred(dtype):
    stored = torch.full((3, 2), 0.7).mul(10).to(dtype)
    assert Preprocessing.measured(stored, 16.0)(stored).abs().max() < 1e-6


def test_the_stored_values_stay_as_they_are():
    stored = torch.ones(2, 3)
    assert torch.equal(Preprocessing(1.0, (1.0,), (2.0,))(stored), torch.zeros(2, 3))
    assert torch.equal(stored, torch.ones(2, 3))
