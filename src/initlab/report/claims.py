"""A claim has one name: ``arpit2019/fig4`` is ``initlab.report.arpit2019.fig4``, found by that name alone."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from pkgutil import iter_modules

from initlab import report
from initlab.report.evidence import REDUCED, Evidence
from initlab.report.form.base import Form
from initlab.report.verdict import Verdict


@dataclass(frozen=True)
class Findings:
    """What a report shows of a claim: figures with their tables, and the verdict on what the paper states."""

    forms: tuple[Form, ...]
    verdicts: tuple[Verdict, ...] = ()


@dataclass(frozen=True)
class Claim:
    """A figure or table of a paper.

    Args:
        name: ``arpit2019/fig4``.
        title: the first line of its function's docstring.
        statement: the rest of it: what the paper states, and what is ours.
        paper: the first line of the docstring of the paper's module.
        show: makes the findings.
    """

    name: str
    title: str
    statement: str
    paper: str
    show: Callable[[Evidence], Findings]


def names() -> list[str]:
    """Return the names of all claims that have a report, sorted."""
    modules = [module.name for module in iter_modules(report.__path__) if not module.ispkg]
    return sorted(f"{paper}/{name}" for paper in modules for name in functions(paper))


def functions(paper: str) -> list[str]:
    """Return the names of the functions of a paper's module that report a claim."""
    if not paper.isidentifier() or find_spec(f"initlab.report.{paper}") is None:
        return []
    module = import_module(f"initlab.report.{paper}")
    return [
        name
        for name, found in vars(module).items()
        if inspect.isfunction(found)
        and not name.startswith("_")
        and found.__module__ == module.__name__
        and found.__annotations__.get("return") == "Findings"
    ]


def find(name: str) -> Claim | None:
    """Return the claim of that name, or of a sweep of it such as ``arpit2019/fig4-laptop``; None if none."""
    paper, _, claim = name.removesuffix(REDUCED).partition("/")
    if claim not in functions(paper):
        return None
    module = import_module(f"initlab.report.{paper}")
    show = getattr(module, claim)
    title, _, statement = (inspect.getdoc(show) or "").partition("\n")
    about = (inspect.getdoc(module) or "").partition("\n")[0]
    return Claim(f"{paper}/{claim}", title, " ".join(statement.split()), about, show)
