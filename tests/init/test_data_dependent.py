import pytest
import torch
from torch import nn

from initlab.errors import ConfigError, Refused
from initlab.init import initialize
from initlab.init.data_dependent import DataDependent
from initlab.init.proposed import Proposed
from initlab.model.cnn import Cnn
from initlab.model.mlp import Mlp
from initlab.model.wrn import Wrn
from initlab.norm.none import NoNorm
from initlab.norm.weight import Weight
from initlab.site import Role, Site, sites_of

SHARED = {"input_shape": (3, 8, 8), "num_classes": 3, "norm": Weight()}
NETWORKS = {
    "mlp": lambda: Mlp(4, 20, **SHARED),
    "cnn": lambda: Cnn(4, 8, "zeros", **SHARED),
    "wrn": lambda: Wrn(2, 2, 16, 2, "zeros", **SHARED),
}


def images(rng, size=32):
    return 1 + 3 * torch.randn(size, 3, 8, 8, generator=rng, dtype=torch.float64)


def statistics(model, inputs):
    """Per-channel mean and population standard deviation of every site's output but the head's."""
    outputs = {}
    handles = [
        site.layer.register_forward_hook(lambda _m, _i, y, name=site.name: outputs.update({name: y}))
        for site in sites_of(model)
        if site.role is not Role.HEAD
    ]
    with torch.no_grad():
        model(inputs)
    for handle in handles:
        handle.remove()
    assert len(outputs) == len(handles)
    channels = [y.movedim(1, 0).flatten(1) for y in outputs.values()]
    return torch.cat([c.mean(1) for c in channels]), torch.cat([c.std(1, correction=0) for c in channels])


@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.parametrize("directions", ["orthogonal", "he"])
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-12), (torch.float32, 1e-4)])
def test_every_channel_has_mean_0_and_population_deviation_1_on_the_batch(
    network, directions, dtype, tolerance, rng
):
    model, inputs = NETWORKS[network]().to(dtype), images(rng)
    initialize(model, DataDependent(directions), rng, batch=(inputs, torch.zeros(len(inputs))))
    mean, std = statistics(model, inputs.to(dtype))
    torch.testing.assert_close(mean, torch.zeros_like(mean), rtol=0, atol=tolerance)
    torch.testing.assert_close(std, torch.ones_like(std), rtol=0, atol=tolerance)


def test_the_proposed_init_has_no_such_statistics(rng):
    model, inputs = NETWORKS["wrn"]().double(), images(rng)
    initialize(model, Proposed(), rng)
    mean, std = statistics(model, inputs)
    assert float(mean.abs().max()) > 0.3
    assert float((std - 1).abs().max()) > 0.3


def test_the_streams_variance_grows_by_1_with_every_block(rng):
    """So that a stage of B blocks ends at about B + 1; branch and stream are only nearly uncorrelated."""
    model = Wrn(6, 1, 16, 2, "zeros", **SHARED)
    inputs = images(rng)
    initialize(model, DataDependent(), rng, batch=inputs)
    with torch.no_grad():
        stream = model.stem(inputs.float())
        for stage in model.stages:
            stream = stage(stream)
            assert float(stream.var()) == pytest.approx(7, rel=0.15)


def test_the_head_keeps_torchs_default(rng):
    model = NETWORKS["mlp"]()
    initialize(model, "data_dependent", rng, batch=images(rng))
    assert 0 < float(model.head.weight.detach().abs().max()) <= 20**-0.5
    assert bool(model.head.bias.any())


def test_runs_in_evaluation_mode_and_gives_the_mode_back(rng):
    model = nn.Sequential(
        Weight().wrap(nn.Linear(192, 30)), nn.Dropout(0.5), Weight().wrap(nn.Linear(30, 5))
    ).double()
    inputs = images(rng).flatten(1)
    model[0].eval()
    initialize(model, DataDependent(), rng, batch=inputs)
    assert [module.training for module in (model, *model)] == [True, False, True, True]
    mean, _ = statistics(model.eval(), inputs)
    torch.testing.assert_close(mean, torch.zeros_like(mean), rtol=0, atol=1e-12)


def test_sequences_are_normalized_over_batch_and_time(rng):
    model = nn.Sequential(Weight().wrap(nn.Linear(4, 6))).double()
    sequences = torch.randn(8, 10, 4, generator=rng, dtype=torch.float64)
    initialize(model, DataDependent(), rng, batch=sequences)
    outputs = model(sequences).detach().flatten(0, 1)
    torch.testing.assert_close(outputs.std(0, correction=0), torch.ones(6, dtype=torch.float64))


@pytest.mark.parametrize("value", [0.0, 0.7])
def test_a_constant_channel_is_refused_with_its_layer(value, rng):
    """A constant image is constant after a convolution only with circular padding, and but for rounding."""
    model = Cnn(3, 8, "circular", **SHARED)
    with pytest.raises(Refused, match=r"channel 0 of hidden.0 Conv\(3, 8, 3x3\) has none there"):
        initialize(model, DataDependent(), rng, batch=torch.full((8, 3, 8, 8), value))


def test_one_dead_channel_is_named(rng):
    depthwise = nn.Sequential(Weight().wrap(nn.Conv2d(3, 3, 1, groups=3)))
    inputs = images(rng)
    inputs[:, 2] = 0
    with pytest.raises(Refused, match=r"channel 2 of 0 Conv\(3, 3, 1x1\)"):
        initialize(depthwise, DataDependent(), rng, batch=inputs)


def test_an_image_that_overflows_is_refused(rng):
    with pytest.raises(Refused, match=r"channel 0 of hidden.1 Linear\(192, 20\)"):
        initialize(NETWORKS["mlp"](), DataDependent(), rng, batch=torch.full((8, 3, 8, 8), float("inf")))


class Shared(nn.Module):
    """Uses its first layer ``uses`` times."""

    def __init__(self, uses: int) -> None:
        super().__init__()
        self.first, self.last = (Weight().wrap(nn.Linear(4, 4)) for _ in range(2))
        self.uses = uses

    def forward(self, inputs):
        for _ in range(self.uses):
            inputs = self.first(inputs).relu()
        return self.last(inputs)

    def sites(self):
        yield Site("first", self.first, Role.STEM, relu=True)
        yield Site("last", self.last, Role.HIDDEN, relu=False)


@pytest.mark.parametrize(
    ("uses", "sentence"),
    [(0, r"never uses first Linear\(4, 4\)$"), (2, r"first Linear\(4, 4\) is used twice$")],
)
def test_every_layer_must_be_reached_once(uses, sentence, rng):
    model = Shared(uses)
    with pytest.raises(Refused, match=sentence):
        initialize(model, DataDependent(), rng, batch=torch.randn(16, 4, generator=rng))
    assert not any(module._forward_hooks for module in model.modules())
    initialize(Shared(1), DataDependent(), rng, batch=torch.randn(16, 4, generator=rng))


def test_needs_weight_norm_a_batch_and_biases(rng):
    plain = Wrn(1, 1, 16, 2, "zeros", **{**SHARED, "norm": NoNorm()})
    with pytest.raises(Refused, match=r"DataDependent sets gains and stem .* norm=weight"):
        initialize(plain, DataDependent(), rng, batch=images(rng))
    with pytest.raises(Refused, match="DataDependent needs a batch"):
        initialize(NETWORKS["wrn"](), DataDependent(), rng)
    model = nn.Sequential(Weight().wrap(nn.Linear(4, 4, bias=False)))
    with pytest.raises(Refused, match=r"0 Linear\(4, 4\) has none: give it bias=True"):
        initialize(model, DataDependent(), rng, batch=torch.randn(16, 4, generator=rng))


def test_other_directions_are_refused():
    with pytest.raises(ConfigError, match=r"^init\.directions=uniform: must be orthogonal or he$"):
        DataDependent(directions="uniform")
