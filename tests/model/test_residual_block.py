import pytest
import torch

from initlab.model.residual_block import ResidualBlock
from initlab.norm.none import NoNorm


def block_of(**options):
    """A basic block of 8 channels with a projection, unless an option says otherwise."""
    defaults = {
        "projection": True,
        "preact": False,
        "projects_raw": False,
        "bias": True,
        "residual_scale": 1.0,
        "learn_residual_scale": True,
        "skip_scale": 1.0,
        "input_std": 1.0,
        "scalar_biases": False,
        "layer_scales": False,
        "norm": NoNorm(),
    }
    return ResidualBlock(8, [8, 8], [3, 3], [1, 1], **(defaults | options))


@pytest.mark.parametrize("alpha", [0.3, 1.0])
@pytest.mark.parametrize("preact", [False, True])
def test_a_block_adds_alpha_times_the_branch_to_beta_times_the_skip(alpha, preact):
    block = block_of(residual_scale=alpha, skip_scale=0.7, preact=preact)
    x = torch.randn(2, 8, 4, 4)
    first, second = block.convs
    if preact:
        active = torch.relu(x)
        expected = 0.7 * block.shortcut(active) + alpha * second(torch.relu(first(active)))
    else:
        expected = torch.relu(0.7 * block.shortcut(x) + alpha * second(torch.relu(first(x))))
    torch.testing.assert_close(block(x), expected)


@pytest.mark.parametrize("learned", [False, True])
def test_resetting_sets_alpha_to_where_it_starts(learned):
    block = block_of(residual_scale=0.3, learn_residual_scale=learned)
    assert (block.alpha is not None) is learned
    if learned:
        torch.nn.init.constant_(block.alpha, float("nan"))
    block.reset_parameters()
    assert float(block.residual_scale if block.alpha is None else block.alpha.detach()) == pytest.approx(0.3)


def test_the_branch_and_a_projection_see_the_divided_input_and_an_identity_does_not():
    x = torch.randn(2, 8, 4, 4, generator=torch.Generator().manual_seed(0))
    for projection in (False, True):
        plain = block_of(projection=projection, bias=False)
        divided = block_of(projection=projection, bias=False, input_std=4.0)
        divided.load_state_dict(plain.state_dict())
        branch = plain.convs[1](torch.relu(plain.convs[0](x / 4)))
        skip = plain.shortcut(x / 4) if projection else x
        torch.testing.assert_close(divided(x), torch.relu(branch + skip))


def test_a_pre_activation_projection_sees_the_stream_before_or_after_its_relu():
    x = torch.randn(2, 8, 4, 4, generator=torch.Generator().manual_seed(0))
    outputs = []
    state = block_of(preact=True).state_dict()
    for raw in (False, True):
        block = block_of(preact=True, projects_raw=raw)
        block.load_state_dict(state)
        outputs.append(block(x) - block.shortcut(x if raw else x.relu()))
    torch.testing.assert_close(*outputs)
