"""One batch normalization in the network, at the place that was asked for."""

import pytest
import torch
from torch import nn

from initlab.errors import ConfigError
from initlab.norm.base import Norm, Place
from initlab.norm.batch import Batch
from initlab.norm.batch_single import BatchSingle
from initlab.norm.none import NoNorm

PLACES: list[Place] = ["first", "middle", "last"]


@pytest.mark.parametrize("position", PLACES)
def test_it_gives_one_module_at_its_place_and_none_on_the_layers(position: Place) -> None:
    norm = BatchSingle(position=position, momentum=0.3)
    modules = {place: norm.placement(place, 6) for place in PLACES}
    assert [place for place, module in modules.items() if module is not None] == [position]
    made = modules[position]
    assert isinstance(made, nn.BatchNorm2d)
    assert (made.num_features, made.momentum) == (6, 0.3)
    assert isinstance(norm.placement(position, 6, spatial=False), nn.BatchNorm1d)
    assert norm.activation(6) is None
    layer = nn.Linear(2, 2)
    before = layer.weight
    assert isinstance(before, torch.Tensor)
    assert norm.wrap(layer) is layer
    assert layer.weight is before


@pytest.mark.parametrize("norm", [NoNorm(), Batch()])
def test_other_norms_ask_for_no_place(norm: Norm) -> None:
    assert [norm.placement(place, 6) for place in PLACES] == [None] * 3


def test_an_unknown_position_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"norm\.position=top: must be first, middle or last"):
        BatchSingle(position="top")  # type: ignore[arg-type]
