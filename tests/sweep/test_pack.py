"""Which cells are trained together."""

from collections.abc import Iterator

import pytest

from initlab.errors import ConfigError
from initlab.sweep.cell import Cell
from initlab.sweep.compose import Composer, config_loader
from initlab.sweep.pack import packed, refusal
from initlab.sweep.plan import plan


@pytest.fixture(scope="module")
def composer() -> Iterator[Composer]:
    with config_loader() as loader:
        yield Composer(loader)


def cells(composer: Composer, *arguments: str) -> list[Cell]:
    return list(plan(composer, ["model=mlp", "data=digits", *arguments]).cells)


def test_runs_that_differ_in_what_a_member_may_have_of_its_own_are_packed(composer: Composer) -> None:
    own = ["init=he,proposed", "seed=range(0,2)", "lr=0.1,0.2", "warmup_epochs=0,1"]
    own += ["optim.weight_decay=0.0,0.1", "optim.momentum=0.0,0.9", "schedule=cosine,constant"]
    all_cells = cells(composer, *own)
    assert len(all_cells) == 128
    packs = packed(all_cells, 50)
    assert [len(pack.members) for pack in packs] == [50, 50, 28]
    assert [cell.run_id for pack in packs for cell in pack.members] == [cell.run_id for cell in all_cells]


@pytest.mark.parametrize(
    "axis",
    [
        *("model.width=8,16", "model.depth=2,3", "norm=weight,batch", "batch_size=16,32", "epochs=1,2"),
        *("data.split_seed=0,1", "data=digits,mnist", "clipping=none,norm"),
        "trainer.precision=32-true,64-true",
    ],
)
def test_runs_that_differ_in_anything_else_are_not(composer: Composer, axis: str) -> None:
    packs = packed(cells(composer, "seed=range(0,3)", axis), 6)
    assert [len(pack.members) for pack in packs] == [3, 3]


@pytest.mark.parametrize("size", [0, -1, True, "many", 2.0])
def test_a_size_that_is_none_is_told(composer: Composer, size: object) -> None:
    with pytest.raises(
        ConfigError, match=r"^sweep.population=.*: must be a positive whole number, auto or null$"
    ):
        packed(cells(composer), size)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("argument", "why"),
    [
        ("task=probe", "task=probe trains nothing"),
        ("trainer.devices=2", "the runs of a population have trainer.devices=1"),
        (
            "trainer.accumulate_grad_batches=2",
            "the runs of a population have trainer.accumulate_grad_batches=1",
        ),
        ("trainer.precision=16-mixed", "a population has trainer.precision 32-true, 64-true or bf16-mixed"),
        ("trainer.deterministic=true", "a population knows nothing of trainer.deterministic=True"),
        ("clipping=adaptive", "a population has clipping=none or norm"),
        ("logger=wandb", "logger=wandb records one run of a process at a time"),
        ("optim._target_=torch.optim.Adam", "a population has the optimizer torch.optim.SGD, with "),
    ],
)
def test_what_cannot_be_packed_is_told_in_a_sentence(composer: Composer, argument: str, why: str) -> None:
    (cell,) = cells(composer, argument)
    assert str(refusal(cell.config)).startswith(why)
    with pytest.raises(ConfigError, match=r"^sweep.population=4: .*; leave it at null$"):
        packed([cell], 4)
    assert refusal(cells(composer)[0].config) is None
