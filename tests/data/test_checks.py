import pytest
import torch

from initlab.data.checks import check_fraction, check_inputs, check_labels, check_positive, reason
from initlab.errors import ConfigError


@pytest.mark.parametrize("label", [-1, 3])
def test_a_label_outside_the_classes_is_named(label, sentence):
    check_labels("it", torch.tensor([0, 2]), 3)
    assert sentence(lambda: check_labels("it", torch.tensor([0, label]), 3)) == (
        f"it has the label {label}, outside 0..2"
    )


def test_inputs_must_have_the_shape_the_number_and_finite_values(sentence):
    inputs, labels = torch.zeros(2, 1, 4, 4), torch.zeros(2)
    check_inputs("it", inputs, labels, (1, 4, 4))
    assert "of shape (1, 4, 4), not (3, 4, 4)" in sentence(
        lambda: check_inputs("it", inputs, labels, (3, 4, 4))
    )
    assert "2 inputs and 1 labels" in sentence(lambda: check_inputs("it", inputs, labels[:1], (1, 4, 4)))
    assert "is empty" in sentence(lambda: check_inputs("it", inputs[:0], labels[:0], (1, 4, 4)))
    assert "not finite" in sentence(lambda: check_inputs("it", inputs / 0, labels, (1, 4, 4)))


@pytest.mark.parametrize("value", [0, 1, 1.5, -0.1, True, "half", float("nan")])
def test_a_share_lies_strictly_between_0_and_1(value, sentence):
    assert "data.share=" in sentence(lambda: check_fraction("data.share", value), ConfigError)


@pytest.mark.parametrize("value", [0, -1, 1.0, True, None])
def test_a_size_is_a_positive_whole_number(value, sentence):
    assert "size=" in sentence(lambda: check_positive("size", value), ConfigError)


def test_a_reason_is_one_short_line():
    assert reason(ValueError("two\n  lines")) == "two lines"
    assert reason(KeyError()) == "KeyError"
    assert len(reason(ValueError("x" * 1000))) == 160
