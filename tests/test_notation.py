"""Every name in docs/notation.md exists."""

import re
from importlib import import_module

import pytest

import components

PAGE = (components.ROOT / "docs" / "notation.md").read_text()
NAMES = sorted(set(re.findall(r"`(\w+(?:\.\w+)+)`", PAGE)))
IMPORTED = [name for name in NAMES if name.startswith("initlab.")]
KEYS = [name for name in NAMES if name.split(".")[0] in ("model", "init", "norm", "data", "schedule")]


def resolves(name):
    """Whether a dotted name is a module, or is found in one: an attribute, or a field of a dataclass."""
    parts = name.split(".")
    for length in range(len(parts), 0, -1):
        try:
            found = import_module(".".join(parts[:length]))
        except ModuleNotFoundError:
            continue
        for part in parts[length:]:
            if not hasattr(found, part):
                return part == parts[-1] and part in getattr(found, "__dataclass_fields__", {})
            found = getattr(found, part)
        return True
    return False


def test_names_of_both_kinds_are_found():
    assert len(IMPORTED) > 50
    assert len(KEYS) > 10


@pytest.mark.parametrize("name", IMPORTED)
def test_a_name_can_be_imported(name):
    assert resolves(name)


@pytest.mark.parametrize("name", KEYS)
def test_a_key_belongs_to_an_option_of_its_group(name):
    group, key = name.split(".")
    assert any(key in components.config(group, option) for option in components.names(group))


@pytest.mark.parametrize(
    "name", ["initlab.nothing", "initlab.site.Site.gamma", "initlab.site.nothing.stage", "nothing.at_all"]
)
def test_a_name_that_does_not_exist_would_be_found_out(name):
    assert not resolves(name)


def test_every_dotted_name_is_of_one_kind():
    assert set(NAMES) == set(IMPORTED) | set(KEYS)
