"""The gradients of the losses against what they are the gradients of."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from initlab.rl.losses import heads, losses

REWARDS = torch.tensor([1.0, -0.5], dtype=torch.float64)  # of the two arms of a bandit


def expected_reward(logits: torch.Tensor) -> float:
    return float(logits.softmax(0) @ REWARDS)


def policy_gradient(logits: torch.Tensor, baseline: float) -> torch.Tensor:
    """The mean gradient of the policy loss over both arms, each as often as it is drawn."""
    outputs = torch.cat([logits, torch.tensor([baseline], dtype=torch.float64)]).requires_grad_()
    probabilities = logits.softmax(0)
    total = sum(
        float(probabilities[arm]) * losses(outputs[None], torch.tensor([arm]), REWARDS[arm : arm + 1]).policy
        for arm in (0, 1)
    )
    total.backward()
    return outputs.grad


@given(first=st.floats(-2, 2), second=st.floats(-2, 2), baseline=st.floats(-2, 2))
def test_the_policy_gradient_is_that_of_the_expected_reward_whatever_the_baseline(first, second, baseline):
    logits = torch.tensor([first, second], dtype=torch.float64)
    found = policy_gradient(logits, baseline)
    for arm in (0, 1):
        step = torch.zeros(2, dtype=torch.float64)
        step[arm] = 1e-5
        finite_difference = (expected_reward(logits + step) - expected_reward(logits - step)) / 2e-5
        # Second order in the step, and the cancellation of two numbers of size 1.
        assert -float(found[arm]) == pytest.approx(finite_difference, abs=1e-9)
    assert float(found[2]) == 0  # the advantage is a constant to the policy


def test_the_gradient_of_one_arm_alone_is_not():
    logits = torch.tensor([0.3, -0.2], dtype=torch.float64)
    outputs = torch.cat([logits, torch.zeros(1, dtype=torch.float64)]).requires_grad_()
    losses(outputs[None], torch.tensor([0]), REWARDS[:1]).policy.backward()
    finite_difference = (
        expected_reward(logits + torch.tensor([1e-5, 0])) - expected_reward(logits - torch.tensor([1e-5, 0]))
    ) / 2e-5
    assert -float(outputs.grad[0]) != pytest.approx(finite_difference, rel=0.01)


def test_the_parts_are_those_of_the_formulas():
    outputs = torch.tensor([[0.0, 0.0, 2.0], [0.0, 0.0, 1.0]])
    found = losses(outputs, torch.tensor([0, 1]), torch.tensor([5.0, 1.0]))
    log2 = torch.tensor(2.0).log()
    torch.testing.assert_close(found.entropy, log2)
    torch.testing.assert_close(found.policy, log2 * 3 / 2)
    torch.testing.assert_close(found.value, torch.tensor(9.0 / 2 / 2))
    torch.testing.assert_close(found.total(0.5, 0.1), found.policy + 0.5 * found.value - 0.1 * found.entropy)


def test_the_last_output_is_the_value():
    logits, values = heads(torch.arange(6.0).view(2, 3))
    assert logits.tolist() == [[0, 1], [3, 4]]
    assert values.tolist() == [2, 5]
