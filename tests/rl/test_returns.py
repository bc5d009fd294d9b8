"""Returns of n steps on trajectories made by hand, with episodes that are over and episodes cut short."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from initlab.rl.returns import n_step_returns


def column(*values: float) -> torch.Tensor:
    return torch.tensor(values)[:, None]


def of(rewards, ended, end_values, bootstrap, discount=0.5):
    found = n_step_returns(
        column(*rewards),
        column(*ended).bool(),
        column(*end_values),
        torch.tensor([bootstrap]),
        discount,
    )
    return found[:, 0].tolist()


def test_a_rollout_within_an_episode_ends_with_the_value_of_what_follows():
    assert of([1.0, 2.0, 4.0], [0, 0, 0], [0.0, 0.0, 0.0], 8.0) == [1 + 1 + 1 + 1, 2 + 2 + 2, 4 + 4]


def test_nothing_follows_an_episode_that_is_over():
    assert of([1.0, 2.0, 4.0], [0, 1, 0], [0.0, 0.0, 0.0], 8.0) == [1 + 1, 2, 4 + 4]


def test_an_episode_cut_short_has_the_value_of_its_last_observation():
    assert of([1.0, 2.0, 4.0], [0, 1, 0], [0.0, 16.0, 0.0], 8.0) == [1 + 1 + 4, 2 + 8, 4 + 4]


def test_an_episode_may_end_with_the_last_step():
    assert of([1.0, 2.0], [0, 1], [0.0, 0.0], 100.0) == [2, 2]
    assert of([1.0, 2.0], [0, 1], [0.0, 4.0], 100.0) == [3, 4]


@given(
    steps=st.integers(1, 12),
    envs=st.integers(1, 4),
    discount=st.floats(0, 1),
    seed=st.integers(0, 2**16),
)
def test_it_is_the_sum_written_out(steps, envs, discount, seed):
    rng = torch.Generator().manual_seed(seed)
    rewards, end_values = torch.randn(2, steps, envs, generator=rng, dtype=torch.float64)
    ended = torch.rand(steps, envs, generator=rng) < 0.3
    bootstrap = torch.randn(envs, generator=rng, dtype=torch.float64)
    found = n_step_returns(rewards, ended, end_values, bootstrap, discount)
    for start in range(steps):
        for env in range(envs):
            total, power = 0.0, 1.0
            for step in range(start, steps):
                total += power * float(rewards[step, env])
                power *= discount
                if ended[step, env]:
                    total += power * float(end_values[step, env])
                    break
            else:
                total += power * float(bootstrap[env])
            assert float(found[start, env]) == pytest.approx(total, abs=1e-9)
