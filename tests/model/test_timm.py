"""Networks of timm, by name."""

import pytest
import torch
from timm.models.resnet import resnet18
from torch import nn

from initlab.errors import ConfigError, Refused
from initlab.init import initialize
from initlab.model.timm import Timm
from initlab.norm.base import Norm, Place, is_weight_normalized, parametrization
from initlab.norm.batch import Batch
from initlab.norm.batch_single import BatchSingle
from initlab.norm.none import NoNorm
from initlab.norm.scaled_weight_standardization import ScaledWeightStandardization
from initlab.norm.weight import Weight
from initlab.site import Role, sites_of

PLACES: list[Place] = ["first", "middle", "last"]


def network(
    architecture: str = "resnet18", norm: Norm | None = None, shape: tuple[int, ...] = (3, 32, 32)
) -> Timm:
    return Timm(architecture=architecture, input_shape=shape, num_classes=7, norm=norm or NoNorm())


def test_its_function_and_features_are_timms_own(rng: torch.Generator) -> None:
    model = network(shape=(1, 32, 32)).eval()
    twin = resnet18(num_classes=7, in_chans=1).eval()
    twin.load_state_dict(model.network.state_dict())
    images = torch.randn(2, 1, 32, 32, generator=rng)
    assert torch.equal(model(images), twin(images))
    assert torch.equal(model.features(images), twin.forward_features(images))
    assert model(images).shape == (2, 7)


def test_sites_name_the_head_and_say_nothing_of_the_rest() -> None:
    sites = sites_of(network())
    assert len(sites) == 21  # 20 convs, one of them on each of three skips, and the classifier
    assert [site.name for site in sites if site.role is Role.HEAD] == ["network.fc"]
    assert {site.role for site in sites} == {Role.HEAD, Role.UNKNOWN}
    assert {site.relu for site in sites} == {None}


@pytest.mark.parametrize("norm", [Weight(), ScaledWeightStandardization()])
def test_a_norm_of_weights_reparametrizes_all_layers_but_the_classifier(norm: Norm) -> None:
    sites = sites_of(network(norm=norm))
    plain = [site.name for site in sites if parametrization(site.layer) is None]
    assert plain == ["network.fc"]
    assert is_weight_normalized(sites[0].layer) is isinstance(norm, Weight)


@pytest.mark.parametrize("norm", [Batch(), *(BatchSingle(position=place) for place in PLACES)])
def test_a_norm_of_activations_is_refused(norm: Norm) -> None:
    with pytest.raises(Refused, match="normalizes activations and timm's resnet18 brings its own"):
        network(norm=norm)


def test_inits_that_need_blocks_are_refused_with_a_sentence(rng: torch.Generator) -> None:
    for norm in (Weight(), None):
        with pytest.raises(Refused, match=r"^Proposed needs .* network\.conv1 Conv.* model=resnet_b$"):
            initialize(network(norm=norm), "proposed", generator=rng)
    for init in ("orthogonal", "looks_linear", "risotto"):
        with pytest.raises(Refused, match=r"where its ReLUs and residual blocks are, .* sites\(\) method"):
            initialize(network(), init, generator=rng)
    with pytest.raises(Refused, match="sets residual branches and Timm names none"):
        initialize(network(), "normal_resnet", generator=rng)


def test_inits_that_need_fans_set_every_parameter(rng: torch.Generator) -> None:
    model = network()
    for parameter in model.parameters():
        nn.init.constant_(parameter, float("nan"))
    images = torch.randn(4, 3, 32, 32, generator=rng)
    initialize(model, "he", generator=rng)
    assert all(parameter.isfinite().all() for parameter in model.parameters())
    second = sites_of(model)[1]
    assert float(second.layer.weight.detach().square().mean()) == pytest.approx(2 / second.fan_in, rel=0.05)
    assert model(images).isfinite().all()


def test_a_network_of_fixed_size_is_built_for_the_images() -> None:
    model = network("vit_tiny_patch16_224", shape=(3, 32, 32)).eval()
    assert model(torch.zeros(1, 3, 32, 32)).shape == (1, 7)
    assert [site.name for site in sites_of(model) if site.role is Role.HEAD] == ["network.head"]


def test_several_classifiers_are_all_heads() -> None:
    model = network("deit_tiny_distilled_patch16_224", shape=(3, 32, 32), norm=Weight())
    heads = [site for site in sites_of(model) if site.role is Role.HEAD]
    assert [site.name for site in heads] == ["network.head", "network.head_dist"]
    assert not any(is_weight_normalized(site.layer) for site in heads)


def test_an_unknown_architecture_is_refused_with_the_nearest_names() -> None:
    with pytest.raises(
        ConfigError, match=r"model\.architecture=resnet51: timm has no such model; near: .*resnet50"
    ):
        network("resnet51")
    with pytest.raises(ConfigError, match="takes images"):
        network(shape=(12,))
