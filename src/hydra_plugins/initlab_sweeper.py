"""``hydra/sweeper=grid``: lets Hydra find the sweeper of :mod:`initlab.sweep.grid`."""

from typing import Any

from hydra.plugins.sweeper import Sweeper
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig


class GridSweeper(Sweeper):
    """Runs the cells of a grid that have no result yet."""

    def __init__(self, params: Any = None) -> None:
        self.params = params  # read from each composed experiment, where Hydra itself would drop it

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        """Make the launcher that the configuration names."""
        from hydra.core.plugins import Plugins

        self.loader = hydra_context.config_loader
        self.launcher = Plugins.instance().instantiate_launcher(
            hydra_context=hydra_context, task_function=task_function, config=config
        )

    def sweep(self, arguments: list[str]) -> Any:
        """Plan the grid and run what is missing."""
        from initlab.sweep.grid import sweep

        return sweep(self.loader, self.launcher, arguments)
