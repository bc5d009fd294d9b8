import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention

from initlab.diagnostic.measuring import measuring, run
from initlab.model.mlp import Mlp
from initlab.norm.none import NoNorm


def test_measuring_puts_everything_back_after_an_exception():
    model = nn.Sequential(nn.Linear(3, 3), nn.BatchNorm1d(3), nn.Dropout(0.5), nn.Linear(3, 2))
    model[3].eval()
    modes = [module.training for module in model.modules()]
    before = [buffer.clone() for buffer in model.buffers()]
    random = torch.get_rng_state()

    def fail() -> None:
        with torch.no_grad(), measuring(model, "batch"):
            assert torch.is_grad_enabled()
            assert [module.training for module in model] == [False, True, False, False]
            model(torch.randn(5, 3))
            assert not torch.equal(before[0], model[1].running_mean)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert [module.training for module in model.modules()] == modes
    assert all(map(torch.equal, before, model.buffers()))
    assert torch.equal(random, torch.get_rng_state())


def test_a_buffer_that_a_network_replaces_is_put_back_too():
    class Counting(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.register_buffer("calls", torch.zeros(()))

        def forward(self, inputs: Tensor) -> Tensor:
            self.calls = self.calls + 1
            return inputs

    model = Counting()
    kept = model.calls
    with measuring(model):
        model(torch.zeros(1))
        assert float(model.calls) == 1
    assert model.calls is kept


def test_float64_runs_on_copies():
    torch.manual_seed(0)
    model = Mlp(1, 4, (3,), 2, NoNorm())
    inputs = torch.randn(2, 3)
    output = run(model, inputs, "float64")
    assert output.dtype == torch.float64
    assert model.head.weight.dtype == torch.float32
    torch.testing.assert_close(output.float(), model(inputs))


def test_training_mode_is_that_of_the_whole_module():
    model = nn.Sequential(nn.Linear(3, 3), nn.BatchNorm1d(3), nn.Dropout(0.5)).eval()
    before = [buffer.clone() for buffer in model.buffers()]
    with measuring(model, training=True):
        assert all(module.training for module in model.modules())
        model(torch.randn(5, 3))
    assert not any(module.training for module in model.modules())
    assert all(map(torch.equal, before, model.buffers()))


def test_attention_can_be_differentiated_twice():
    """The fused kernels, which the control runs, have no second derivative."""

    def second(inputs: Tensor) -> Tensor:
        out = scaled_dot_product_attention(inputs, inputs, inputs)
        (first,) = torch.autograd.grad(out.square().sum(), inputs, create_graph=True)
        return torch.autograd.grad(first.square().sum(), inputs)[0]

    inputs = torch.randn(1, 2, 16, 8, generator=torch.Generator().manual_seed(0)).requires_grad_()
    with measuring(nn.Identity()):
        assert bool(torch.isfinite(second(inputs)).all())
    with pytest.raises(RuntimeError, match="not implemented"):
        second(inputs)
