"""The report of any sweep: each init at each learning rate over seeds, as tables and a figure."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from initlab.report.groups import Comparison, Group, Split, compare, mean_and_sd
from initlab.results.atomic import make_folder, write_bytes, write_text
from initlab.results.store import MISSING, Store

if TYPE_CHECKING:
    from rich.console import RenderableType

OTHERS = ("killed", "refused", MISSING)
HOW_CHOSEN = (
    "best lr: highest mean validation accuracy, where a diverged run counts as 0; "
    "mean ± sd over the n finished runs"
)


def write(store: Store, name: str) -> list[Path]:
    """Write ``report/<name>.md``, and ``.png`` and ``.svg`` where a run has an accuracy to show.

    Reads results alone.

    Returns:
        The files written, pictures first.

    Raises:
        NotFound: there is no sweep of that name.
        OutputError: the output folder cannot be written to.
    """
    comparison = compare(store, name)
    stem = store.output_dir / "report" / name
    make_folder(stem.parent)
    paths = []
    if comparison.has_accuracy:
        from initlab.report import figure  # matplotlib takes longer to import than all else here

        for kind, picture in figure.draw(comparison, figure.curves(store, comparison)).items():
            path = stem.with_name(f"{stem.name}.{kind}")
            write_bytes(path, picture)
            paths.append(path)
    path = stem.with_name(f"{stem.name}.md")
    write_text(path, markdown(comparison, picture=f"{stem.name}.png" if paths else None))
    return [*paths, path]


def table(store: Store, name: str) -> RenderableType:
    """Return the tables of a sweep for a rich console: each series at its best lr, then every lr.

    Raises:
        NotFound: there is no sweep of that name.
    """
    from rich import box
    from rich.console import Group as Lines
    from rich.table import Table
    from rich.text import Text

    comparison = compare(store, name)
    lines: list[RenderableType] = [Text(heading(comparison), style="bold")]
    for title, (header, rows) in tables(comparison).items():
        drawn = Table(
            box=box.SIMPLE_HEAD, title=title, title_justify="left", title_style="bold", pad_edge=False
        )
        for index, column in enumerate(header):
            drawn.add_column(column, justify="right" if index else "left", no_wrap=True)
        for row in rows:
            drawn.add_row(*row, style="bold" if row[1].endswith("*") else None)
        lines += [Text(), drawn]
    lines.append(Text(f"* {HOW_CHOSEN}", style="dim"))
    lines += [Text(note, style="yellow") for note in notes(comparison)]
    return Lines(*lines)


def markdown(comparison: Comparison, picture: str | None) -> str:
    """Write the tables as Markdown, with the command and a link to the picture."""
    parts = [f"# {comparison.name}", heading(comparison)]
    if comparison.command:
        parts.append(f"```\n{comparison.command}\n```")
    if picture:
        parts.append(f"![Accuracy of {comparison.name}]({picture})")
    for title, (header, rows) in tables(comparison).items():
        aligned = [":---", *["---:"] * (len(header) - 1)]
        lines = [header, aligned, *([cell.replace("|", r"\|") for cell in row] for row in rows)]
        parts += [f"## {title}", "\n".join(f"| {' | '.join(line)} |" for line in lines)]
    parts.append(f"\\* {HOW_CHOSEN}.")
    parts += notes(comparison)
    return "\n\n".join(parts) + "\n"


def notes(comparison: Comparison) -> list[str]:
    """Return a sentence for each group that puts together what is not alike."""
    return [
        f"{group.series} at lr {rate(group.lr)}: between its runs the code was changed without a commit; "
        "`sweep.retry=ok` runs all anew."
        for group in comparison.mixed
    ]


def heading(comparison: Comparison) -> str:
    """Say in a line what was run, with the count of each status."""
    counts = [f"{comparison.count('ok')} of {len(comparison.runs)} runs finished"]
    counts += [
        f"{comparison.count(status)} {status}"
        for status in ("diverged", "crashed", *OTHERS)
        if comparison.count(status)
    ]
    settings = f" ({'; '.join(comparison.settings)})" if comparison.settings else ""
    return f"{comparison.name}: {', '.join(counts)}{settings}"


def tables(comparison: Comparison) -> dict[str, tuple[list[str], list[list[str]]]]:
    """Return header and rows of each table, by its title; accuracies in percent."""
    others = [status for status in OTHERS if comparison.count(status)]
    header = [comparison.axis, "lr", "val acc (%)", "test acc (%)", "n", "diverged", "crashed", *others]

    def row(group: Group) -> list[str]:
        best = "*" if comparison.best[group.series] is group else ""
        counts = [str(group.count(status)) for status in ("diverged", "crashed", *others)]
        return [
            group.series,
            rate(group.lr) + best,
            percent(group, "val"),
            percent(group, "test"),
            str(len(group.finished)),
            *counts,
        ]

    def rows(groups: Iterable[Group]) -> list[list[str]]:
        return [row(group) for group in groups]

    return {
        f"Each {comparison.axis} at its best learning rate": (header, rows(comparison.best.values())),
        "Every learning rate": (header, rows(comparison.groups)),
    }


def percent(group: Group, split: Split) -> str:
    """Write mean ± sd over the finished runs, in percent."""
    spread = mean_and_sd(group.accuracies(split))
    if spread is None:
        return "—"
    mean, sd = spread
    return f"{100 * mean:.1f}" if sd is None else f"{100 * mean:.1f} ± {100 * sd:.1f}"


def rate(lr: float | None) -> str:
    """Write a learning rate."""
    return "?" if lr is None else f"{lr:g}"
