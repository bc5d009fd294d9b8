"""``hydra/launcher=basic|pool|slurm``: lets Hydra find the launchers of :mod:`initlab.sweep`."""

import sys
from collections.abc import Callable, Sequence
from typing import Any

from hydra.core.config_store import ConfigStore
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, OmegaConf


class BasicLauncher(Launcher):
    """Runs one cell after another in this process."""

    runs_here = True

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

    def places(self, cells: Sequence[Any]) -> list[dict[str, str]] | None:
        """Return the environment of each run that is carried out at a time; None where that is elsewhere."""
        return [{}]

    def verdicts(self, combinations: Sequence[str], dry_run: bool = False) -> Sequence[tuple[str, str]]:
        """Tell which combinations fit: here where torch is or will be imported, else by another process."""
        if sys.modules.get("torch") or (self.runs_here and combinations and not dry_run):
            from initlab.task.fitting import verdicts

            return verdicts(combinations)
        from initlab.sweep.fitting import ask

        return ask(combinations)


class PoolLauncher(BasicLauncher):
    """Runs several cells at a time, in worker processes on this machine."""

    runs_here = False

    def __init__(self, **options: Any) -> None:
        self.options = options

    def launch_cells(self, cells: Sequence[Any], report: Callable[[Any], None], fail_fast: bool) -> None:
        """Run the cells and report each result as it comes."""
        from initlab.sweep.pool import PoolOptions, in_pool
        from initlab.task.cell import run_cell

        in_pool(run_cell, cells, report, fail_fast, PoolOptions(**self.options))

    def places(self, cells: Sequence[Any]) -> list[dict[str, str]] | None:
        """Return the environment of each worker."""
        from initlab.sweep.pool import PoolOptions, places

        return places(cells, PoolOptions(**self.options))


class SlurmLauncher(BasicLauncher):
    """Submits the cells as SLURM job arrays and follows them."""

    runs_here = False

    def __init__(self, **options: Any) -> None:
        self.options = {
            key: OmegaConf.to_container(value, resolve=True) if OmegaConf.is_config(value) else value
            for key, value in options.items()
        }

    def launch_cells(self, cells: Sequence[Any], report: Callable[[Any], None], fail_fast: bool) -> None:
        """Submit the cells and report each result as it comes."""
        from initlab.sweep.slurm import SlurmOptions, on_slurm
        from initlab.task.cell import run_cell

        on_slurm(run_cell, cells, report, fail_fast, SlurmOptions.of(self.options))

    def places(self, cells: Sequence[Any]) -> list[dict[str, str]] | None:
        """Tell that the runs are carried out elsewhere."""
        return None


# Hydra keeps a launcher of this name in its store; a YAML file would be held to that one's schema.
ConfigStore.instance().store(
    group="hydra/launcher",
    name="basic",
    node={"_target_": f"{BasicLauncher.__module__}.{BasicLauncher.__qualname__}"},
    provider="initlab",
)
