import pytest
import torch

from initlab.data.synthetic import Synthetic
from initlab.errors import ConfigError


@pytest.mark.parametrize("shape", [(3, 32, 32), (1, 8, 8), (20,)])
def test_inputs_are_standard_normal_of_any_shape(shape):
    source = Synthetic(shape=shape, train_size=4000)
    train = torch.cat([inputs for inputs, _ in source.loaders(100, seed=0).train])
    assert train.shape == (3600, *shape)
    error = train.numel() ** -0.5
    assert abs(float(train.mean())) < 5 * error
    assert abs(float(train.var()) - 1) < 5 * 2**0.5 * error


def test_labels_are_uniform():
    counts = torch.bincount(Synthetic(shape=(1,), classes=7, train_size=7000, test_size=1).parts.train.labels)
    assert len(counts) == 7
    assert float(((counts - 900) ** 2 / 900).sum()) < 6 + 5 * 12**0.5


def test_its_own_seed_alone_chooses_the_data():
    one, other, third = (Synthetic(shape=(4,), data_seed=seed).parts.test.inputs for seed in (0, 0, 1))
    assert torch.equal(one, other)
    assert not torch.equal(one, third)


def test_the_test_part_is_not_the_training_part():
    parts = Synthetic(shape=(4,)).parts
    rows = torch.cat([part.inputs for part in parts])
    assert len(rows.unique(dim=0)) == len(rows) == 1200


@pytest.mark.parametrize("key", ["classes", "train_size", "test_size"])
def test_sizes_are_positive(key, sentence):
    assert f"data.{key}=0" in sentence(lambda: Synthetic(**{key: 0}), ConfigError)
    assert "data.shape[1]=0" in sentence(lambda: Synthetic(shape=(3, 0)), ConfigError)
