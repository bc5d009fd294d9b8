"""The W&B workspace of an experiment, from its plan: dashboards as code."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from initlab.errors import ConfigError, InitlabError
from initlab.report.values import RATE, REPLICATE, number, varying
from initlab.sweep.plan import Plan
from initlab.tracking.metrics import ADDED, ALWAYS, BEST, EPOCH, FITTED, MEASURED, PLAYED, PLAYED_SCORE
from initlab.tracking.upload import FIGURE

MISSING = (
    "dashboards need the package wandb-workspaces: `pip install 'initlab[workspaces]'` (or wandb-workspaces)"
)
GROUPED = ("init.name", "norm.name")
SCORE = "best/val_acc"


@dataclass(frozen=True)
class Known:
    """The names that an experiment's runs have in W&B.

    Args:
        config: dotted keys of their nested configs.
        history: metrics over time, and media.
        summary: metrics of a run as a whole.
    """

    config: frozenset[str]
    history: frozenset[str]
    summary: frozenset[str]


def known(planned: Plan) -> Known:
    """Return the names that the runs of a plan have.

    A key counts when every cell has it: a panel by any other would leave out some of the runs.
    """
    keys = [frozenset(leaves(cell.config)) for cell in planned.cells]
    if task_of(planned) == "fit":
        history, summary = [*EPOCH], [*EPOCH, *FITTED]
        summary += [f"{name}.{kind}" for name, best in BEST.items() for kind in (best, "last")]
        summary = [name for name in summary if name not in BEST]
    elif task_of(planned) == "rl":
        history, summary = [*PLAYED], [name for name in (*PLAYED, PLAYED_SCORE) if name not in BEST]
    else:
        shown = diagnostics(planned)
        history = ["_step", *(f"{name}/{kind}" for name in shown for kind in ("table", "figure"))]
        summary = [metric for name in shown for metric in MEASURED.get(name, ())]
    return Known(
        frozenset.intersection(*keys) | set(ADDED),
        frozenset([*history, FIGURE]),
        frozenset([*summary, *ALWAYS]),
    )


def workspaces(planned: Plan, project: str, entity: str) -> list[Any]:
    """Build two workspaces: all runs of an experiment, and those that diverged.

    Runs are grouped by init and norm and, below them, by all that the sweep varies but the seed: a line or a
    bar is a mean over seeds, its band the standard deviation.

    Raises:
        InitlabError: wandb-workspaces is not installed.
    """
    try:
        import wandb_workspaces.reports.v2 as reports
        import wandb_workspaces.workspaces as library
        from wandb_workspaces import expr
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != "wandb_workspaces":
            raise
        raise InitlabError(MISSING) from error
    have = known(planned)
    axes = [config_key(axis, have) for axis in varying([cell.axes for cell in planned.cells])]
    compared = [axis for axis in axes if axis not in (REPLICATE, *GROUPED)]
    numeric = [axis for axis in compared if is_numeric(planned, axis)]

    def scatter(axis: str, metric: str) -> Any:
        return reports.ScatterPlot(
            title=f"{metric} against {axis}",
            x=reports.Config(axis),
            y=reports.SummaryMetric(metric),
            log_x=axis == RATE or None,
        )

    def line(metric: str, **more: Any) -> Any:
        return reports.LinePlot(
            title=metric,
            x="epoch",
            y=[metric],
            groupby_aggfunc="mean",
            groupby_rangefunc="stddev",
            max_runs_to_show=100,
            **more,
        )

    panels: list[Any] = [
        reports.MediaBrowser(title="the report's figure", media_keys=[FIGURE], num_columns=1)
    ]
    if task_of(planned) == "fit":
        panels += [scatter(axis, SCORE) for axis in numeric]
        panels.append(
            reports.BarPlot(title="share of runs that diverged", metrics=["diverged"], groupby_aggfunc="mean")
        )
        columns: list[Any] = [reports.Config(axis) for axis in dict.fromkeys([*GROUPED, *compared])]
        panels.append(
            reports.ParallelCoordinatesPlot(
                title=f"{SCORE} by what the sweep varies",
                columns=[
                    reports.ParallelCoordinatesPlotColumn(column)
                    for column in [*columns, reports.SummaryMetric(SCORE)]
                ],
            )
        )
        curves: list[Any] = [
            line("val/acc"),
            line("train/loss", log_y=True),
            line("val/loss", log_y=True),
            line("lr"),
        ]
    elif task_of(planned) == "rl":
        panels += [scatter(axis, PLAYED_SCORE) for axis in numeric]
        panels.append(reports.BarPlot(title=PLAYED_SCORE, metrics=[PLAYED_SCORE], groupby_aggfunc="mean"))
        curves = [
            line(name) for name in ("train/return", "train/length", "train/entropy", "train/value_loss")
        ]
    else:
        shown = diagnostics(planned)
        metrics = [metric for diagnostic in shown for metric in MEASURED.get(diagnostic, ())]
        panels += [scatter(axis, metric) for metric in metrics for axis in numeric]
        panels += [
            reports.BarPlot(title=metric, metrics=[metric], groupby_aggfunc="mean") for metric in metrics
        ]
        curves = [reports.MediaBrowser(title=one, media_keys=[f"{one}/figure"]) for one in shown]
    step = "epoch" if task_of(planned) in ("fit", "rl") else "Step"
    of_experiment = [
        expr.Config("experiment") == planned.experiment,
        expr.Config("scale") == planned.scale,
    ]

    def workspace(title: str, filters: list[Any]) -> Any:
        return library.Workspace(
            entity=entity,
            project=project,
            name=title,
            sections=[
                library.Section(name="The figure", panels=panels, is_open=True),
                library.Section(name="Each run", panels=curves, is_open=True),
            ],
            settings=library.WorkspaceSettings(x_axis=step, max_runs=100),
            runset_settings=library.RunsetSettings(
                filters=filters,
                groupby=[expr.Config(key) for key in dict.fromkeys([*GROUPED, *compared])],
                pinned_columns=["summary:status", f"summary:{SCORE}"]
                if task_of(planned) == "fit"
                else ["summary:status"],
            ),
        )

    return [
        workspace(planned.name, of_experiment),
        workspace(f"{planned.name}: diverged runs", [*of_experiment, expr.Summary("diverged") == 1]),
    ]


def spec(workspace: Any) -> dict[str, Any]:
    """Return what W&B is given of a workspace, as plain containers."""
    content: dict[str, Any] = workspace._to_model().spec.model_dump(
        mode="json", by_alias=True, exclude_none=True
    )
    return content


def check(content: Mapping[str, Any], have: Known) -> None:
    """Make sure that every metric and config key named in a workspace is one that the runs have.

    Raises:
        ConfigError: it names one that they have not.
    """
    for section, name in references(content):
        if section == "config":
            right = name in have.config
        elif section == "history":
            right = name in have.history
        elif section == "summary":
            right = name in have.summary
        else:
            right = section == "run"
        if not right:
            raise ConfigError(f"the workspace names the {section} key {name}, which no run of it has")


def references(content: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield (section, name) of each key that the panels, filters, groups, order and columns name."""
    section = content["section"]
    yield "history", section["settings"]["xAxis"]
    for part in section["panelBankConfig"]["sections"]:
        for panel in part["panels"]:
            yield from _of_panel(panel["config"], panel["viewType"] == "Bar Chart")
    for runs in section["runSets"]:
        for key in runs["grouping"]:
            yield key["section"], _plain(key["section"], key["name"])
        for key in runs["sort"]["keys"]:
            yield key["key"]["section"], key["key"]["name"]
        for column in runs["runFeed"]["columnPinned"]:
            yield _accessor(column)
        for item in runs["filters"]["filters"]:
            yield item["key"]["section"], _plain(item["key"]["section"], item["key"]["name"])


def _of_panel(config: Mapping[str, Any], of_last_values: bool) -> Iterator[tuple[str, str]]:
    for name in config.get("metrics", ()):
        yield "summary" if of_last_values else "history", name
    for name in config.get("mediaKeys", ()):
        yield "history", name
    for axis in ("xAxis", "yAxis", "zAxis"):
        if axis in config:
            yield _accessor(config[axis])
    for column in config.get("columns", ()):
        yield _accessor(column["accessor"])


def _accessor(text: str) -> tuple[str, str]:
    """Read ``config:init.value.name``, ``summary:test/acc``, or a metric over time."""
    section, colon, name = text.partition(":")
    return (section, _plain(section, name)) if colon else ("history", text)


def _plain(section: str, name: str) -> str:
    """Write a config key as it stands in the config: W&B puts ``value`` behind its first part."""
    first, _, rest = name.partition(".")
    if section != "config" or not (rest == "value" or rest.startswith("value.")):
        return name
    return ".".join(part for part in (first, rest.partition(".")[2]) if part)


def leaves(config: Mapping[str, Any], prefix: str = "") -> Iterator[str]:
    """Yield the dotted keys of a nested config."""
    for key, value in config.items():
        if isinstance(value, Mapping):
            yield from leaves(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}"


def config_key(axis: str, have: Known) -> str:
    """Return where the config has what an axis sets: a group has its option's name."""
    return axis if axis in have.config else f"{axis}.name"


def is_numeric(planned: Plan, key: str) -> bool:
    """Whether an axis holds numbers."""
    values = {repr(number(cell.axes.get(key))): number(cell.axes.get(key)) for cell in planned.cells}
    return all(isinstance(value, float) for value in values.values())


def task_of(planned: Plan) -> str:
    """Return the task of the first cell."""
    return str(planned.cells[0].config["task"]["name"])


def diagnostics(planned: Plan) -> list[str]:
    """Return the names of the diagnostics that the cells of a probe run."""
    node = planned.cells[0].config["diagnostic"]
    return [node["name"]] if "_target_" in node else [name for name in node if name != "name"]
