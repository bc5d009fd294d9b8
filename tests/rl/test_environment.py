"""Environments side by side, and the sentences for those that nobody can learn in."""

import builtins

import pytest
import torch

from initlab.errors import ConfigError
from playing import needs_rl


def make(name, arguments=None, num_envs=1):
    from initlab.rl.environment import Environment

    return Environment(name, arguments or {}, num_envs)


@needs_rl
def test_catch_is_over_when_the_ball_arrives_and_paid_by_where():
    environment = make("initlab/Catch-v0", {"rows": 6, "columns": 4}, 5)
    observations = environment.reset(0)
    assert observations.shape == (5, 1, 6, 4)
    for number in range(1, 21):
        columns = observations[:, 0, :-1].amax(1).argmax(1)
        paddle = observations[:, 0, -1].argmax(1)
        step = environment.step((columns - paddle).sign() + 1)  # towards the ball
        observations = step.observations
        assert bool(step.ended.all()) == bool(step.ended.any()) == (number % 5 == 0)
        assert step.rewards.tolist() == ([1.0] * 5 if number % 5 == 0 else [0.0] * 5)
        assert step.episodes == (((1.0, 5),) * 5 if number % 5 == 0 else ())
        assert not step.cut_short
    missed = make("initlab/Catch-v0", {"rows": 3, "columns": 9})
    missed.reset(5)
    total = [float(missed.step(torch.tensor([0])).rewards) for _ in range(40)]
    assert -1.0 in total


@needs_rl
def test_an_episode_cut_short_shows_its_last_observation():
    environment = make("CartPole-v1", {"max_episode_steps": 5}, 3)
    environment.reset(0)
    for _ in range(4):
        step = environment.step(torch.tensor([0, 1, 0]))
        assert not step.cut_short
    step = environment.step(torch.tensor([1, 0, 1]))
    assert step.ended.all()
    assert sorted(step.cut_short) == [0, 1, 2]
    assert not torch.equal(step.cut_short[0], step.observations[0])
    assert [length for _, length in step.episodes] == [5, 5, 5]


@needs_rl
def test_pong_is_four_images_in_grey_between_0_and_1():
    environment = make("ALE/Pong-v5", num_envs=2)
    observations = environment.reset(0)
    assert (observations.shape, environment.num_actions) == ((2, 4, 84, 84), 6)
    for _ in range(30):
        observations = environment.step(torch.tensor([0, 2])).observations
    assert observations.min() >= 0
    assert 0.3 < observations.max() <= 1
    environment.close()


@needs_rl
def test_a_seed_gives_the_same_episodes():
    def played(seed):
        environment = make("ALE/Pong-v5")
        first = environment.reset(seed)
        return torch.cat([first, *(environment.step(torch.tensor([n % 6])).observations for n in range(20))])

    assert torch.equal(played(1), played(1))
    assert not torch.equal(played(1), played(2))


@needs_rl
@pytest.mark.parametrize(
    ("name", "arguments", "sentence"),
    [
        ("ALE/Pog-v5", {}, r"rl.environment=ALE/Pog-v5: .*Did you mean: `Pong`"),
        ("Nowhere-v0", {}, r"rl.environment=Nowhere-v0: .*doesn't exist"),
        ("Pendulum-v1", {}, r"rl.environment=Pendulum-v1: its actions are Box.*Discrete"),
        ("CartPole-v1", {"gravity": 1}, r"rl.arguments=\{'gravity': 1\}: .*unexpected keyword"),
        ("initlab/Catch-v0", {"rows": 1}, r"an image of 1 x 5 is too small"),
    ],
)
def test_what_cannot_be_played_is_told_in_a_sentence(name, arguments, sentence):
    with pytest.raises(ConfigError, match=sentence) as told:
        make(name, arguments)
    assert "\n" not in str(told.value)


def test_without_the_packages_the_remedy_is_told(monkeypatch):
    real = builtins.__import__

    def without(name, *rest, **more):
        if name.split(".")[0] in ("gymnasium", "ale_py"):
            raise ImportError(name)
        return real(name, *rest, **more)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(
        ConfigError, match=r"^rl.environment=CartPole-v1 wants .*pip install 'initlab\[rl\]'$"
    ):
        make("CartPole-v1")
