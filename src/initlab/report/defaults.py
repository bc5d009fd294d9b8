"""What an option of a config group has where nobody says otherwise."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

from initlab.configs_dir import configs_dir
from initlab.report.values import text


def is_default(key: str, option: str, value: Any) -> bool:
    """Whether a setting has the value that its option's file gives it.

    Args:
        key: of the setting, ``init.directions``.
        option: of its group, ``proposed``; one without a file here has no defaults.
        value: of the setting in a run.
    """
    group, _, setting = key.partition(".")
    settings = _settings(group, option)
    return setting in settings and text(settings[setting]) == text(value)


@cache
def _settings(group: str, option: str) -> Mapping[str, Any]:
    import yaml  # 30 ms that no table without such a setting pays

    path = configs_dir() / group / f"{option}.yaml"
    if not option.isidentifier() or not path.is_file():
        return {}
    found = yaml.safe_load(path.read_text(encoding="utf-8"))
    return found if isinstance(found, Mapping) else {}
