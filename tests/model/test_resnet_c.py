import pytest
import torch

from initlab.model.resnet_c import ResnetC
from initlab.norm.none import NoNorm
from initlab.site import Role, sites_of


def test_without_branches_it_is_a_chain_of_its_projections():
    model = ResnetC(stages=[1, 1], widths=[8, 16], input_shape=(3, 8, 8), num_classes=5, norm=NoNorm())
    with torch.no_grad():
        for stage in model.stages:
            stage[0].alpha.zero_()
    inputs = torch.randn(2, 3, 8, 8)
    x = torch.relu(model.stem(inputs))
    for stage in model.stages:
        x = torch.relu(stage[0].shortcut(x))
    torch.testing.assert_close(model.features(inputs), x)


@pytest.mark.slow
def test_the_2000_layer_network_takes_a_step_with_checkpointing():
    model = ResnetC(
        stages=[60, 80, 460, 60],
        widths=[16, 32, 64, 128],
        block="bottleneck",
        residual_scale=0.0,
        checkpoint_activations=True,
        input_shape=(3, 32, 32),
        num_classes=100,
        norm=NoNorm(),
    )
    assert sum(site.role is Role.SHORTCUT for site in sites_of(model)) == 660
    model(torch.randn(2, 3, 32, 32)).sum().backward()
    assert all(parameter.grad is not None for parameter in model.parameters())
