"""``hydra/launcher=basic``: lets Hydra find the launchers of :mod:`initlab.sweep.launch`."""

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
        raise SystemExit("hydra/launcher=basic needs hydra/sweeper=grid")

    def launch_cells(self, cells: Sequence[Any], report: Callable[[Any], None], fail_fast: bool) -> None:
        """Run each cell and report its result."""
        from initlab.sweep.launch import in_process

        in_process(self.run, cells, report, fail_fast)


# Hydra keeps its own launchers in the store; a YAML file of the same name would be held to their schema.
ConfigStore.instance().store(
    group="hydra/launcher",
    name="basic",
    node={"_target_": f"{BasicLauncher.__module__}.{BasicLauncher.__qualname__}"},
    provider="initlab",
)
