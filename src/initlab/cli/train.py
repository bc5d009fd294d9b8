"""``python train.py``: one run, or with ``-m`` a sweep, as Hydra configures it."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any

import hydra
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig

from initlab.configs_dir import configs_dir
from initlab.errors import InitlabError
from initlab.progress import console
from initlab.sweep.argv import is_multirun, rewrite
from initlab.sweep.compose import CONFIG_NAME, Composer, config_loader, named
from initlab.sweep.plan import first_cell

EXIT_CODES = {"ok": 0, "diverged": 0, "crashed": 1, "killed": 1, "refused": 2}


def main() -> None:
    """Rewrite the command line, check it, and hand it to Hydra; a mistake ends with one sentence and exit 2."""
    try:
        sys.argv[1:] = rewrite(sys.argv[1:])
        check(sys.argv[1:])
    except InitlabError as error:
        console.print(f"error: {error}", style="bold red", markup=False, highlight=False, soft_wrap=True)
        sys.exit(2)
    run()


def check(arguments: list[str]) -> None:
    """Compose the run, or the first cell of the sweep, so that a mistake is told before anything is built.

    Raises:
        ConfigError: a key, an option or a value is wrong.
    """
    overrides = [word for word in arguments if not word.startswith("-")]
    flags = [word for word in arguments if word.startswith("-") and word not in ("-m", "--multirun")]
    if flags:  # --help, --info, --cfg and the like are Hydra's own
        return
    with config_loader() as loader:
        composer = Composer(loader)
        if is_multirun(arguments):
            composer.compose(first_cell(overrides))
        else:
            composer.compose(overrides)


@hydra.main(version_base="1.3", config_path=str(configs_dir()), config_name=CONFIG_NAME)
def run(config: DictConfig | Mapping[str, Any]) -> Any:
    """Run one configuration: Hydra's, in a single run, or a cell's, in a sweep."""
    from initlab.task import run_task

    if not isinstance(config, DictConfig):
        return run_task(config)
    result = run_task(named(config, dict(HydraConfig.get().runtime.choices)), announce=True)
    sys.exit(EXIT_CODES[result.status])
