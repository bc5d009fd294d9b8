"""The recorded step: what surrounds the capture on the CPU, where repeating stands for replaying."""

import pytest
import torch

from initlab.cuda_graph import WARMUPS
from initlab.errors import ConfigError
from initlab.results.identity import run_id
from initlab.task import run_task
from initlab.training.gradient_graph import GradientGraph
from tiny_run import TINY

WITH_STATISTICS = ["debug=smoke", "model=wrn", "model.num_blocks=1", "norm=batch", "init=orthogonal"]


class Recording(GradientGraph):
    """Stands for the capture: what is repeated writes to the memory that the recorded pass wrote to."""

    def __init__(self, *arguments):
        super().__init__(*arguments, record=self.capture)

    def capture(self, record):
        for _ in range(WARMUPS + 1):
            record()
        recorded = self.written()

        def replay():
            held = [parameter.grad for parameter in self.parameters]
            record()
            for memory, value in zip(recorded, self.written(), strict=True):
                if memory is not None:
                    memory.copy_(value)
            for parameter, gradient in zip(self.parameters, held, strict=True):
                parameter.grad = gradient
            self.loss, self.logits = recorded[:2]

        return replay

    def written(self):
        return [self.loss, self.logits, *(parameter.grad for parameter in self.parameters)]


@pytest.mark.parametrize(
    "network", [TINY, [*WITH_STATISTICS, "trainer.num_threads=1"]], ids=["mlp", "wrn-bn"]
)
@pytest.mark.parametrize("clipping", ["none", "norm"])
def test_a_run_of_replayed_steps_is_the_run_of_plain_ones(compose, tmp_path, monkeypatch, network, clipping):
    """1437 training digits in batches of 400: the last is smaller and is not replayed."""
    shared = [*network, "batch_size=400", "lr=0.01", "epochs=2", f"clipping={clipping}"]
    replays = []

    class Counted(Recording):
        def __call__(self, inputs, labels):
            replays.append(len(labels))
            return super().__call__(inputs, labels)

    losses, weights = [], []
    for name, graph in (("plain", None), ("graph", Counted)):
        monkeypatch.setattr("initlab.task.fit.check_cuda_graphs", lambda trainer: None)
        monkeypatch.setattr("initlab.task.fit.GradientGraph", graph)
        flag = f"trainer.cuda_graphs={'true' if graph else 'false'}"
        config = compose(*shared, flag, f"paths.output_dir={tmp_path / name}")
        losses.append(run_task(config).metrics["train/loss"])
        folder = tmp_path / name / "runs" / run_id(config) / "checkpoints"
        weights.append(torch.load(folder / "last.ckpt", weights_only=True)["state_dict"])
    assert set(replays) == {400}
    assert len(replays) > 2
    assert losses[0] == losses[1]
    for key, value in weights[0].items():
        assert torch.equal(weights[1][key], value), key


def test_a_parameter_that_is_not_used_gets_no_gradient():
    model = torch.nn.ModuleList([torch.nn.Linear(2, 2), torch.nn.Linear(2, 2)])
    inputs, labels = torch.ones(3, 2), torch.zeros(3, dtype=torch.int64)

    def evaluate(inputs, labels):
        logits = model[0](inputs)
        return torch.nn.functional.cross_entropy(logits, labels), logits

    graph = Recording(model, evaluate, inputs, labels)
    graph(inputs, labels)
    assert [parameter.grad is None for parameter in model.parameters()] == [False, False, True, True]


def test_without_a_gpu_it_is_refused_in_a_sentence(compose):
    with pytest.raises(
        ConfigError, match=r"^trainer.cuda_graphs=true: needs a CUDA device; leave it at false$"
    ):
        run_task(compose(*TINY, "trainer.cuda_graphs=true"))


@pytest.mark.gpu
@pytest.mark.parametrize("network", [TINY, WITH_STATISTICS], ids=["mlp", "wrn-bn"])
@pytest.mark.parametrize("precision", ["32-true", "bf16-mixed"])
@pytest.mark.parametrize("clipping", ["none", "norm"])
def test_on_a_gpu_a_captured_run_is_the_plain_one_up_to_rounding(
    compose, tmp_path, network, precision, clipping
):
    """Weights and running statistics after 3 epochs of 4 steps, the last of each not replayed."""
    shared = [*network, "batch_size=400", "epochs=3", "trainer.accelerator=gpu"]
    shared += [f"trainer.precision={precision}", f"clipping={clipping}"]
    states = {}
    for name, more in (
        ("plain", ["lr=0.01"]),
        ("captured", ["lr=0.01", "trainer.cuda_graphs=true"]),
        ("faster", ["lr=0.0105"]),
    ):
        config = compose(*shared, *more, f"paths.output_dir={tmp_path / name}")
        assert run_task(config).status == "ok"
        folder = tmp_path / name / "runs" / run_id(config) / "checkpoints"
        state = torch.load(folder / "last.ckpt", weights_only=True, map_location="cpu")["state_dict"]
        states[name] = torch.cat([value.double().flatten() for value in state.values()])
    moved = float((states["faster"] - states["plain"]).norm())
    assert float((states["captured"] - states["plain"]).norm()) < 0.1 * moved


@pytest.mark.gpu
def test_on_a_gpu_a_captured_run_diverges_at_the_step_of_the_plain_one(compose, tmp_path):
    """The losses that are kept until one looks at them are not the one place that replays write to."""
    shared = [*TINY, "lr=1e12", "epochs=2", "trainer.accelerator=gpu"]
    found = []
    for flag in ("false", "true"):
        folder = f"paths.output_dir={tmp_path / flag}"
        result = run_task(compose(*shared, f"trainer.cuda_graphs={flag}", folder))
        assert result.status == "diverged"
        found.append(result.metrics["diverged/step"])
    assert found[0] == found[1]
