import pytest
import torch

from initlab.model.checkpoint import checkpointed
from initlab.model.resnet_b import ResnetB
from initlab.norm.batch import Batch
from initlab.norm.none import NoNorm
from initlab.norm.weight import Weight


@pytest.mark.parametrize("norm", [NoNorm(), Batch(), Weight()])
def test_checkpointing_changes_neither_values_nor_gradients_nor_statistics(norm):
    plain, saving = (
        ResnetB(
            stages=[2, 1],
            widths=[8, 8],
            checkpoint_activations=wanted,
            input_shape=(3, 8, 8),
            num_classes=5,
            norm=norm,
        )
        for wanted in (False, True)
    )
    saving.load_state_dict(plain.state_dict())
    inputs = torch.randn(4, 3, 8, 8)
    for model in (plain, saving):
        model(inputs).square().sum().backward()
    for one, other in zip(plain.parameters(), saving.parameters(), strict=True):
        assert torch.equal(one.grad, other.grad)
    for one, other in zip(plain.buffers(), saving.buffers(), strict=True):
        assert torch.equal(one, other)


def test_a_checkpointed_chain_keeps_the_inputs_of_blocks_alone():
    block = torch.nn.Sequential(*[torch.nn.Tanh() for _ in range(10)])
    kept = {}
    for name, run in (("plain", lambda x: block(x)), ("checkpointed", lambda x: checkpointed(block, x))):
        sizes: list[int] = []
        with torch.autograd.graph.saved_tensors_hooks(
            lambda t, s=sizes: s.append(t.numel()) or t, lambda t: t
        ):
            run(torch.randn(100, requires_grad=True))
        kept[name] = sum(sizes)
    assert kept["plain"] == 1000
    assert kept["checkpointed"] <= 100
