"""Arrays of the user's own: what is stored is kept, and what is missing is split off."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pytest
import torch

from initlab.data.npz_file import Arrays
from initlab.data.stored_arrays import StoredArrays
from initlab.errors import ConfigError

X, Y = np.arange(40.0).reshape(20, 2), np.arange(20) % 4


@dataclass(frozen=True, kw_only=True)
class InMemory(StoredArrays):
    given: Arrays

    @cached_property
    def arrays(self):
        return self.given

    @staticmethod
    def stored(x):
        return torch.from_numpy(x)


def test_a_stored_test_part_is_the_test_part():
    train, test = InMemory(given=Arrays(X, Y, X[:3], Y[:3])).read()
    assert torch.equal(train.inputs, torch.from_numpy(X))
    assert torch.equal(test.labels, torch.from_numpy(Y[:3]))


def test_without_one_a_share_of_every_class_is_split_off():
    train, test = InMemory(given=Arrays(X, Y), test_fraction=0.4).read()
    assert test.labels.bincount().tolist() == [2] * 4
    rows = torch.cat([train.inputs, test.inputs])
    assert torch.equal(rows[rows[:, 0].argsort()], torch.from_numpy(X))


def test_shape_and_classes_are_those_of_the_arrays():
    source = InMemory(given=Arrays(X, Y, classes=tuple("abcd")))
    assert (source.input_shape, source.num_classes, source.class_names) == ((2,), 4, tuple("abcd"))
    assert InMemory(given=Arrays(X, Y)).class_names == tuple("0123")
    with pytest.raises(ConfigError, match=r"data\.test_fraction=2"):
        InMemory(given=Arrays(X, Y), test_fraction=2.0)
