"""``list inits``, ``list models``, ...: the options of a config group, read without importing one."""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any
from unicodedata import normalize

from rich.table import Table
from rich.text import Text

from initlab.cli.console import new_table
from initlab.configs_dir import configs_dir
from initlab.errors import ConfigError

PACKAGE = Path(__file__).parent.parent
TEX = {
    r"\,": " ", r"\_": "_", r"\gamma": "γ", r"\rho": "ρ", r"\sigma": "σ", r"\alpha": "α", r"\beta": "β",
    r"\mu": "μ", r"\lambda": "λ", r"\sqrt": "√", r"\lVert": "‖", r"\rVert": "‖", r"\pm": "±", r"\cdot": "·",
    r"\times": "×", r"\le": "≤", r"\ge": "≥", r"\to": "→", r"\prod": "∏", r"\sum": "Σ",
    r"\mathrm": "", r"\mathcal": "", r"\text": "", r"\epsilon": "ε", r"\|": "‖", r"\cos": "cos",
    r"\max": "max",
}  # fmt: skip
ACCENTS = {"hat": "\N{COMBINING CIRCUMFLEX ACCENT}", "tilde": "\N{COMBINING TILDE}"}


@dataclass(frozen=True)
class Option:
    """One file of a config group.

    Args:
        name: as in ``init=<name>``.
        about: first line of the docstring of its class, or else the first comment of the file.
        arguments: ``name=default`` of each.
    """

    name: str
    about: str
    arguments: tuple[str, ...]


def table(what: str) -> Table:
    """Return a line for each option of a group, named in the singular or the plural.

    Raises:
        ConfigError: there is no such group.
    """
    group = group_of(what)
    lines = new_table(group, "what it is", "arguments")
    for option in options(group):
        lines.add_row(Text(option.name, style="bold"), Text(option.about), Text(", ".join(option.arguments)))
    return lines


def groups(configs: Path | None = None) -> list[str]:
    """Return the names of the config groups."""
    folder = configs or configs_dir()
    return sorted(path.name for path in folder.iterdir() if path.is_dir() and path.name != "hydra")


def group_of(what: str, configs: Path | None = None) -> str:
    """Return the group meant by ``init`` or ``inits``.

    Raises:
        ConfigError: there is none; the sentence names the nearest.
    """
    names = groups(configs)
    for name in (what, what.removesuffix("s")):
        if name in names:
            return name
    near = get_close_matches(what, [*names, "runs", "sweeps"], 1)
    hint = f"did you mean {near[0]}?" if near else f"there are runs, sweeps, {', '.join(names)}"
    raise ConfigError(f"there is nothing called {what!r} to list: {hint}")


def options(group: str, configs: Path | None = None, package: Path = PACKAGE) -> list[Option]:
    """Return the options of a group, those in sub-folders too (``arpit2019/fig4``)."""
    import yaml

    folder = (configs or configs_dir()) / group
    found = []
    for path in sorted(folder.glob("**/*.yaml")):
        written = path.read_text(encoding="utf-8")
        content = yaml.safe_load(written)
        values: dict[str, Any] = content if isinstance(content, dict) else {}
        target = values.get("_target_")
        about = docstring(target, package) if isinstance(target, str) else ""
        comments = re.findall(r"^#\s*(?!@package)(\S.*)$", written, re.M)
        about = about or (comments[0] if comments else "") or (target if isinstance(target, str) else "")
        # An experiment's or a composed group's values are no arguments of one class.
        shown = values if target else {}
        arguments = tuple(f"{key}={plain_value(value)}" for key, value in shown.items() if key[0] != "_")
        found.append(Option(path.relative_to(folder).with_suffix("").as_posix(), plain(about), arguments))
    return found


def docstring(target: str, package: Path = PACKAGE) -> str:
    """Return the first docstring line of a class, as ``initlab.init.proposed.Proposed``, or of its module.

    The file is parsed and not run. Nothing is returned for what is not ours, or not there.
    """
    root, *parts, name = target.split(".")
    path = package.joinpath(*parts).with_suffix(".py")
    if root != "initlab" or not parts or not path.is_file():
        return ""
    module = ast.parse(path.read_text(encoding="utf-8"))
    named = [
        node
        for node in module.body
        if isinstance(node, (ast.ClassDef, ast.FunctionDef)) and node.name == name
    ]
    documented = next((text for node in [*named, module] if (text := ast.get_docstring(node))), "")
    return documented.strip().split("\n")[0]


def plain(text: str) -> str:
    """Write a docstring line without its marks: ``:math:`\\sqrt{2}``` becomes √2."""
    text = re.sub(r":[\w:]+:`~?([^`]*)`", r"\1", text).replace("``", "")
    for command in sorted(TEX, key=len, reverse=True):
        text = re.sub(
            re.escape(command) + (r"(?![a-zA-Z])" if command[-1].isalpha() else ""), TEX[command], text
        )
    text = re.sub(r"\\(hat|tilde) (\w)", lambda found: normalize("NFC", found[2] + ACCENTS[found[1]]), text)
    text = re.sub(r"([_^])\{(\w+)\}", r"\1\2", text)
    text = re.sub(r"√\{([^{}]*\W[^{}]*)\}", r"√(\1)", text)
    return re.sub(r"\s+", " ", text.replace("{", "").replace("}", "")).strip()


def plain_value(value: Any) -> str:
    """Write a default as one would on the command line."""
    if isinstance(value, bool) or value is None:
        return {True: "true", False: "false", None: "null"}[value]
    return f"{value:g}" if isinstance(value, float) else str(value)
