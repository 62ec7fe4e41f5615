"""What the page of a report says of each kind of change: its words, section by section, without its pictures.

The words are drawn without the library of charts, whose figures then stand as tables.
"""

from __future__ import annotations

import re
from html import unescape

import pytest

from planner.edges.reporting import page_parts
from planner.faces.report.all_charts import charts_of
from planner.faces.report.page import NO_PICTURES, report_html
from tests.planner.golden import assert_golden
from tests.planner.reviews.kept import GOLDEN, NAMES, file_name, kept

WITHOUT_WORDS = re.compile(r"<(style|script|svg|fieldset|nav)\b.*?</\1>", re.DOTALL)
HOUR = re.compile(r"\d\d:00 \|")
"""Start of a row of a route's week, of which there are 24."""
OF_THE_LOCK_ALONE = "§ others"
"""Where the sections begin that tell the lock and not its change; they are pinned for one change."""
BETWEEN_CELLS = re.compile(r"</(?:th|td|dt)>\s*(?=<(?:th|td|dd))")
BREAKS = re.compile(r"</(?:p|li|tr|h1|h2|h3|summary|caption|figcaption|dd|section|div)>")


def html(name: str) -> str:
    """The page of a change."""
    report = kept(name).report()
    return report_html(report, charts_of(report.review, report.lock.plan, report.hours), page_parts())


def words(page: str) -> str:
    """The words of a page in the order of reading, a row or a sentence a line, each section below its name."""
    body = WITHOUT_WORDS.sub("", page[page.index("<header") : page.index("</footer>")])
    body = re.sub(r"<section id=.(\w+).[^>]*>", r"\n§ \1</p>", body)
    body = BREAKS.sub("\n", BETWEEN_CELLS.sub(" | ", " ".join(body.split())))
    lines = (" ".join(unescape(re.sub(r"<[^>]+>", " ", line)).split()) for line in body.splitlines())
    return "\n".join(line for line in lines if line and line != NO_PICTURES and not HOUR.match(line))


@pytest.mark.parametrize("name", NAMES)
def test_each_change_on_a_page(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("canvas", "page"):
        monkeypatch.setattr(f"planner.faces.report.{module}.can_draw", lambda: False)
    text = words(html(name))
    told = text if name == NAMES[0] else text[: text.index(OF_THE_LOCK_ALONE)]
    assert_golden(GOLDEN / f"{file_name(name)}.page.txt", told)


def test_two_runs_give_the_same_bytes() -> None:
    assert html("traffic").encode() == html("traffic").encode()
