"""Whoever wrote a string of a config or a result, it stands on the page as text."""

import json
import re
import zlib
from base64 import b64decode
from collections.abc import Sequence
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fabricated import fabricate
from initlab.report.claim_report import ClaimReport
from initlab.report.claims import Claim, Findings, find
from initlab.report.comparison import compare
from initlab.report.evidence import gather
from initlab.report.page.claim_page import claim_page
from initlab.report.page.html import asset, document, json_element, packed_element
from initlab.report.page.index_page import index_page
from initlab.report.page.runs import MOST_POINTS, curves, rows
from initlab.report.page.sweep_page import sweep_page
from initlab.report.sweep_report import SweepReport
from initlab.report.verdict import Outcome, Verdict
from initlab.results.store import Store

EVIL = (
    "<script>alert(1)</script>", "</script><img src=x onerror=alert(1)>", "\"' onload='alert(1)' \"", "<!--",
    "&lt;b&gt;", "]]>", "javascript:alert(1)", "\u2028", "$x^2$", "</title></style></svg>",
)  # fmt: skip
VOID = {"meta", "link", "input", "img", "br", "use", "path"}


class Elements(HTMLParser):
    """Counts elements and collects the attributes that could run something."""

    def __init__(self) -> None:
        super().__init__()
        self.counts: dict[str, int] = {}
        self.handlers: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.counts[tag] = self.counts.get(tag, 0) + 1
        self.handlers += [name for name, value in attrs if name.startswith("on")]
        self.handlers += [str(value) for _, value in attrs if value and value.startswith("javascript:")]


def page_of(tmp_path: Path, words: list[str]) -> tuple[str, ClaimReport]:
    store = Store(tmp_path)
    name = "arpit2019/fig4"
    cells = [
        (
            {"init": word, "lr": lr, "seed": seed},
            "diverged" if seed else "ok",
            {"test/acc": 0.5, "val/acc": 0.5},
        )
        for word in words
        for lr in ("0.1", words[0])
        for seed in range(2)
    ]
    ids = fabricate(store, name, cells)
    for run_id in ids:
        result = json.loads(store.folder(run_id).result_path.read_text())
        result |= {"error": words[0], "device": words[-1], "versions": {"torch": words[0]}}
        store.folder(run_id).result_path.write_text(json.dumps(result))
    claim = find(name)
    assert claim is not None
    report = ClaimReport(claim, gather(name, name, store, papers=tmp_path))
    return claim_page(report, [figure["svg"] for figure in report.figures()]), report


def test_so_it_is_of_a_sweep_of_ones_own(tmp_path: Path) -> None:
    def part(word: str) -> str:
        return word.replace("/", "")

    def made(name: str, words: Sequence[str]) -> Elements:
        folder = tmp_path / name
        store = Store(folder)
        cells = [
            (
                {"init": word, "lr": "0.1", "model.act": words[0], "seed": seed},
                "diverged" if seed else "ok",
                {f"signal/{part(words[0])}/{layer}": 1.0 for layer in "abc"} | {f"summary/{part(word)}": 2.0},
            )
            for word in words
            for seed in range(2)
        ]
        ids = fabricate(store, name, cells)
        for run_id in ids:
            result = json.loads(store.folder(run_id).result_path.read_text()) | {"error": words[0]}
            store.folder(run_id).result_path.write_text(json.dumps(result))
        report = SweepReport(compare(store, name))
        elements = Elements()
        elements.feed(sweep_page(report, [figure["svg"] for figure in report.figures()]))
        return elements

    plain, evil = made("plain", [f"w{i}" for i in range(len(EVIL))]), made("evil", EVIL)
    assert not [name for name in evil.handlers if not name.startswith("data:")]
    for name in ("script", "img", "iframe", "b", "style", "title"):
        assert evil.counts.get(name) == plain.counts.get(name), name


def test_no_string_becomes_an_element_or_an_attribute(tmp_path: Path) -> None:
    tame, _ = page_of(tmp_path / "tame", [f"word{index}" for index in range(len(EVIL))])
    wild, report = page_of(tmp_path / "wild", list(EVIL))
    counts = []
    for page in (tame, wild, index_page([report], list(EVIL))):
        found = Elements()
        found.feed(page)
        assert not found.handlers
        counts.append(found.counts)
    kinds = ("script", "img", "style", "title", "b", "input")
    assert [counts[0].get(kind) for kind in kinds] == [counts[1].get(kind) for kind in kinds]
    assert "<script>alert" not in wild
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in wild  # the control: it is there to be read


@settings(max_examples=40, deadline=None)
@given(
    st.recursive(
        st.text() | st.sampled_from(EVIL) | st.integers(),
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
        max_leaves=8,
    )
)
def test_data_comes_back_and_no_string_ends_its_element(content: object) -> None:
    plain, packed = json_element("a", content), packed_element("b", content)
    for element in (plain, packed):
        assert element.count("<") == 2
        assert re.search(r"[\u2028\u2029]", element) is None
    assert json.loads(plain[plain.index(">") + 1 : plain.rindex("<")]) == content
    body = packed[packed.index(">") + 1 : packed.rindex("<")]
    assert json.loads(zlib.decompress(b64decode(body))) == content


def test_a_page_asks_for_nothing_outside_itself(tmp_path: Path) -> None:
    page, report = page_of(tmp_path, ["proposed"])
    assert "default-src 'none'" in page
    asked = re.compile(r'(?:src|href)="(?!#|data:)([^"]*)"')
    assert asked.findall(page) == []
    figures = [figure["svg"] for figure in report.figures()]
    assert asked.findall(claim_page(report, figures, index=True)) == ["../index.html"]
    assert "http" not in re.sub(r'xmlns(:\w+)?="[^"]*"', "", page).replace(
        "http://www.w3.org/2000/svg", ""
    ).replace("http-equiv", "")


def test_only_our_script_may_run() -> None:
    page = document("t", "<p>x</p>")
    assert page.count("script-src 'sha256-") == 1
    assert asset("page.js") in page
    assert ".innerHTML" not in asset("page.js")
    assert not re.search(r"\beval\b|insertAdjacentHTML|document\.write", asset("page.js"))


def test_tables_are_tables_to_a_screen_reader(tmp_path: Path) -> None:
    page, report = page_of(tmp_path, ["proposed", "pytorch"])
    found = Elements()
    found.feed(page)
    assert found.counts["table"] == found.counts["caption"] == 2
    assert '<html lang="en">' in page
    assert 'role="img" aria-labelledby="f0-alt"' in page
    assert report.findings.forms[0].alt.split(".")[0] in page


def test_the_index_sorts_the_verdicts_from_what_holds_to_what_was_not_run(tmp_path: Path) -> None:
    _, report = page_of(tmp_path, ["word"])
    outcomes: list[tuple[Outcome, ...]] = [
        ("does not hold", "holds"),
        ("holds",),
        (),
        ("undecided",),
        ("holds", "holds"),
    ]
    reports = []
    for number, some in enumerate(outcomes):
        verdicts = tuple(Verdict("s", outcome, "") for outcome in some)
        claim = replace(report.claim, show=lambda _, verdicts=verdicts: Findings((), verdicts))
        evidence = replace(report.evidence, sweep=f"s{number}")
        reports.append(ClaimReport(claim, evidence))
    claim = replace(report.claim, show=lambda _: Findings(()))
    never = gather("never", "never", Store(tmp_path / "none"), papers=tmp_path)
    page = index_page([*reports, ClaimReport(claim, never)], [])
    ranks = re.findall(r'<a href="([^"]+)\.html">[^<]*</a></th><td data-sort="(\d+)">', page)
    order = [name for name, _ in sorted(ranks, key=lambda pair: int(pair[1]))]
    assert order == ["s1", "s4", "s3", "s0", "s2", "never"]


def test_a_reduced_sweep_is_called_so_everywhere(tmp_path: Path) -> None:
    store = Store(tmp_path)
    name = "arpit2019/fig4-laptop"
    fabricate(store, name, [({"init": "proposed", "seed": 0}, "ok", {"test/acc": 0.5})], scale="laptop")
    claim = find(name)
    assert isinstance(claim, Claim)
    report = ClaimReport(claim, gather(name, claim.name, store, papers=tmp_path))
    svg = report.figures()[0]["svg"]
    words = "reduced: not the paper"
    page = claim_page(report, [svg])
    assert words in svg.decode()
    assert all(words in table.title for _, tables in report.tables for table in tables)
    assert page.lower().count(words.replace("'", "&#x27;")) >= 4
    assert "educed" in index_page([report], [])


def test_curves_are_thinned_to_their_ends(tmp_path: Path) -> None:
    store = Store(tmp_path)
    [run_id] = fabricate(store, "arpit2019/fig4", [({"seed": 0}, "ok", {"val/acc": 0.9})], epochs=500)
    found = curves(gather("arpit2019/fig4", "arpit2019/fig4", store, papers=tmp_path))[run_id]["val/acc"]
    assert len(found[0]) == len(found[1]) == MOST_POINTS
    assert (found[0][0], found[0][-1], found[1][-1]) == (0, 499, 0.9)


def test_runs_that_differ_in_the_seed_alone_are_one_group(tmp_path: Path) -> None:
    store = Store(tmp_path)
    cells = [({"init": init, "seed": seed}, "ok", {}) for init in ("a", "b") for seed in range(2)]
    fabricate(store, "arpit2019/fig4", cells)
    data = rows(gather("arpit2019/fig4", "arpit2019/fig4", store, papers=tmp_path))
    assert data["group"] == [0, 0, 1, 1]
    assert data["columns"] == ["run", "status", "init", "seed", "seconds"]


@pytest.mark.parametrize("name", ["page.css", "page.js"])
def test_style_and_script_are_small_and_ask_for_nothing(name: str) -> None:
    assert len(asset(name)) < 16_000
    assert "url(" not in asset(name)
    assert "@import" not in asset(name)
