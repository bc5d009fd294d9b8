"""What an epoch's numbers mean."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch.nn import functional as F

from initlab.results.identity import run_id
from initlab.results.metrics_csv import MetricsCsv
from initlab.results.run_folder import RunFolder
from initlab.task import run_task
from initlab.training.classifier import Classifier, Sums


def test_means_weigh_every_example_alike() -> None:
    logits, labels = torch.randn(7, 3), torch.randint(3, (7,))
    sums = Sums()
    for part in (slice(0, 4), slice(4, 7)):
        sums.add(F.cross_entropy(logits[part], labels[part]), logits[part], labels[part])
    means = sums.means("val")
    assert means["val/loss"] == pytest.approx(F.cross_entropy(logits, labels).item())
    assert means["val/acc"] == pytest.approx((logits.argmax(1) == labels).float().mean().item())


def test_each_row_holds_its_own_epoch_and_each_step_its_own_learning_rate(
    compose: Callable[..., dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """An oracle that watches the steps from outside."""
    losses: list[float] = []
    rates: list[float] = []
    step = Classifier.training_step

    def watched(self: Classifier, batch: Any, batch_idx: int) -> torch.Tensor:
        loss = step(self, batch, batch_idx)
        losses.append(loss.item())
        rates.append(self.trainer.optimizers[0].param_groups[0]["lr"])
        return loss

    monkeypatch.setattr(Classifier, "training_step", watched)
    config = compose(
        *("debug=smoke", "model=mlp", "model.depth=2", "model.width=16", "batch_size=64", "epochs=3"),
        *("lr=0.02", "warmup_epochs=1", "schedule=step", "schedule.step_size=2", "trainer.num_threads=1"),
    )
    run_task(config)
    rows = MetricsCsv(RunFolder(config["paths"]["output_dir"], run_id(config)).metrics_path).rows()
    means = torch.tensor(losses).view(3, 4).mean(1)  # four full batches an epoch
    assert [row["train/loss"] for row in rows] == pytest.approx(means.tolist(), rel=1e-5)
    warmup = [0.02 * (i / 4) ** 2 for i in (1, 2, 3, 4)]
    assert rates == pytest.approx([*warmup, *[0.02] * 4, *[0.002] * 4])
    assert [row["lr"] for row in rows] == pytest.approx([0.02, 0.02, 0.002])


@pytest.mark.parametrize(("clipping", "changes"), [("none", False), ("norm", True), ("adaptive", True)])
def test_clipping_bounds_the_step(
    compose: Callable[..., dict[str, Any]], clipping: str, changes: bool
) -> None:
    tiny = ("debug=smoke", "model=mlp", "model.depth=2", "model.width=16", "trainer.num_threads=1", "lr=0.5")
    plain = run_task(compose(*tiny, "batch_size=64")).metrics["train/loss"]
    tight = {"norm": ["clipping.max_norm=1e-6"], "adaptive": ["clipping.clip_factor=1e-6"]}.get(clipping, [])
    clipped = run_task(compose(*tiny, "batch_size=64", f"clipping={clipping}", *tight)).metrics["train/loss"]
    assert (plain != clipped) is changes
