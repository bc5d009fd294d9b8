"""``python train.py``: one run, or with ``-m`` a sweep, as Hydra configures it."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any

import hydra
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig

from initlab.configs_dir import configs_dir
from initlab.errors import ConfigError, InitlabError
from initlab.progress import console, tell
from initlab.results.environment import was_other_code
from initlab.results.identity import run_id
from initlab.results.run_folder import RunFolder
from initlab.sweep.argv import is_multirun, rewrite
from initlab.sweep.compose import CONFIG_NAME, Composer, config_loader, named, parse
from initlab.sweep.outcome import fallen
from initlab.sweep.plan import axes_left_open, check_fixed, first_cell
from initlab.sweep.scale import form_of_run, scale_of
from initlab.task.cell import run_cell

OTHER_CONFIGS = ("--config-path", "-cp", "--config-name", "-cn", "--config-dir", "-cd")  # for Hydra alone
EXIT_CODES = {"ok": 0, "diverged": 0, "crashed": 1, "killed": 1, "refused": 2}


def main() -> None:
    """Rewrite the command line, check it, hand it to Hydra; a mistake ends with one sentence and exit 2."""
    try:
        sys.argv[1:] = rewrite(sys.argv[1:])
        with config_loader() as loader:
            composer = Composer(loader)
            sys.argv[1:] = with_scale(sys.argv[1:], composer)
            check(sys.argv[1:], composer)
            sys.argv[1:] = without_fallen(sys.argv[1:], composer)
    except InitlabError as error:
        tell(f"error: {error}", style="bold red")
        sys.exit(2)
    run()


def with_scale(arguments: list[str], composer: Composer) -> list[str]:
    """Put an experiment's laptop form in front of the arguments of a single run; a sweep plans its own.

    Raises:
        ConfigError: there is no such scale, or no laptop form.
    """
    overrides = [word for word in arguments if not word.startswith("-") and "=" in word]
    if scale_of(overrides) == "full" or is_multirun(arguments):
        return arguments
    form, gone = form_of_run(composer, overrides)
    if gone:
        tell(fallen(gone))
    return [*form, *arguments]


def check(arguments: list[str], composer: Composer) -> None:
    """Compose the run, or the first cell of the sweep, so that a mistake is told before anything is built.

    Raises:
        ConfigError: a key, an option or a value is wrong.
    """
    overrides = [word for word in arguments if not word.startswith("-")]
    flags = [word for word in arguments if word.startswith("-") and word not in ("-m", "--multirun")]
    if flags:  # --help, --info, --cfg and the like are Hydra's own
        return
    if is_multirun(arguments):
        check_fixed(overrides)
        composer.compose(first_cell(overrides))
        return
    if swept := [word for word in overrides if parse(word).is_sweep_override()]:
        raise ConfigError(f"{swept[0]} gives several runs: add -m to sweep over it")
    if composer.compose(overrides)["sweep"]["dry_run"]:
        raise ConfigError("sweep.dry_run=true shows the runs of a sweep: add -m")
    if left := axes_left_open(composer, overrides):
        experiment = next(word for word in reversed(overrides) if word.startswith("experiment="))
        small = ", scale=laptop for a small form" if composer.base([experiment]).laptop else ""
        told = f"{experiment} sweeps over {', '.join(left)}; this is one run of it"
        tell(f"note: {told}, add -m for all{small}")


def without_fallen(arguments: list[str], composer: Composer) -> list[str]:
    """Let Hydra delete from a single run what falls away of its experiment; a sweep plans without it.

    Raises:
        ConfigError: the experiment is wrong.
    """
    overrides = [word for word in arguments if not word.startswith("-") and "=" in word]
    experiments = any(word.startswith("experiment=") for word in overrides)
    if is_multirun(arguments) or not experiments or any(word in OTHER_CONFIGS for word in arguments):
        return arguments
    base = composer.base([word for word in overrides if composer.is_structural(word)])
    if base.fallen:
        tell(fallen(base.fallen))
    return [*(f"~{key}" for key in base.emptied), *arguments]


@hydra.main(version_base="1.3", config_path=str(configs_dir()), config_name=CONFIG_NAME)
def run(config: DictConfig | Mapping[str, Any]) -> Any:
    """Run one configuration: Hydra's, in a single run, or a cell's, in a sweep."""
    if not isinstance(config, DictConfig):
        return run_cell(config)
    sys.exit(single(named(config, dict(HydraConfig.get().runtime.choices))))


def single(config: Mapping[str, Any]) -> int:
    """Run one configuration unless its result is there, say what came of it, and return the exit code."""
    # Who asks again for a run that crashed has changed something; a sweep asks for all its runs each time.
    again = {"crashed", "refused"}
    try:
        folder = RunFolder(config["paths"]["output_dir"], run_id(config))
        result = folder.read_result()
        if result is None or result.status in ("killed", *again, *config["sweep"]["retry"]):
            from initlab.task import run_task

            result = run_task(config, again)
        else:
            by = ", by code with other uncommitted changes" if was_other_code(result.git) else ""
            tell(f"This run has its result already{by}; `sweep.retry=[{result.status}]` runs it again.")
    except InitlabError as error:
        tell(f"error: {error}", style="bold red")
        return 2
    if result.status == "crashed":
        tell((folder.path / "error.txt").read_text(), style="red")
    if config["task"]["name"] in ("probe", "rl_probe") and result.metrics:
        from initlab.cli.probe import page

        console.print(page(result.metrics), highlight=False)
    shown = ("train/return", "train/loss", "val/acc", "best/val_acc", "test/acc")
    numbers = [f"{key} {result.metrics[key]:.4g}" for key in shown if result.metrics.get(key) is not None]
    told = result.error or ", ".join(numbers)
    tell(f"{result.status}{': ' if told else ''}{told}  ({result.wall_s:.1f} s, {folder.path})")
    return EXIT_CODES[result.status]
