"""One batch normalization in the network, at the place that was asked for."""

import pytest
import torch
from torch import nn

import components
from initlab.errors import ConfigError
from initlab.norm.base import Norm, Place
from initlab.norm.batch import Batch
from initlab.norm.batch_single import BatchSingle
from initlab.norm.none import NoNorm
from initlab.site import sites_of

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


@pytest.mark.parametrize("name", ["wrn", "resnet_cifar", "resnet_b", "resnet_c"])
@pytest.mark.parametrize("position", PLACES)
def test_residual_networks_have_it_once_at_its_place(name: str, position: Place) -> None:
    small, shape = components.fitting_size(name)
    norm = BatchSingle(position=position)
    model = components.build("model", name, **small, input_shape=shape, num_classes=3, norm=norm)
    norms = [module for module in model.modules() if isinstance(module, nn.BatchNorm2d)]
    assert len(norms) == 1
    units = list(dict.fromkeys(s.unit for s in sites_of(model) if s.unit is not None))
    called: list[nn.Module] = []
    watched = {"stem": model.stem, "norm": norms[0], **{str(i): unit for i, unit in enumerate(units)}}
    for module in watched.values():
        module.register_forward_hook(lambda module, args, output: called.append(module))
    model(torch.randn(4, *shape))
    order = [next(key for key, module in watched.items() if module is one) for one in called]
    expected = ["stem", *(str(i) for i in range(len(units)))]
    after = {"first": 1, "middle": 1 + len(units) // 2, "last": len(expected)}[position]
    assert order == [*expected[:after], "norm", *expected[after:]]
    assert len(units) == 3
