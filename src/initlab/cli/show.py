"""``show RUN_ID``: one run, as it lies in its folder."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.console import Group, RenderableType
from rich.text import Text

from initlab.cli.console import new_table
from initlab.cli.runs import COLOURS
from initlab.results.store import Store


def page(store: Store, prefix: str) -> RenderableType:
    """Return all that is known of a run: status, metrics, config, versions, error, folder.

    A run without a result shows the config it was started with.

    Raises:
        NotFound: no run, or more than one, starts with that.
        Damaged: its result cannot be read.
    """
    run_id = store.find_id(prefix)
    folder = store.folder(run_id)
    result = folder.read_result()
    if result is None:
        parts: list[RenderableType] = [Text(f"run {run_id}: no result; it is still running, or was killed")]
        if folder.config_path.is_file():
            parts += section("config", folder.config_path.read_text(encoding="utf-8"))
        return Group(*parts, *section("folder", str(folder.path)))
    head = Text.assemble(f"run {run_id}: ", (result.status, COLOURS.get(result.status, "")))
    commit = result.git.get("commit")
    changed = " with changes" if result.git.get("dirty") else ""
    memory = "" if result.peak_memory_bytes is None else f"{result.peak_memory_bytes / 2**20:.0f} MiB"
    speed = "" if result.samples_per_s is None else f"{result.samples_per_s:.0f}"
    facts = {
        "started": result.started,
        "seconds": f"{result.wall_s:.1f}",
        "samples/s": speed,
        "peak memory": memory,
        "device": result.device,
        "commit": f"{commit}{changed}" if commit else "",
        "other code": result.other_code or "",
        "folder": str(folder.path),
    }
    parts = [head, pairs({key: value for key, value in facts.items() if value})]
    if result.error:
        parts += section(
            "error", result.error + (f"\n({folder.error_path})" if folder.error_path.is_file() else "")
        )
    parts += [Text("metrics", style="bold"), pairs(result.metrics)]
    parts += section("config", as_yaml(result.config))
    parts += [Text("versions", style="bold"), pairs(result.versions)]
    return Group(*parts)


def section(title: str, body: str) -> list[RenderableType]:
    """Return a title and an indented text."""
    indented = "\n".join(f"  {line}" for line in body.rstrip("\n").split("\n"))
    return [Text(title, style="bold"), Text(indented + "\n")]


def pairs(values: Mapping[str, Any]) -> RenderableType:
    """Return a line for each name and value."""
    lines = new_table("", "")
    lines.show_header = False
    lines.box = None
    for name, value in values.items():
        lines.add_row(
            Text(f"  {name}"),
            Text(
                "not finite" if value is None else f"{value:.6g}" if isinstance(value, float) else str(value)
            ),
        )
    return Group(lines, Text())


def as_yaml(config: Mapping[str, Any]) -> str:
    """Write a config as it is in ``config.yaml``."""
    import yaml

    text: str = yaml.safe_dump(dict(config), sort_keys=False, allow_unicode=True)
    return text
