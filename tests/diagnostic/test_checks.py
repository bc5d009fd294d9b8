import math

import pytest
import torch
from torch import nn

from initlab.diagnostic.checks import (
    check_choice,
    check_count,
    check_labels,
    checked_batch,
    logits_of,
    refuse_coupled_samples,
    scalar,
)
from initlab.errors import ConfigError, InitlabError, Refused


def test_counts_and_choices_are_checked_by_name():
    with pytest.raises(ConfigError, match=r"^signal.n=0: must be a whole number of at least 1$"):
        check_count("signal.n", 0)
    with pytest.raises(ConfigError, match=r"^signal.n=0: must be .* at least 1, or null for all$"):
        check_count("signal.n", 0, null="for all")
    check_count("signal.n", None, null="for all")
    with pytest.raises(ConfigError, match=r"^signal.way=up: must be left or right$"):
        check_choice("signal.way", "up", ("left", "right"))


def test_a_model_that_returns_no_tensor_is_refused():
    with pytest.raises(InitlabError, match="returns dict"):
        logits_of({"logits": torch.zeros(1)})


@pytest.mark.parametrize(
    ("inputs", "labels", "sentence"),
    [
        (
            torch.zeros(0, 3),
            torch.zeros(0),
            r"^batch: inputs of shape \(0, 3\) must be .* with N >= 1$",
        ),
        (torch.zeros(3), torch.zeros(3), "must be"),
        (torch.zeros(2, 3), torch.zeros(3), "^batch: 2 inputs with 3 labels$"),
        (torch.zeros(2, 3, dtype=torch.long), torch.zeros(2), "must be of floating point"),
        (torch.tensor([[math.nan]]), torch.zeros(1), "the inputs hold NaN or inf"),
        (torch.tensor([[1.0]]), torch.tensor([math.inf]), "the labels hold NaN or inf"),
    ],
)
def test_a_batch_that_means_nothing_is_refused(inputs, labels, sentence):
    with pytest.raises(Refused, match=sentence):
        checked_batch(nn.Linear(3, 2), (inputs, labels))


def test_a_batch_comes_in_the_type_of_the_parameters_or_in_float64():
    model = nn.Linear(3, 2).half()
    exact = torch.full((4, 3), 1 / 3, dtype=torch.float64), torch.arange(4)
    inputs, labels = checked_batch(model, exact, num_samples=2)
    assert inputs.dtype == torch.float16
    assert torch.equal(labels, torch.arange(2))
    assert torch.equal(checked_batch(model, exact, precision="float64")[0], exact[0])
    words = torch.zeros(2, 5, dtype=torch.long), torch.zeros(2)
    assert torch.equal(checked_batch(model, words, tokens=True)[0], words[0])


@pytest.mark.parametrize(
    ("labels", "logits", "sentence"),
    [
        (torch.zeros(2, dtype=torch.long), torch.zeros(2, 3, 4), r"must be \(N, num_classes\)"),
        (torch.zeros(2), torch.zeros(2, 3), "must be N integers"),
        (torch.zeros(3, dtype=torch.long), torch.zeros(2, 3), "must be N integers"),
        (torch.tensor([0, 3]), torch.zeros(2, 3), r"outside 0\.\.2"),
        (torch.tensor([0, -1]), torch.zeros(2, 3), r"outside 0\.\.2"),
    ],
)
def test_labels_that_the_logits_do_not_have_are_refused(labels, logits, sentence):
    with pytest.raises(InitlabError, match=sentence):
        check_labels(labels, logits)


def test_a_loss_is_one_number_that_depends_on_the_parameters():
    weight = torch.ones(3, requires_grad=True)
    assert scalar(weight.sum(0, keepdim=True)).shape == ()
    with pytest.raises(Refused, match=r"must be a scalar, and this one is \(3,\)"):
        scalar(weight)
    with pytest.raises(Refused, match="does not depend on any of the parameters"):
        scalar(torch.zeros(()))


def test_a_batch_norm_without_running_statistics_couples_the_samples():
    refuse_coupled_samples(nn.Sequential(nn.BatchNorm1d(3)))
    with pytest.raises(InitlabError, match=r"^0 keeps no running statistics"):
        refuse_coupled_samples(nn.Sequential(nn.BatchNorm1d(3, track_running_stats=False)))
