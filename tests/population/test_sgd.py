"""The stacked step is torch's, row by row."""

import pytest
import torch

from initlab.population.sgd import SgdOptions, StackedSgd

OPTIONS = [
    SgdOptions(lr=0.1),
    SgdOptions(lr=0.01, momentum=0.9),
    SgdOptions(lr=0.2, momentum=0.5, weight_decay=0.1),
    SgdOptions(lr=0.05, momentum=0.8, weight_decay=0.01, nesterov=True),
]


def test_each_row_takes_the_steps_that_torch_takes(rng):
    start = torch.randn(4, 7, generator=rng, dtype=torch.float64)
    stacked = StackedSgd(start.clone(), OPTIONS)
    alone = [torch.nn.Parameter(row.clone()) for row in start]
    optimizers = [
        torch.optim.SGD([row], **vars(options)) for row, options in zip(alone, OPTIONS, strict=True)
    ]
    for step in range(5):
        gradients = torch.randn(4, 7, generator=rng, dtype=torch.float64)
        for row, gradient, optimizer in zip(alone, gradients, optimizers, strict=True):
            row.grad = gradient.clone()
            optimizer.step()
        stacked.step(gradients, torch.tensor([options.lr for options in OPTIONS], dtype=torch.float64))
        for row, parameter in zip(stacked.parameters, alone, strict=True):
            assert torch.allclose(row, parameter.detach(), rtol=1e-14, atol=1e-14), step
    assert not torch.allclose(stacked.parameters[1], alone[2].detach())  # control


def test_a_row_of_nan_stays_by_itself_and_those_kept_go_on(rng):
    start = torch.randn(4, 7, generator=rng)
    start[1] = float("nan")
    rates = torch.tensor([0.1, 0.1, 0.1, 0.1])
    gradients = torch.randn(4, 7, generator=rng)
    whole = StackedSgd(start.clone(), OPTIONS)
    whole.step(gradients.clone(), rates)
    whole.step(gradients.clone(), rates)
    part = StackedSgd(start.clone(), OPTIONS)
    part.step(gradients.clone(), rates)
    part.keep([0, 2, 3], part.parameters[[0, 2, 3]])
    part.step(gradients[[0, 2, 3]].clone(), rates[:3])
    assert torch.isfinite(part.parameters).all()
    assert torch.equal(part.parameters, whole.parameters[[0, 2, 3]])
    assert whole.parameters[1].isnan().all()


@pytest.mark.parametrize("momentum", [0.0, 0.9])
def test_a_rate_of_0_moves_nothing(momentum):
    parameters = torch.ones(1, 3)
    StackedSgd(parameters, [SgdOptions(0.0, momentum)]).step(torch.ones(1, 3), torch.zeros(1))
    assert torch.equal(parameters, torch.ones(1, 3))
