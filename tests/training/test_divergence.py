"""The step at which a loss stops being finite."""

from types import SimpleNamespace

import pytest
import torch

from initlab.training.divergence import Diverged, Divergence


def walk(callback: Divergence, losses: list[float], device: str = "cpu") -> None:
    module = SimpleNamespace(device=torch.device(device))
    for step, loss in enumerate(losses):
        trainer = SimpleNamespace(current_epoch=0, global_step=step + 1)
        callback.on_train_batch_end(trainer, module, {"loss": torch.tensor(loss)}, None, step)
    callback.on_train_epoch_end(trainer, module)


@pytest.mark.parametrize("every", [1, 2, 3, 100])
@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -float("inf")])
def test_the_exact_step_is_recorded_however_seldom_one_looks(every: int, bad: float) -> None:
    with pytest.raises(Diverged) as stopped:
        walk(Divergence(every), [1.0, 1.0, bad, 1.0, bad])
    assert stopped.value.step == 2


def test_finite_losses_pass() -> None:
    walk(Divergence(2), [1.0, 1e30, 0.0])


@pytest.mark.parametrize(("device", "looks"), [("cpu", [1, 2, 3]), ("cuda", [50, 100, 120])])
def test_it_looks_at_every_step_on_the_cpu_and_seldom_where_looking_waits(
    device: str, looks: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is on a GPU here: the callback asks the module where it is."""
    seen = []
    isfinite = torch.isfinite

    def look(losses: torch.Tensor) -> torch.Tensor:
        seen.append((seen[-1] if seen else 0) + len(losses))
        return isfinite(losses)

    monkeypatch.setattr(torch, "isfinite", look)
    walk(Divergence(), [1.0] * looks[-1], device)
    assert seen == looks
