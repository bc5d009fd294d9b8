"""Parts are built from the nodes of a config, and every stream of a run has a generator of its own."""

import pickle
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from initlab.errors import ConfigError
from initlab.init.he import He
from initlab.task.build import build, build_network, build_source, first_batch, generator, optimizer_maker
from tiny_run import Compose

OPTIMS = Path(__file__).parents[2].joinpath("configs", "optim").glob("*.yaml")
CONFIG = {
    "seed": 3,
    "batch_size": 5,
    "data": {
        "_target_": "initlab.data.synthetic.Synthetic",
        "name": "synthetic",
        "shape": [4],
        "classes": 3,
        "train_size": 20,
        "test_size": 5,
    },
    "norm": {"_target_": "initlab.norm.none.NoNorm", "name": "none"},
    "model": {"_target_": "initlab.model.mlp.Mlp", "name": "mlp", "depth": 2, "width": 6},
}


def draw(rng: torch.Generator) -> Tensor:
    return torch.randn(1000, generator=rng)


def test_a_node_is_called_with_its_keys_but_for_its_name() -> None:
    he = build({"_target_": "initlab.init.he.He", "name": "he", "mode": "fan_out"})
    assert he == He(mode="fan_out")
    assert build({"_target_": "initlab.init.he.He"}, distribution="uniform") == He(distribution="uniform")


@pytest.mark.parametrize("name", sorted(path.stem for path in OPTIMS))
def test_every_optimizer_goes_down_a_slope(compose: Compose, name: str) -> None:
    config = compose(f"optim={name}", "lr=0.01")
    weights = nn.Parameter(torch.tensor([1.0, -1.0]))
    make = pickle.loads(pickle.dumps(optimizer_maker(config["optim"])))  # as workers that start anew get it
    optimizer = make([weights])
    assert all(group["lr"] == 0.01 for group in optimizer.param_groups)
    for _ in range(100):
        optimizer.zero_grad()
        weights.square().sum().backward()
        optimizer.step()
    assert weights.abs().max() < 0.7


def test_streams_are_the_same_for_a_seed_and_alike_for_no_two_names() -> None:
    names = [None, "diagnostic/signal", "diagnostic/hessian"]
    for seed in (0, 1):
        draws = torch.stack([draw(generator(seed, name)) for name in names])
        assert torch.equal(draws, torch.stack([draw(generator(seed, name)) for name in names]))
        assert (torch.corrcoef(draws) - torch.eye(3)).abs().max() < 5 / 1000**0.5
    assert not torch.equal(draw(generator(0, "a")), draw(generator(1, "a")))


def test_the_network_of_a_seed_is_one_network_whatever_was_drawn_before() -> None:
    source = build_source(CONFIG)
    states = []
    for noise in range(2):
        torch.rand(noise + 1)
        loaders = source.loaders(5, seed=3)
        states.append(build_network(CONFIG, source, He(), loaders).state_dict())
    assert all(torch.equal(states[0][key], states[1][key]) for key in states[0])
    other = build_network({**CONFIG, "seed": 4}, source, He(), source.loaders(5, seed=4)).state_dict()
    assert not torch.equal(states[0]["head.weight"], other["head.weight"])


def test_the_first_batch_is_that_of_the_first_epoch() -> None:
    loaders = build_source(CONFIG).loaders(5, seed=3)
    inputs, labels = first_batch(loaders)
    assert inputs.shape == (5, 4)
    assert labels.shape == (5,)
    loaders.train.set_epoch(7)
    assert torch.equal(first_batch(loaders)[0], inputs)


def test_an_init_that_needs_a_batch_gets_the_first() -> None:
    seen: list[Tensor] = []

    class Curious(He):
        needs_batch = True

        def __call__(self, model: nn.Module, generator: torch.Generator, batch: object = None) -> None:
            assert isinstance(batch, Tensor)
            seen.append(batch)

    source = build_source(CONFIG)
    loaders = source.loaders(5, seed=3)
    build_network(CONFIG, source, Curious(), loaders)
    assert torch.equal(seen[0], first_batch(loaders)[0])


def test_a_batch_size_of_zero_is_told() -> None:
    with pytest.raises(ConfigError, match="batch_size=0"):
        build_source({**CONFIG, "batch_size": 0})
