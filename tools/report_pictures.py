"""Take the pictures of docs/report.md: the report of the worked prod in Chromium. `python -m tools.report_pictures`.

Another release of the browser draws other pixels, so that no test holds them; take them anew when the page changes.
"""

from __future__ import annotations

import asyncio
import io
import sys
import tempfile
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from PIL import Image

from planner.documents.hours import hours_of_routes
from planner.documents.reviewing import review
from planner.edges.reporting import billed_weeks, page_parts
from planner.edges.workspace import Workspace
from planner.faces.report.all_charts import charts_of
from planner.faces.report.page import Report, report_html
from tools.browser import Theme, opened
from tools.chromium import NoBrowserError
from tools.figures.documents import EXAMPLE, ROOT

DAY = date(2026, 12, 1)
"""The day on which the pictured report is read."""
COLOURS = 160
"""Colours that are kept of a picture; more make it larger and no clearer."""


@dataclass(frozen=True)
class View:
    """A view is what stands from an element of the page downwards, in pixels, at a width and under a theme."""

    file: str
    theme: Theme
    width: int
    element: str
    height: int


VIEWS = (
    View("docs/review-money.png", "light", 1200, "body", 730),
    View("docs/review-other-loads.png", "dark", 1200, "#others", 600),
    View("docs/review-phone.png", "light", 400, "body", 1000),
)


def worked_report(name: str) -> str:
    """The page of a worked environment, as its lock is committed."""
    workspace = Workspace(EXAMPLE)
    lock, wanted = workspace.existing_lock(name), workspace.wanted(name)
    told = review(None, lock, "", wanted.document, DAY)
    hours = hours_of_routes(lock.plan, billed_weeks(lock, wanted))
    return report_html(Report(told, lock, hours, DAY), charts_of(told, lock.plan, hours), page_parts())


async def _take() -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "report.html"
        path.write_text(worked_report("prod"), encoding="utf-8")
        async with opened() as page:
            for view in VIEWS:
                await page.open(path, view.width, view.height, view.theme)
                top = await page.run(f"document.querySelector('{view.element}').getBoundingClientRect().top")
                taken = Image.open(io.BytesIO(await page.picture(top, view.height)))
                small = taken.convert("RGB").quantize(COLOURS, Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE)
                small.save(ROOT / view.file, optimize=True)


def main() -> int:
    """Take all pictures; the exit code is 1 where there is no browser."""
    try:
        asyncio.run(_take())
    except NoBrowserError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
