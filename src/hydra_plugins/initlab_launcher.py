"""``hydra/launcher=basic|pool|slurm``: lets Hydra find the launchers of :mod:`initlab.sweep`."""

from collections.abc import Callable, Sequence
from typing import Any

from hydra.core.config_store import ConfigStore
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, OmegaConf


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

    def places(self, cells: Sequence[Any]) -> list[dict[str, str]] | None:
        """Return the environment of each run that is carried out at a time; None where that is elsewhere."""
        return [{}]

    def verdicts(self, combinations: Sequence[str]) -> Sequence[tuple[str, str]]:
        """Tell which combinations fit, in this process: its runs import torch anyway."""
        if not combinations:
            return []
        from initlab.task.fitting import verdicts

        return verdicts(combinations)


class Elsewhere(BasicLauncher):
    """Keeps torch out of this process."""

    def verdicts(self, combinations: Sequence[str]) -> Sequence[tuple[str, str]]:
        """Tell which combinations fit, by a process that ends with its answers."""
        from initlab.sweep.fitting import ask

        return ask(combinations)


class PoolLauncher(Elsewhere):
    """Runs several cells at a time, in worker processes on this machine."""

    def __init__(self, **options: Any) -> None:
        self.options = options

    def launch_cells(self, cells: Sequence[Any], report: Callable[[Any], None], fail_fast: bool) -> None:
        """Run the cells and report each result as it comes."""
        from initlab.cli.train import run_cell
        from initlab.sweep.pool import PoolOptions, in_pool

        in_pool(run_cell, cells, report, fail_fast, PoolOptions(**self.options))

    def places(self, cells: Sequence[Any]) -> list[dict[str, str]] | None:
        """Return the environment of each worker."""
        from initlab.sweep.pool import PoolOptions, places

        return places(cells, PoolOptions(**self.options))


class SlurmLauncher(Elsewhere):
    """Submits the cells as SLURM job arrays and follows them."""

    def __init__(self, **options: Any) -> None:
        self.options = {
            key: OmegaConf.to_container(value, resolve=True) if OmegaConf.is_config(value) else value
            for key, value in options.items()
        }

    def launch_cells(self, cells: Sequence[Any], report: Callable[[Any], None], fail_fast: bool) -> None:
        """Submit the cells and report each result as it comes."""
        from initlab.cli.train import run_cell
        from initlab.sweep.slurm import SlurmOptions, on_slurm

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
