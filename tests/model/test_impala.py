"""The deep residual network of the reinforcement-learning experiment."""

import pytest
import torch
from torch import Tensor, nn

from initlab.errors import ConfigError
from initlab.init import initialize
from initlab.model.impala import Impala, ImpalaSection
from initlab.norm.base import Norm, Place, is_weight_normalized
from initlab.norm.batch_single import BatchSingle
from initlab.norm.none import NoNorm
from initlab.norm.weight import Weight
from initlab.site import Role, sites_of


def network(num_blocks: int, norm: Norm | None = None, size: int = 21) -> Impala:
    return Impala(
        num_blocks=num_blocks,
        widths=[16, 32, 32],
        hidden=256,
        input_shape=(4, size, size),
        num_classes=6,
        norm=norm or NoNorm(),
    )


@pytest.mark.parametrize(("num_blocks", "layers"), [(2, 16), (16, 100)])
def test_sixteen_blocks_per_section_make_a_hundred_layers(num_blocks: int, layers: int) -> None:
    sites = sites_of(network(num_blocks))
    assert len(sites) - 1 == layers
    assert [site.role for site in sites].count(Role.BRANCH) == 6 * num_blocks
    assert sites[-1].role is Role.HEAD
    assert sites[-2].relu


def test_its_function_is_espeholts(rng: torch.Generator) -> None:
    model = network(1)
    images = torch.randn(2, 4, 21, 21, generator=rng)
    stream = images
    for section in model.sections:
        assert isinstance(section, ImpalaSection)
        stream = nn.functional.max_pool2d(section.conv(stream), 3, stride=2, padding=1)
        first, second = section.blocks[0].convs
        stream = stream + second(first(stream.relu()).relu())
    assert stream.shape == (2, 32, 3, 3)
    torch.testing.assert_close(model.features(images), stream.relu())
    embedding = model.hidden(stream.relu().flatten(1)).relu()
    torch.testing.assert_close(model.embedding(images), embedding)
    torch.testing.assert_close(model(images), model.head(embedding))


@pytest.mark.parametrize("size", [84, 7, 1])
def test_sections_halve_any_size_rounding_up(size: int) -> None:
    model = network(1, size=size)
    assert model(torch.zeros(1, 4, size, size)).shape == (1, 6)


def test_weight_norm_is_on_all_layers_but_the_head(rng: torch.Generator) -> None:
    model = network(2, Weight())
    initialize(model, "proposed", generator=rng)
    normalized = {site.role for site in sites_of(model) if is_weight_normalized(site.layer)}
    assert normalized == {Role.STEM, Role.HIDDEN, Role.BRANCH}
    assert model(torch.randn(2, 4, 21, 21, generator=rng)).isfinite().all()


@pytest.mark.parametrize("position", ["first", "middle", "last"])
def test_a_single_batch_norm_acts_at_its_place_alone(position: Place, rng: torch.Generator) -> None:
    model = network(3, BatchSingle(position=position))
    norms = [(name, m) for name, m in model.named_modules() if isinstance(m, nn.BatchNorm2d)]
    places = {"first": "sections.0.norm", "middle": "middle_norm", "last": "last_norm"}
    assert [name for name, _ in norms] == [places[position]]
    seen: list[Tensor] = []
    norms[0][1].register_forward_pre_hook(lambda _, args: seen.append(args[0]))
    if position == "middle":  # after block 4 of 9, the first of the second section
        model.sections[1].blocks[0].register_forward_hook(lambda _, args, out: seen.append(out))
    model(torch.randn(2, 4, 21, 21, generator=rng))
    if position == "middle":
        assert torch.equal(seen[0], seen[1])
    assert len(seen) == (2 if position == "middle" else 1)


def test_wrong_options_are_refused() -> None:
    with pytest.raises(ConfigError, match="takes images"):
        Impala(num_blocks=1, widths=[4], hidden=8, input_shape=(5,), num_classes=2, norm=NoNorm())
    with pytest.raises(ConfigError, match="at least one section"):
        Impala(num_blocks=1, widths=[], hidden=8, input_shape=(1, 8, 8), num_classes=2, norm=NoNorm())
    with pytest.raises(ConfigError, match=r"model\.num_blocks=0"):
        network(0)
