"""``python -m initlab``: look at what there is and at what was measured. Reads files, imports no torch."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from initlab.cli.sweep import app as sweep_app
from initlab.cli.wandb import app as wandb_app
from initlab.errors import InitlabError
from initlab.results.store import Store


class Sentences(TyperGroup):
    """Ends with one sentence on stderr and exit code 2 where an :class:`InitlabError` says it all."""

    def invoke(self, ctx: Any) -> Any:
        """Run the command."""
        try:
            return super().invoke(ctx)
        except InitlabError as error:
            typer.echo(f"initlab: {error}", err=True)
            raise typer.Exit(2) from None


app = typer.Typer(
    cls=Sentences,
    help="Look at what there is to run and at what was measured. To run: python train.py --help",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

app.add_typer(sweep_app, name="sweep")
app.add_typer(wandb_app, name="wandb")

OutputDir = Annotated[
    Path,
    typer.Option(
        "--output-dir", "-o", envvar="INITLAB_OUTPUT_DIR", help="Folder of the runs (paths.output_dir)."
    ),
]
OUTPUTS = Path("outputs")


@app.command("list")
def list_(
    what: Annotated[
        str, typer.Argument(help="runs, sweeps, or a config group: inits, models, norms, data, ...")
    ] = "runs",
    where: Annotated[
        list[str] | None,
        typer.Option("--where", "-w", help="Only runs with key=value, as init=proposed. Repeat."),
    ] = None,
    last: Annotated[int | None, typer.Option("--last", "-n", min=1, help="Only the newest runs.")] = None,
    output_dir: OutputDir = OUTPUTS,
) -> None:
    """List the runs, the sweeps, or the options of a config group."""
    from initlab.cli import options, runs
    from initlab.cli.console import print_

    if what in ("run", "runs"):
        print_(runs.table(Store(output_dir), where or [], last))
    elif where or last:
        raise InitlabError(f"--where and --last choose among runs: leave them out of `list {what}`")
    elif what in ("sweep", "sweeps"):
        print_(runs.sweeps(Store(output_dir)))
    elif options.group_of(what) == "init":
        from initlab.cli import inits

        print_(inits.table())
    else:
        print_(options.table(what))


@app.command()
def status(
    name: Annotated[
        str | None, typer.Argument(help="A sweep or an experiment; all where none is given.")
    ] = None,
    output_dir: OutputDir = OUTPUTS,
) -> None:
    """Count the runs by status, of each sweep and of all."""
    from initlab.cli.console import print_
    from initlab.cli.status import table

    print_(table(Store(output_dir), name))


@app.command()
def show(
    run_id: Annotated[str, typer.Argument(help="A run's id, or how it starts.")],
    output_dir: OutputDir = OUTPUTS,
) -> None:
    """Show one run: config, metrics, versions, error and folder."""
    from initlab.cli.console import print_
    from initlab.cli.show import page

    print_(page(Store(output_dir), run_id))


RecordDir = Annotated[
    Path | None,
    typer.Option("--record-dir", help="Folder of recorded results: docs/results of the repository."),
]


@app.command()
def report(
    name: Annotated[
        str | None,
        typer.Argument(
            help="A claim (arpit2019/table1), a pattern, a sweep, an experiment, or all; the sweeps that ran "
            "where none is given."
        ),
    ] = None,
    output_dir: OutputDir = OUTPUTS,
    record_dir: RecordDir = None,
) -> None:
    """Print the tables of a claim or a sweep; write them, with figures and pages, to <output dir>/report."""
    from initlab.cli.report import report as write

    write(Store(output_dir), name, record_dir)


@app.command()
def record(
    name: Annotated[str, typer.Argument(help="A claim that has run here (arpit2019/table1), or a pattern.")],
    output_dir: OutputDir = OUTPUTS,
    record_dir: RecordDir = None,
) -> None:
    """Write the results of a claim where they are committed, with a page that says what was run."""
    from initlab.cli.report import record as write

    write(Store(output_dir), name, record_dir)


@app.command()
def doctor(
    output_dir: OutputDir = OUTPUTS,
    data_dir: Annotated[
        Path, typer.Option(envvar="INITLAB_DATA_DIR", help="Folder of the data sets (paths.data_dir).")
    ] = Path("data"),
) -> None:
    """Look at what this machine has for runs, and say what to do about what is wrong; exit 1 on a problem."""
    from initlab.cli import doctor
    from initlab.cli.console import print_

    found = doctor.findings(output_dir, data_dir)
    print_(doctor.page(found))
    if any(finding.level == "problem" for finding in found):
        raise typer.Exit(1)
