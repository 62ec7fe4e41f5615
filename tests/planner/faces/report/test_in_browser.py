"""The page in a real Chromium, at the width of a phone and of a desk, in both themes, on paper and by keyboard."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.planner.faces.report.reports import html_of_everything, html_of_plan
from tests.tools import give_up
from tools.browser import Page, Theme, opened
from tools.chromium import NoBrowserError

PAGES = ("prod", "everything")
WIDTHS = (400, 1400)
THEMES: tuple[Theme, ...] = ("light", "dark")
PAPER_PX = 688
"""A4 without its margins of 14 mm, CSS pixels."""

FAINT = """(() => {
  const channel = (part) => part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
  const luminance = (rgb) => [0.2126, 0.7152, 0.0722].reduce((sum, w, i) => sum + w * channel(rgb[i] / 255), 0);
  const numbers = (colour) => (colour.match(/[\\d.]+/g) || []).map(Number);
  const ground = (element) => {
    for (let each = element; each; each = each.parentElement) {
      const colour = numbers(getComputedStyle(each).backgroundColor);
      if (colour.length === 3 || colour[3] === 1) return colour;
    }
    return [255, 255, 255];
  };
  const faint = [];
  for (const element of document.querySelectorAll('body *')) {
    const words = [...element.childNodes].some((node) => node.nodeType === 3 && node.data.trim());
    if (!words || !element.checkVisibility() || element.closest('script, title, desc')) continue;
    const style = getComputedStyle(element);
    const drawn = element.namespaceURI.endsWith('svg');
    const [high, low] = [luminance(numbers(drawn ? style.fill : style.color)), luminance(ground(element))]
      .sort((a, b) => b - a);
    const contrast = (high + 0.05) / (low + 0.05);
    if (contrast < 4.5) faint.push(`${element.tagName} ${element.textContent.slice(0, 30)}: ${contrast.toFixed(2)}`);
  }
  return faint;
})()"""
CUT = """(() => {
  const cut = [];
  for (const text of document.querySelectorAll('svg text')) {
    if (!text.checkVisibility()) continue;
    const box = text.getBoundingClientRect(), frame = text.ownerSVGElement.getBoundingClientRect();
    if (box.left < frame.left - 2 || box.right > frame.right + 2 || box.top < frame.top - 2
        || box.bottom > frame.bottom + 2) cut.push(`${frame.width}: ${text.textContent}`);
  }
  return cut;
})()"""
SMALL = """[...document.querySelectorAll('svg text')].filter((text) => text.checkVisibility()
  && text.getScreenCTM().a * parseFloat(getComputedStyle(text).fontSize) < 10).map((text) => text.textContent)"""
TOO_WIDE = """[...document.querySelectorAll('table, svg, p, li, h1, h2, h3')].filter((each) => each.checkVisibility()
  && each.getBoundingClientRect().right > innerWidth + 1).map((each) => each.tagName + each.textContent.slice(0, 40))"""


@dataclass
class Seen:
    """What was seen of a page. by: measured in each theme and width."""

    requests: list[str] = field(default_factory=list)
    console: list[str] = field(default_factory=list)
    by: dict[tuple[Theme, int], dict[str, Any]] = field(default_factory=dict)
    printed: dict[str, Any] = field(default_factory=dict)
    keyboard: dict[str, Any] = field(default_factory=dict)
    toggled: list[str] = field(default_factory=list)


async def _look(page: Page, path: Path) -> Seen:
    seen = Seen()
    for theme in THEMES:
        for width in WIDTHS:
            await page.open(path, width, 900, theme)
            seen.by[(theme, width)] = {
                "paper": await page.run("getComputedStyle(document.body).backgroundColor"),
                "overflow": await page.run("document.documentElement.scrollWidth - innerWidth"),
                "faint": await page.run(FAINT),
                "cut": await page.run(CUT),
                "small": await page.run(SMALL),
                "pictures": await page.run(
                    "[...document.querySelectorAll('figure')].map((figure) =>"
                    " [...figure.querySelectorAll('svg')].filter((svg) => svg.checkVisibility()).length)"
                ),
                "picture": await page.picture(0, 400),
            }
    await page.run("document.querySelectorAll('details').forEach((each) => { each.open = true; })")
    seen.by[("dark", 1400)]["faint"] += await page.run(FAINT)
    await _press(page, path, seen)
    await _toggle(page, path, seen)
    await page.open(path, PAPER_PX, 900, "dark")
    await page.call("Emulation.setEmulatedMedia", media="print", features=[])
    seen.printed = {
        "too wide": await page.run(TOO_WIDE),
        "paper": await page.run("getComputedStyle(document.body).colorScheme"),
        "closed": await page.run(
            "[...document.querySelectorAll('details table')].filter((each) =>"
            " each.getBoundingClientRect().height < 10).length"
        ),
        "file": await page.printed(),
    }
    seen.requests, seen.console = page.requests, page.console
    return seen


async def _press(page: Page, path: Path, seen: Seen) -> None:
    await page.open(path, 1400)
    await page.press("Tab")
    seen.keyboard["first"] = await page.run("document.activeElement.textContent")
    seen.keyboard["shown"] = await page.run("document.activeElement.getBoundingClientRect().left >= 0")
    reached = set()
    for _ in range(120):
        reached.add(await page.run("document.activeElement.tagName"))
        outline = await page.run("getComputedStyle(document.activeElement).outlineStyle")
        if outline == "none" and await page.run("document.activeElement !== document.body"):
            seen.keyboard.setdefault("without outline", []).append(await page.run("document.activeElement.outerHTML"))
        await page.press("Tab")
    seen.keyboard["reached"] = reached


async def _toggle(page: Page, path: Path, seen: Seen) -> None:
    await page.open(path, 1400, theme="light")
    for name in ("dark", "light", "auto"):
        await page.run(f"document.getElementById('theme-{name}').click()")
        seen.toggled.append(await page.run("getComputedStyle(document.body).backgroundColor"))


@pytest.fixture(scope="module", params=PAGES)
def seen(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Seen:
    """A page as Chromium shows it; without Chromium the tests are skipped, and in CI they fail."""
    path = tmp_path_factory.mktemp("page") / "report.html"
    path.write_text(html_of_everything() if request.param == "everything" else html_of_plan(request.param), "utf-8")

    async def look() -> Seen:
        async with opened() as page:
            return await _look(page, path)

    try:
        return asyncio.run(look())
    except NoBrowserError as error:
        give_up(str(error))


def test_the_page_asks_for_nothing_and_complains_of_nothing(seen: Seen) -> None:
    assert {address.rpartition("/")[2] for address in seen.requests} == {"report.html"}
    assert all(address.startswith("file://") for address in seen.requests)
    assert seen.console == []


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("theme", THEMES)
def test_every_width_and_theme_can_be_read(seen: Seen, theme: Theme, width: int) -> None:
    measured = seen.by[(theme, width)]
    assert measured["overflow"] <= 0
    assert measured["faint"] == []
    assert measured["cut"] == []
    assert measured["small"] == []
    assert set(measured["pictures"]) == {1}
    assert measured["picture"].startswith(b"\x89PNG")


def test_the_themes_differ_and_the_toggle_overrides_the_system(seen: Seen) -> None:
    light, dark = seen.by[("light", 1400)]["paper"], seen.by[("dark", 1400)]["paper"]
    assert light != dark
    assert seen.toggled == [dark, light, light]


def test_the_keyboard_reaches_what_can_be_used(seen: Seen) -> None:
    assert seen.keyboard["first"] == "Skip to the report"
    assert seen.keyboard["shown"]
    assert {"A", "INPUT", "SUMMARY", "DIV"} <= seen.keyboard["reached"]
    assert "without outline" not in seen.keyboard


def test_paper_has_everything_and_cuts_nothing(seen: Seen) -> None:
    assert seen.printed["too wide"] == []
    assert seen.printed["closed"] == 0
    assert seen.printed["file"].startswith(b"%PDF")
