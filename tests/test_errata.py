"""Every example of docs/errata.md prints what the page says it prints."""

import contextlib
import io
import re

import pytest

import components

PAGE = (components.ROOT / "docs" / "errata.md").read_text()
EXAMPLE = re.compile(r"^## (.+?)\n.*?```python\n(.*?)```\n\n```text\n(.*?)```", re.MULTILINE | re.DOTALL)
EXAMPLES = EXAMPLE.findall(PAGE)


def test_every_section_has_an_example():
    assert [title for title, _, _ in EXAMPLES] == re.findall(r"^## (.+)$", PAGE, re.MULTILINE)


@pytest.mark.parametrize(
    ("code", "printed"), [example[1:] for example in EXAMPLES], ids=[title for title, _, _ in EXAMPLES]
)
def test_an_example_prints_what_the_page_says(code, printed):
    output = io.StringIO()
    with contextlib.redirect_stdout(output):
        exec(compile(code, "docs/errata.md", "exec"), {"__name__": "errata"})
    assert output.getvalue() == printed


@pytest.mark.parametrize("node", sorted(set(re.findall(r"`pytest (?:-m slow )?(tests/[^`]+)`", PAGE))))
def test_the_tests_that_the_page_names_exist(node):
    path, _, name = node.partition("::")
    assert f"def {name}" in (components.ROOT / path).read_text()
