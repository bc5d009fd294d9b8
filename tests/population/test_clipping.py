"""Each row is clipped as torch clips a network."""

import torch

from initlab.population.clipping import by_norm, unclipped


def test_a_row_is_clipped_as_torch_does_and_no_other_row_matters(rng):
    gradients = torch.randn(3, 50, generator=rng, dtype=torch.float64) * torch.tensor([[0.01], [1.0], [30.0]])
    clipped = by_norm(1.0)(gradients.clone())
    for row, gradient in zip(clipped, gradients, strict=True):
        parameter = torch.nn.Parameter(torch.zeros(50, dtype=torch.float64))
        parameter.grad = gradient.clone()
        torch.nn.utils.clip_grad_norm_([parameter], 1.0)
        assert torch.allclose(row, parameter.grad, rtol=1e-14)
    assert torch.equal(clipped[0], gradients[0])  # short enough
    assert not torch.allclose(clipped[2], gradients[2])  # control
    gradients[1] = float("nan")
    assert torch.equal(by_norm(1.0)(gradients)[[0, 2]], clipped[[0, 2]])


def test_none_leaves_gradients_alone():
    gradients = torch.full((2, 3), 1e9)
    assert torch.equal(unclipped(gradients), gradients)
