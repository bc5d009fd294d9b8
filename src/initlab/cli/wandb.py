"""``python -m initlab wandb sync|upload|workspace``: what stands in Weights & Biases."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from initlab.errors import InitlabError
from initlab.results.atomic import make_folder, write_text
from initlab.results.store import Store

app = typer.Typer(
    help="Send runs and reports to Weights & Biases, and build dashboards there.", no_args_is_help=True
)

OutputDir = Annotated[
    Path,
    typer.Option(
        "--output-dir", "-o", envvar="INITLAB_OUTPUT_DIR", help="Folder of the runs (paths.output_dir)."
    ),
]
Project = Annotated[str, typer.Option("--project", "-p", help="Of W&B (logger.project).")]
Entity = Annotated[
    str | None,
    typer.Option("--entity", "-e", help="User or team (logger.entity); the account's own if none."),
]
OUTPUTS = Path("outputs")
PROJECT = "initlab"


@app.command()
def sync(
    jobs: Annotated[int, typer.Option("--jobs", "-j", min=1, help="Runs to send at a time.")] = 8,
    output_dir: OutputDir = OUTPUTS,
) -> None:
    """Send the runs and reports that were kept offline; those that were sent before are passed over."""
    from initlab.tracking.login import NO_LOGIN, logged_in
    from initlab.tracking.sync import is_sent, offline_files, send

    files = offline_files(output_dir)
    if not files:
        raise InitlabError(f"there is no offline W&B run in {output_dir}: `logger=wandb` writes one per run")
    waiting = [path for path in files if not is_sent(path)]
    before = f"{len(files) - len(waiting)} were sent before"
    if not waiting:
        typer.echo(f"nothing to send: {before}")
        return
    if not logged_in():
        raise InitlabError(f"{len(waiting)} runs wait to be sent, but {NO_LOGIN}")
    outcome = send(waiting, jobs)
    typer.echo(f"sent {len(outcome.sent)} runs, {before}")
    if outcome.failed:
        told = f" ({outcome.reason})" if outcome.reason else ""
        raise InitlabError(
            f"{len(outcome.failed)} runs were not sent{told}; the same command tries them again"
        )


@app.command()
def upload(
    name: Annotated[str, typer.Argument(help="A claim or sweep that was reported, or the path of a report.")],
    project: Project = PROJECT,
    entity: Entity = None,
    output_dir: OutputDir = OUTPUTS,
) -> None:
    """Log a report: its files as an artifact, its figures, and mean, sd and n over seeds of each group."""
    from initlab.tracking.upload import upload

    address = upload(Store(output_dir), name, project, entity)
    typer.echo(f"logged {name}: {address}" if address else f"logged {name} offline: `wandb sync` sends it")


@app.command()
def workspace(
    experiment: Annotated[str, typer.Argument(help="As in experiment=<name>: arpit2019/fig4.")],
    project: Project = PROJECT,
    entity: Entity = None,
    scale: Annotated[str, typer.Option(help="full, or laptop for the reduced form's runs.")] = "full",
    output_dir: OutputDir = OUTPUTS,
) -> None:
    """Build an experiment's dashboards, check every key they name, and save them where there is a login."""
    from initlab.sweep.compose import Composer, config_loader
    from initlab.sweep.plan import plan
    from initlab.tracking.login import NO_LOGIN, logged_in
    from initlab.tracking.workspace import check, known, spec, workspaces

    with config_loader() as loader:
        planned = plan(Composer(loader), [f"experiment={experiment}", f"scale={scale}"])
    online = logged_in()
    if online and entity is None:
        import wandb

        entity = wandb.Api().default_entity
    built = workspaces(planned, project, entity or "")
    have = known(planned)
    specs = {one.name: spec(one) for one in built}
    for content in specs.values():
        check(content, have)
    path = output_dir / "report" / f"{planned.name}.workspace.json"
    make_folder(path.parent)
    write_text(path, json.dumps(specs, indent=1) + "\n")
    panels = sum(len(section.panels) for section in built[0].sections)
    typer.echo(
        f"{planned.name}: {panels} panels over {len(planned.cells)} runs, every key is one that they have"
    )
    typer.echo(f"wrote {path}")
    if not online:
        typer.echo(f"the dashboards were not saved: {NO_LOGIN}")
        return
    for one in built:
        one.save()
        typer.echo(f"saved {one.name}: {one.url}")
