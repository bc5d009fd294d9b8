"""The repository's pages and folders are as they say."""

import re
import subprocess

import pytest

import components

ROOT = components.ROOT
EXPERIMENTS = sorted((components.CONFIGS / "experiment").glob("**/*.yaml"))
DECISIONS = sorted((ROOT / "docs" / "adr").glob("*.md"))
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("*/README.md"), *(ROOT / "docs").glob("**/*.md")])
CODE = sorted(
    path for top in ("src", "tests", "configs", "benchmarks", "scripts") for path in (ROOT / top).glob("**/*")
)
TEXTS = [*PAGES, *(path for path in CODE if path.suffix in (".py", ".yaml"))]
LAYOUT = re.findall(
    r"^([\w/.]+)  ", (ROOT / "CONTRIBUTING.md").read_text().partition("## Layout")[2], re.MULTILINE
)


def test_files_are_found():
    assert {"train.py", "configs/", "papers/", "src/initlab/", "tests/", "docs/", "outputs/"} <= set(LAYOUT)
    assert ROOT / "docs" / "errata.md" in PAGES
    assert ROOT / "outputs" / "README.md" in PAGES
    assert ROOT / "train.py" not in TEXTS
    assert len(TEXTS) > 100
    assert EXPERIMENTS
    assert DECISIONS


@pytest.mark.parametrize("name", [*LAYOUT, "Makefile", "pyproject.toml", "requirements.lock", "README.md"])
def test_what_the_layout_names_is_there(name):
    assert (ROOT / name).exists()
    assert (ROOT / name).is_dir() == name.endswith("/")


def test_what_runs_leave_is_not_committed():
    git = subprocess.run(
        [
            "git",
            "-C",
            ROOT,
            "check-ignore",
            "outputs/runs/0",
            "outputs/README.md",
            "data/x",
            "src/initlab/data/x",
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    if git.returncode > 1:
        pytest.skip(f"no git repository: {git.stderr.strip()}")
    assert git.stdout.split() == ["outputs/runs/0", "data/x"]


@pytest.mark.parametrize("path", EXPERIMENTS, ids=lambda path: path.stem)
def test_the_head_of_an_experiment_says_what_it_asks_and_how_to_run_it(path):
    name = path.relative_to(components.CONFIGS / "experiment").with_suffix("").as_posix()
    head = re.match(r"# @package _global_\n((?:#.*\n)+)", path.read_text())
    assert head is not None
    assert re.match(r"# \w", head[1])
    assert re.search(rf"^#   python train\.py .*\bexperiment={re.escape(name)}\b", head[1], re.MULTILINE)


@pytest.mark.parametrize("path", DECISIONS, ids=lambda path: path.stem)
def test_a_decision_has_its_number_and_three_parts(path):
    page = path.read_text()
    assert re.match(rf"# {int(path.name[:4])}\. \S", page)
    assert re.findall(r"^## (.+)$", page, re.MULTILINE) == ["Context", "Decision", "What it costs"]
    assert 100 < len(page.split()) < 500  # half a page


def test_decisions_are_numbered_without_gaps():
    assert [int(path.name[:4]) for path in DECISIONS] == list(range(1, len(DECISIONS) + 1))


# The links of the README are tested with its commands.
@pytest.mark.parametrize(
    "page",
    [page for page in PAGES if page != ROOT / "README.md"],
    ids=lambda path: path.relative_to(ROOT).as_posix(),
)
def test_what_a_page_links_to_is_there(page):
    targets = re.findall(
        r"\]\(([^)#\s]+)[^)]*\)", re.sub(r"```.*?```", "", page.read_text(), flags=re.DOTALL)
    )
    missing = [t for t in targets if "://" not in t and not (page.parent / t).exists()]
    assert not missing


def test_no_text_has_unfinished_business_or_a_path_of_one_machine():
    """Absolute paths of homes and workplaces; notes to oneself."""
    wrong = re.compile(r"(?<![\w.])/(?:work|home|Users|root)/\w|\b(?:TODO|FIXME|XXX)\b")
    found = [f"{path.relative_to(ROOT)}: {line}" for path in TEXTS for line in path.read_text().splitlines()
             if wrong.search(line) and path.name != "test_repository.py"]  # fmt: skip
    assert not found
    assert wrong.search("see /home/me/x")
    assert not wrong.search("https://example.org/work/of/art and a/work/b")
