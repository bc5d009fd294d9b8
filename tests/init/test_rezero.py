"""ReZero beside SkipInit: the same scales, other weights; its common theorems are in test_skipinit."""

import pytest
import torch

from initlab.init import initialize
from initlab.model.resnet_b import ResnetB
from initlab.norm.batch import Batch
from initlab.site import sites_of


def test_weights_are_hes_by_fan_in_with_the_head_and_under_batch_norm(rng: torch.Generator) -> None:
    model = ResnetB(
        stages=[1, 1], widths=[16, 32], preact=True, input_shape=(3, 8, 8), num_classes=10, norm=Batch()
    )
    initialize(model, "rezero", generator=rng)
    for site in sites_of(model):
        ratio = float(site.layer.weight.detach().square().mean()) * site.fan_in / 2
        assert ratio == pytest.approx(1, abs=5 * (2 / site.layer.weight.numel()) ** 0.5), site.name
    images = torch.randn(4, 3, 8, 8, generator=rng)
    chain = model.stages[1][0].shortcut(model.stages[1][0].norms[0](model.stem(images)).relu())
    torch.testing.assert_close(model.features(images), model.last_norm(chain).relu())
