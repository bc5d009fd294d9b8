"""``hydra/launcher=basic|pool``: lets Hydra find the launchers of :mod:`initlab.sweep`."""

from collections.abc import Callable, Sequence
from typing import Any

from hydra.core.config_store import ConfigStore
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig


class BasicLauncher(Launcher):
    """Runs one cell after another in this process."""

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        """Keep the function that runs one configuration."""
        self.run = task_function

    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> Any:
        """Refuse sweepers that hand over overrides instead of composed cells."""
        raise SystemExit("this launcher needs hydra/sweeper=grid")

    def launch_cells(self, cells: Sequence[Any], report: Callable[[Any], None], fail_fast: bool) -> None:
        """Run each cell and report its result."""
        from initlab.sweep.launch import in_process

        in_process(self.run, cells, report, fail_fast)


class PoolLauncher(BasicLauncher):
    """Runs several cells at a time, in worker processes on this machine."""

    def __init__(self, num_workers: int | None = None) -> None:
        self.num_workers = num_workers

    def launch_cells(self, cells: Sequence[Any], report: Callable[[Any], None], fail_fast: bool) -> None:
        """Run the cells and report each result as it comes."""
        from initlab.cli.train import run_cell
        from initlab.sweep.pool import in_pool

        in_pool(run_cell, cells, report, fail_fast, self.num_workers)


# Hydra keeps its own launchers in the store; a YAML file of the same name would be held to their schema.
for _name, _launcher, _options in (
    ("basic", BasicLauncher, {}),
    ("pool", PoolLauncher, {"num_workers": None}),
):
    ConfigStore.instance().store(
        group="hydra/launcher",
        name=_name,
        node={"_target_": f"{_launcher.__module__}.{_launcher.__qualname__}", **_options},
        provider="initlab",
    )
