"""The page in a real Chromium: it sorts, filters, draws a run, fits a phone, and asks for nothing."""

import json
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from fabricated import fabricate
from initlab.report.claim_report import ClaimReport
from initlab.report.claims import find
from initlab.report.comparison import compare
from initlab.report.evidence import gather
from initlab.report.site import write_claim, write_index, write_sweep
from initlab.report.sweep_report import SweepReport
from initlab.results.store import Store

BROWSER, DRIVER = (shutil.which(name) for name in ("chromium", "chromedriver"))
pytestmark = [
    pytest.mark.browser,
    pytest.mark.xdist_group("browser"),  # one browser and one site
    pytest.mark.skipif(not (BROWSER and DRIVER), reason="needs chromium and chromedriver"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning:selenium.*", "ignore::ResourceWarning"),
]
NAME = "arpit2019/fig4"
OWN = "sweep-0a1b2c"
EVIL = "</script><img src=x onerror=document.title='taken'>"
NUM_RUNS = 4 * 5 * 2 * 6


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    store = Store(folder)
    cells = [
        (
            {"init": init, "lr": lr, "warmup_epochs": warmup, "seed": seed},
            "diverged" if float(lr) > 0.04 and seed % 2 else "ok",
            {
                "train/loss": 0.5,
                "val/acc": 0.1 + 0.1 * seed,
                "best/val_acc": 0.5,
                "test/acc": 0.4 + 0.01 * seed,
            },
        )
        for init in ("proposed", "data_dependent", "pytorch", EVIL)
        for lr in ("0.001", "0.005", "0.01", "0.05", "0.1")
        for warmup in (0, 1)
        for seed in range(6)
    ]
    fabricate(store, NAME, cells, epochs=4)
    claim = find(NAME)
    assert claim is not None
    report = ClaimReport(claim, gather(NAME, NAME, store, papers=folder))
    write_claim(report, folder / "report")
    others = [find(f"arpit2019/{other}") for other in ("fig1", "fig2", "table1", "table2", "fig6")]
    none = [
        ClaimReport(other, gather(other.name, other.name, store, papers=folder)) for other in others if other
    ]
    fabricate(store, OWN, cells, epochs=4)
    write_sweep(SweepReport(compare(store, OWN)), folder / "report", index=True)
    write_index([report, *none], [OWN], folder / "report")
    return folder / "report"


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service

    options = webdriver.ChromeOptions()
    options.binary_location = str(BROWSER)
    profile = tmp_path_factory.mktemp("profile")
    for argument in ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"):
        options.add_argument(argument)
    options.add_argument(f"--user-data-dir={profile}")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options=options, service=Service(str(DRIVER), log_output=os.devnull))
    yield driver
    driver.quit()


@pytest.fixture
def open_(browser: Any, site: Path) -> Callable[..., Any]:
    def open_(name: str = f"{NAME}.html", width: int = 1200) -> Any:
        size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 600}
        browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
        browser.get_log("performance")
        browser.get(f"file://{site / name}")
        return browser

    return open_


def test_the_page_works_and_asks_for_nothing(open_: Callable[..., Any]) -> None:
    page = open_()
    assert page.get_log("browser") == []
    messages = [json.loads(entry["message"])["message"] for entry in page.get_log("performance")]
    asked = [m["params"]["request"]["url"] for m in messages if m["method"] == "Network.requestWillBeSent"]
    assert [url for url in asked if not url.startswith("data:")] == [page.current_url]
    assert page.title == "arpit2019/fig4 · initlab"  # the evil name did not take it
    assert page.execute_script("return document.querySelectorAll('img, iframe').length") == 0
    assert EVIL in page.find_element("tag name", "main").text


def test_a_table_sorts_by_number_both_ways(open_: Callable[..., Any]) -> None:
    page = open_()
    button = page.find_element("xpath", "(//table)[2]//th[normalize-space()='lr']/button")
    rows = "[...document.querySelectorAll('table.data')[1].tBodies[0].rows]"
    column = f"return {rows}.map(row => +row.cells[2].textContent)"
    unsorted = page.execute_script(column)
    button.click()
    assert button.find_element("xpath", "..").get_attribute("aria-sort") == "ascending"
    assert page.execute_script(column) == sorted(unsorted) != unsorted
    button.click()
    assert button.find_element("xpath", "..").get_attribute("aria-sort") == "descending"
    assert page.execute_script(column) == sorted(unsorted, reverse=True)


def test_a_table_filters_by_words(open_: Callable[..., Any]) -> None:
    page = open_()
    field = page.find_element("xpath", "//label[contains(., 'every number')]/input")
    field.send_keys("pytorch 0.05")
    shown = [row for row in page.find_elements("xpath", "(//table)[2]/tbody/tr") if row.is_displayed()]
    assert len(shown) == 2
    assert all("pytorch" in row.text for row in shown)


def test_the_filter_of_the_index_leaves_the_pictures_that_it_leaves_rows(open_: Callable[..., Any]) -> None:
    page = open_("index.html")
    (card,) = page.find_elements("css selector", ".card")
    field = page.find_element("xpath", "//label[contains(., 'Claims')]/input")
    section = card.find_element("xpath", "ancestor::section")
    field.send_keys("survive full")  # the size stands in the row alone
    assert card.is_displayed()
    field.send_keys(" hessian")
    assert not card.is_displayed()
    assert not section.is_displayed()
    for _ in " hessian":
        field.send_keys("\b")
    assert card.is_displayed()
    field.send_keys(" finished of")  # words of the card alone
    assert not card.is_displayed()


def test_the_runs_are_paged_sorted_and_filtered(open_: Callable[..., Any]) -> None:
    page = open_()
    runs = page.find_element("id", "runs")
    assert f"1 to 50 of {NUM_RUNS} runs" in runs.text
    runs.find_element("xpath", ".//button[.='Next']").click()
    assert f"51 to 100 of {NUM_RUNS} runs" in runs.text
    status = runs.find_element("xpath", ".//label[starts-with(.,'status')]/select")
    status.find_element("xpath", "./option[.='diverged']").click()
    assert {cell.text for cell in runs.find_elements("xpath", ".//tbody/tr/td[1]")} == {"diverged"}
    header = runs.find_element("xpath", ".//th[normalize-space()='seed']/button")
    header.click()
    seeds = [int(row.text) for row in runs.find_elements("xpath", ".//tbody/tr/td[5]")]
    assert seeds == sorted(seeds)


def test_a_click_or_a_key_shows_the_curves_of_a_run(open_: Callable[..., Any]) -> None:
    from selenium.webdriver.common.keys import Keys
    from selenium.webdriver.support.ui import WebDriverWait

    page = open_()
    runs = page.find_element("id", "runs")
    button = runs.find_element("css selector", "button.run")
    button.send_keys(Keys.ENTER)
    detail = WebDriverWait(page, 30).until(lambda _: runs.find_elements("css selector", "tr.detail"))[0]
    assert button.get_attribute("aria-expanded") == "true"
    assert button.get_attribute("aria-controls") == detail.get_attribute("id")
    captions = [caption.text for caption in detail.find_elements("tag name", "figcaption")]
    assert [caption.split(":")[0] for caption in captions] == ["train/loss", "val/acc"]
    assert len(detail.find_elements("css selector", "svg path.own")) == 2
    inside = "const inside = arguments[0].querySelector('.inside').getBoundingClientRect()"
    box = "const box = arguments[0].closest('.scroll').getBoundingClientRect()"
    assert page.execute_script(
        f"{inside}; {box}; return [inside.left > box.left, inside.right < box.right]", detail
    ) == [
        True,
        True,
    ]
    assert len(detail.find_elements("css selector", "svg path.peer")) == 10  # five other seeds, two curves
    assert "python train.py experiment=arpit2019/fig4" in detail.text
    button.send_keys(Keys.ENTER)
    assert not runs.find_elements("css selector", "tr.detail")
    assert page.get_log("browser") == []


def test_a_sweep_of_ones_own_has_a_page_that_works_as_well(open_: Callable[..., Any]) -> None:
    from selenium.webdriver.support.ui import WebDriverWait

    page = open_("index.html")
    page.find_element("link text", OWN).click()
    assert page.title == f"{OWN} · initlab"
    assert EVIL in page.find_element("tag name", "main").text
    page.find_element("css selector", "#runs button.run").click()
    detail = WebDriverWait(page, 30).until(lambda _: page.find_elements("css selector", "tr.detail"))[0]
    assert len(detail.find_elements("css selector", "svg path.peer")) == 10
    page.find_element("link text", "All claims").click()
    assert page.current_url.endswith("/index.html")
    assert page.get_log("browser") == []


@pytest.mark.parametrize("name", [f"{NAME}.html", f"{OWN}.html", "index.html"])
@pytest.mark.parametrize("width", [320, 390])
def test_a_phone_shows_the_page_without_moving_it_sideways(
    open_: Callable[..., Any], name: str, width: int
) -> None:
    page = open_(name, width)
    if name != "index.html":
        page.execute_script("document.querySelector('.run').click()")
        page.implicitly_wait(5)
        page.find_element("css selector", "tr.detail")
        page.implicitly_wait(0)
    wide = page.execute_script("return [document.documentElement.scrollWidth, window.innerWidth]")
    assert wide == [width, width]


@pytest.mark.parametrize("name", [f"{NAME}.html", f"{OWN}.html"])
def test_every_control_has_a_name_and_every_table_a_caption(open_: Callable[..., Any], name: str) -> None:
    page = open_(name)
    nameless = page.execute_script(
        "return [...document.querySelectorAll('input, select, button, svg[role=img]')].filter(e =>"
        " !(e.labels?.length || e.textContent.trim() || e.getAttribute('aria-label'))).map(e => e.outerHTML)"
    )
    assert nameless == []
    assert page.execute_script(
        "return [...document.querySelectorAll('table')].every(t => t.caption && [...t.querySelectorAll('th')]"
        ".every(h => h.scope))"
    )
    assert page.execute_script("return document.documentElement.lang") == "en"


CONTRAST = """
const parse = c => c.match(/[\\d.]+/g).map(Number);
const linear = v => (v /= 255) <= .03928 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4;
const light = c => { const [r, g, b] = parse(c).map(linear);
  return .2126 * r + .7152 * g + .0722 * b; };
const ground = e => { for (; e; e = e.parentElement) { const c = getComputedStyle(e).backgroundColor;
  if ((parse(c)[3] ?? 1) > 0) return c; } return 'rgb(255, 255, 255)'; };
const all = 'p, li, td, th, dt, dd, a, h1, h2, label, .label, figcaption, button, caption';
return [...document.querySelectorAll(all)]
  .filter(e => e.textContent.trim() && e.offsetParent).map(e => { const a = light(getComputedStyle(e).color),
  b = light(ground(e)); return [(Math.max(a, b) + .05) / (Math.min(a, b) + .05), e.outerHTML.slice(0, 80)]; })
  .filter(([ratio]) => ratio < 4.5);
"""


@pytest.mark.parametrize("name", [f"{NAME}.html", f"{OWN}.html"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_words_stand_out_from_their_ground_by_day_and_night(
    open_: Callable[..., Any], name: str, scheme: str
) -> None:
    page = open_(name)
    media = {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
    page.execute_cdp_cmd("Emulation.setEmulatedMedia", media)
    try:
        assert page.execute_script("return matchMedia('(prefers-color-scheme: dark)').matches") == (
            scheme == "dark"
        )
        assert page.execute_script(CONTRAST) == []
    finally:
        page.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})
