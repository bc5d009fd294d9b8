"""CHANGELOG.md tells of every change of numbers."""

import re

import components
import initlab
from initlab.results.identity import NUMBERS_VERSION

PAGE = (components.ROOT / "CHANGELOG.md").read_text()
RELEASES = re.findall(r"^## (.+)$", PAGE, re.MULTILINE)
NUMBERS = re.findall(r"^### Numbers\n\nNumbers version (\d+)\.", PAGE, re.MULTILINE)


def test_the_newest_entry_has_the_numbers_version_of_the_code():
    assert int(NUMBERS[0]) == NUMBERS_VERSION


def test_every_numbers_heading_raises_the_version_by_one():
    assert len(NUMBERS) == len(re.findall(r"^### Numbers", PAGE, re.MULTILINE))
    assert [int(version) for version in NUMBERS] == list(range(len(NUMBERS), 0, -1))


def test_the_newest_release_is_that_of_the_package():
    assert initlab.__version__ in RELEASES[0]
