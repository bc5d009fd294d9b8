from dataclasses import dataclass

import pytest
import torch

from initlab.data.array_source import ArraySource, ImageSource
from initlab.data.resident import Examples
from initlab.errors import ConfigError


def examples(count, first=0):
    labels = torch.arange(first, first + count)
    images = labels.to(torch.uint8)[:, None, None, None].expand(-1, 2, 4, 4)
    return Examples(images.contiguous(), labels % 3)


@dataclass(frozen=True, kw_only=True)
class Small(ImageSource):
    @property
    def input_shape(self):
        return (2, 4, 4)

    @property
    def num_classes(self):
        return 3

    def read(self):
        return examples(50), examples(20, first=50)


class Features(ArraySource):
    input_shape = (3,)
    num_classes = 2

    def read(self):
        return Examples(torch.ones(10, 3), torch.ones(10).long()), Examples(
            torch.ones(4, 3), torch.ones(4).long()
        )


def numbers(part):
    return part.inputs[:, 0, 0, 0].tolist()


def test_train_validation_and_test_are_disjoint_and_complete():
    train, val, test = map(numbers, Small().parts)
    assert (len(train), len(val), len(test)) == (45, 5, 20)
    assert sorted(train + val + test) == list(range(70))


def test_the_split_has_a_seed_and_a_share_of_its_own():
    assert numbers(Small().parts.val) == numbers(Small().parts.val)
    assert numbers(Small(split_seed=1).parts.val) != numbers(Small().parts.val)
    assert len(Small(val_fraction=0.3).parts.val) == 15


def test_validation_images_are_normalized_by_the_training_images_and_not_augmented():
    source = Small(augment=True, cutout=True, cutout_length=2)
    inputs, _ = next(iter(source.loaders(45, 0).val))
    train, val = source.parts.train.inputs.double(), source.parts.val.inputs.double()
    oracle = (val - train.mean()) / train.std(correction=0)
    torch.testing.assert_close(inputs.double(), oracle, rtol=0, atol=1e-5)


def test_without_normalization_images_lie_in_0_to_1():
    inputs, _ = next(iter(Small(normalize=False).loaders(45, 0).test))
    torch.testing.assert_close(inputs[:, 0, 0, 0], torch.arange(50, 70) / 255)


def test_features_come_as_they_are():
    inputs, labels = next(iter(Features().loaders(4, 0).train))
    assert torch.equal(inputs, torch.ones(4, 3))
    assert torch.equal(labels, torch.ones(4).long())


def test_the_options_are_checked_before_anything_is_read(sentence):
    for options in ({"val_fraction": 0}, {"val_fraction": 1}, {"cutout": True, "cutout_length": 0}):
        key, value = list(options.items())[-1]
        assert f"data.{key}={value}" in sentence(lambda options=options: Small(**options), ConfigError)


@pytest.mark.parametrize("sizes", [(0, 5), (5, -1)])
def test_batch_sizes_are_positive(sizes, sentence):
    text = sentence(lambda: Small().loaders(sizes[0], 0, eval_batch_size=sizes[1]), ConfigError)
    assert "batch_size=" in text
