"""Weight norm by the fused kernel: held to plain operations, to torch's own and to numerical derivatives."""

import copy

import pytest
import torch
from torch import nn
from torch.autograd.forward_ad import dual_level, make_dual, unpack_dual
from torch.func import functional_call, grad, stack_module_state, vmap

from initlab.norm import row_norm as module
from initlab.norm.row_norm import composed, normalize_rows
from initlab.norm.weight import Weight

SHAPES = [(3, 5), (3, 4, 3), (2, 3, 3, 3)]


def torchs(g, v):
    return torch._weight_norm(v, g, 0)


def g_and_v(shape, rng, dtype=torch.float64):
    v = torch.randn(shape, generator=rng, dtype=dtype)
    g = torch.rand(shape[0], *[1] * (len(shape) - 1), generator=rng, dtype=dtype) + 0.5
    return g.requires_grad_(), v.requires_grad_()


@pytest.fixture
def kernel_calls(monkeypatch):
    """Counts passes through the kernel: [forward, backward]."""
    calls = [0, 0]
    forward, backward = torch._weight_norm_interface, module._backward_kernel

    def count(index, kernel):
        def counted(*arguments):
            calls[index] += 1
            return kernel(*arguments)

        return counted

    monkeypatch.setattr(torch, "_weight_norm_interface", count(0, forward))
    monkeypatch.setattr(module, "_backward_kernel", count(1, backward))
    return calls


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_forward_pass_and_the_first_gradient_are_torchs(shape, dtype, rng, kernel_calls):
    g, v = g_and_v(shape, rng, dtype)
    ours, others = normalize_rows(g, v), [torchs(g, v), composed(g, v)]
    cotangent = torch.randn(shape, generator=rng, dtype=dtype)
    gradients = torch.autograd.grad(ours, (g, v), cotangent)
    assert kernel_calls == [1, 1]
    for other in others:
        torch.testing.assert_close(ours, other)
        for mine, theirs in zip(gradients, torch.autograd.grad(other, (g, v), cotangent), strict=True):
            torch.testing.assert_close(mine, theirs, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("shape", SHAPES)
def test_derivatives_are_right_in_both_modes_and_in_second_order(shape, rng):
    arguments = g_and_v(shape, rng)
    assert torch.autograd.gradcheck(
        normalize_rows,
        arguments,
        check_forward_ad=True,
        check_batched_grad=True,
        check_batched_forward_grad=True,
    )
    assert torch.autograd.gradgradcheck(
        normalize_rows, arguments, check_fwd_over_rev=True, check_rev_over_rev=True, check_batched_grad=True
    )


@pytest.mark.parametrize("shape", SHAPES)
def test_torchs_own_weight_norm_passes_the_first_check_and_fails_the_second(shape, rng):
    """Why the kernel serves first derivatives alone; when this fails, torch has been mended."""
    arguments = g_and_v(shape, rng)
    assert torch.autograd.gradcheck(torchs, arguments)
    assert not torch.autograd.gradgradcheck(torchs, arguments, raise_exception=False)


def first_coordinate(normalize):
    """``v_0 / ||v||`` as a function of v."""
    return lambda v: normalize(torch.ones(1, 1, dtype=v.dtype), v.reshape(1, 2))[0, 0]


EXACT_HESSIAN = torch.tensor([[-0.04608, 0.00256], [0.00256, 0.02208]], dtype=torch.float64)


@pytest.mark.parametrize(
    "hessian", [torch.autograd.functional.hessian, lambda f, v: torch.func.hessian(f)(v)]
)
def test_the_hessian_of_a_normalized_coordinate_is_exact(hessian):
    v = torch.tensor([3.0, 4.0], dtype=torch.float64)
    exact = hessian(first_coordinate(normalize_rows), v)
    torch.testing.assert_close(exact, EXACT_HESSIAN, rtol=0, atol=1e-15)


def test_torchs_own_weight_norm_gets_that_hessian_wrong():
    v = torch.tensor([3.0, 4.0], dtype=torch.float64)
    hessian = torch.autograd.functional.hessian(first_coordinate(torchs), v)
    wrong = torch.tensor([[-0.048, 0.0], [-0.032, -0.024]], dtype=torch.float64)
    torch.testing.assert_close(hessian, wrong, rtol=0, atol=1e-12)


def test_the_hessian_of_a_toy_loss_has_the_known_eigenvalues():
    """Half the squared error of ``g v.x / ||v||`` at v = (3, 4), g = 2, x = (1, 2), target 0.5."""

    def loss(parameters):
        weight = normalize_rows(parameters[2:].reshape(1, 1), parameters[:2].reshape(1, 2))
        return 0.5 * ((weight @ parameters.new_tensor([1.0, 2.0])).squeeze() - 0.5) ** 2

    at = torch.tensor([3.0, 4.0, 2.0], dtype=torch.float64)
    eigenvalues = torch.linalg.eigvalsh(torch.autograd.functional.hessian(loss, at))
    known = torch.tensor([-0.76002392, 0.02016346, 4.91906046], dtype=torch.float64)
    torch.testing.assert_close(eigenvalues, known, rtol=0, atol=1e-8)


def test_the_gradient_of_a_tangent_is_that_of_the_operations(rng):
    g, v = g_and_v((3, 5), rng)
    direction, cotangent = (torch.randn(3, 5, generator=rng, dtype=torch.float64) for _ in range(2))
    found = []
    for normalize in (normalize_rows, composed):
        with dual_level():
            tangent = unpack_dual(normalize(g, make_dual(v, direction))).tangent
            found.append(torch.autograd.grad(tangent, (g, v), cotangent))
    for ours, theirs in zip(*found, strict=True):
        torch.testing.assert_close(ours, theirs)


def test_networks_stacked_under_vmap_have_the_gradients_of_each_alone(rng):
    torch.manual_seed(0)
    networks = [
        nn.Sequential(Weight().wrap(nn.Linear(4, 6)), nn.ReLU(), nn.Linear(6, 2)).double() for _ in range(3)
    ]
    inputs = torch.randn(3, 5, 4, generator=rng, dtype=torch.float64)
    parameters, buffers = stack_module_state(networks)
    skeleton = copy.deepcopy(networks[0])

    def loss(parameters, buffers, inputs):
        return functional_call(skeleton, (parameters, buffers), (inputs,)).square().mean()

    together = vmap(grad(loss))(parameters, buffers, inputs)
    for index, (network, batch) in enumerate(zip(networks, inputs, strict=True)):
        network(batch).square().mean().backward()
        for name, parameter in network.named_parameters():
            torch.testing.assert_close(together[name][index], parameter.grad)


def test_what_the_kernel_does_not_take_is_composed(rng, kernel_calls):
    g, v = g_and_v((4, 3, 3, 3), rng, torch.float32)
    expected = composed(g, v)
    channels_last = v.detach().to(memory_format=torch.channels_last)
    torch.testing.assert_close(normalize_rows(g, channels_last), expected.detach())
    half = normalize_rows(g.bfloat16(), v.bfloat16())
    torch.testing.assert_close(half.float(), expected, rtol=0.05, atol=0.05)
    assert kernel_calls == [0, 0]


@pytest.mark.gpu
def test_on_a_gpu_float64_is_float64(rng):
    """The kernel takes the root of a row's squares in float32 there, whatever the type."""
    g, v = (tensor.detach() for tensor in g_and_v((64, 33), rng))
    exact = composed(g, v)
    torch.testing.assert_close(normalize_rows(g.cuda(), v.cuda()).cpu(), exact, rtol=1e-14, atol=0)
    assert float((torchs(g.cuda(), v.cuda()).cpu() - exact).abs().max()) > 1e-10  # control
