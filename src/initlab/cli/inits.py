"""``list inits``: every strategy with its formula, its source, what it fits, and the test that holds it.

Formula and test stand in the strategy's class, the source in the first line of its module; both are parsed,
not imported. What it fits was found by trying (``make docs``) and lies beside the strategies, ``fits.json``.
"""

from __future__ import annotations

import ast
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rich.table import Table
from rich.text import Text

from initlab.cli.console import new_table
from initlab.cli.options import PACKAGE, Option, options

FITS = PACKAGE / "init" / "fits.json"
HEAD = """\
# Inits

Every strategy of `configs/init`. n are channels and k kernel sizes, so that k² n is a fan; g is the gain of a
weight-normalized layer, v its direction. The formula and the name of the test stand in the strategy's class,
the source in the first line of its file; what a strategy fits was found by trying it on a small network of
each kind with each norm. This page is written by `make docs`; a test fails where it is out of date.
`python -m initlab list inits` prints the same.

| init | formula | source | norms | networks | needs | test |
|---|---|---|---|---|---|---|"""


@dataclass(frozen=True)
class Strategy:
    """One init as a reader wants to know it.

    Args:
        name: as in ``init=<name>``.
        formula: in one line.
        source: paper with section, equation or theorem.
        test: of its theorem, as pytest names it.
        arguments: ``name=default`` of each.
        fits: for each network that it fits, the norms that it does so with.
        needs: options of a network without which it refuses, as on the command line.
    """

    name: str
    formula: str
    source: str
    test: str
    arguments: tuple[str, ...] = ()
    fits: Mapping[str, Sequence[str]] = field(default_factory=dict)
    needs: tuple[str, ...] = ()

    @property
    def networks(self) -> list[str]:
        """The networks that it fits with some norm."""
        return [network for network, norms in self.fits.items() if norms]

    @property
    def norms(self) -> list[str]:
        """The norms that it fits on some network."""
        return sorted({norm for norms in self.fits.values() for norm in norms})


def strategies(configs: Path | None = None, package: Path = PACKAGE, fits: Path = FITS) -> list[Strategy]:
    """Return every init; without what it fits where ``fits`` is not there."""
    tried = json.loads(fits.read_text(encoding="utf-8")) if fits.is_file() else {}
    return [
        strategy(option, package, tried.get(option.name, {})) for option in options("init", configs, package)
    ]


def strategy(option: Option, package: Path, tried: Mapping[str, Any]) -> Strategy:
    """Read one init from its file."""
    path = package / "init" / f"{option.name}.py"
    module = ast.parse(path.read_text(encoding="utf-8"))
    name = "".join(part.capitalize() for part in option.name.split("_"))
    said = constants(next(n for n in module.body if isinstance(n, ast.ClassDef) and n.name == name))
    return Strategy(
        name=option.name,
        formula=said.get("formula", ""),
        source=(ast.get_docstring(module) or "").split("\n")[0].rstrip("."),
        test=f"tests/init/test_{option.name}.py::{said['held_by']}" if "held_by" in said else "",
        arguments=option.arguments,
        fits=tried.get("fits", {}),
        needs=tuple(tried.get("needs", ())),
    )


def constants(node: ast.ClassDef) -> dict[str, str]:
    """Return the annotated string constants in the body of a class."""
    return {
        item.target.id: item.value.value
        for item in node.body
        if isinstance(item, ast.AnnAssign)
        and isinstance(item.target, ast.Name)
        and isinstance(item.value, ast.Constant)
        and isinstance(item.value.value, str)
    }


def table() -> Table:
    """Return a paragraph for each init."""
    found = strategies()
    networks, norms = everything(found)
    lines = new_table("init", "")
    for one in found:
        facts = {
            "": one.formula,
            "source": one.source,
            "norms": listed(one.norms, norms),
            "networks": listed(one.networks, networks),
            "needs": " ".join(one.needs),
            "options": " ".join(one.arguments),
            "test": one.test,
        }
        told = [f"{key}: {value}" if key else value for key, value in facts.items() if value]
        lines.add_row(Text(one.name, style="bold"), Text("\n".join(told) + "\n"))
    return lines


def everything(found: Sequence[Strategy]) -> tuple[list[str], list[str]]:
    """Return all networks and all norms that were tried."""
    networks = sorted({network for one in found for network in one.fits})
    return networks, sorted({norm for one in found for norm in one.norms})


def listed(names: Sequence[str], every: Sequence[str]) -> str:
    """Write a list of names in words, in a short way where nearly all are there."""
    missing = [name for name in every if name not in names]
    if not missing:
        return "all" if every else ""
    return f"all but {', '.join(missing)}" if len(missing) < 3 < len(names) else ", ".join(names)


def page(found: Sequence[Strategy]) -> str:
    """Write the page ``docs/inits.md``."""
    networks, norms = everything(found)
    parts = [HEAD]
    for one in found:
        cells = [
            f"`{one.name}`",
            one.formula,
            one.source,
            listed(one.norms, norms),
            listed(one.networks, networks),
            " ".join(f"`{need}`" for need in one.needs),
            f"[{one.test.partition('::')[2]}](../{one.test.partition('::')[0]})",
        ]
        parts.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    short = {norm: chr(ord("a") + index) for index, norm in enumerate(norms)}
    parts += [
        "",
        "## Which init fits which network, with which norm",
        "",
        "; ".join(f"**{letter}** {norm}" for norm, letter in short.items()) + ".",
        "Where a strategy refuses, it says why in one sentence.",
        "",
        "| init | " + " | ".join(networks) + " |",
        "|---|" + "---|" * len(networks),
    ]
    for one in found:
        cells = ["".join(short[norm] for norm in one.fits.get(network, ())) for network in networks]
        parts.append(f"| `{one.name}` | " + " | ".join(cells) + " |")
    return "\n".join(parts) + "\n"
