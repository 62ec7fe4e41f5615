"""Which figures stand in which document: its tables, its pictures, and the documents whose commands are run."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path

from measurement.files.interval_files import intervals_text
from measurement.views.accuracy_plot import accuracy_svg
from planner.documents.lock import load
from planner.faces.report.chart import Chart
from planner.faces.report.charts.break_even import break_even
from planner.plan.plan import Plan
from tools.figures import (
    accuracy_tables,
    catalog_tables,
    decision_index,
    deploy_tables,
    make_targets,
    mix_tables,
    performance_tables,
)
from tools.figures.console import Kind, checkout_of, rewritten
from tools.figures.marks import with_parts

ROOT = Path(__file__).resolve().parents[2]
EXAMPLE = ROOT / "examples" / "environments"
"""The worked environments, which all documents speak of."""
ACCURACY, ACCURACY_PICTURE = "docs/accuracy.md", "docs/accuracy.svg"
"""The document and the picture whose figures take longer than a second: a minute together."""


def worked_plan(name: str) -> Plan:
    """The committed plan of a worked environment."""
    path = EXAMPLE / f"{name}.lock.json"
    return load(path.read_text(encoding="utf-8"), str(path)).plan


def _drawn(chart: Chart | None) -> str:
    """The picture of a chart of the report, as a file."""
    assert chart is not None
    assert chart.wide is not None
    return chart.wide.standalone


@cache
def _predicted() -> accuracy_tables.Found:
    return accuracy_tables.found()


TABLES: Mapping[str, Callable[[], Mapping[str, list[str]]]] = {
    "docs/README.md": lambda: decision_index.parts(ROOT / "docs" / "decisions"),
    ACCURACY: lambda: accuracy_tables.parts(_predicted()),
    "docs/catalog.md": catalog_tables.parts,
    "docs/commands.md": lambda: make_targets.parts(ROOT / "Makefile"),
    "docs/deploy.md": lambda: deploy_tables.parts(worked_plan("prod")),
    "docs/performance.md": performance_tables.parts,
    "docs/why-this-mix.md": lambda: mix_tables.parts(worked_plan("prod")),
}
"""Document → its generated parts, computed now."""
PICTURES: Mapping[str, Callable[[], str]] = {
    ACCURACY_PICTURE: lambda: accuracy_svg(_predicted().rows["sources"]),
    "docs/prod-break-even.svg": lambda: _drawn(break_even(worked_plan("prod"))),
}
"""Picture → its text, computed now."""
DATA: Mapping[str, Callable[[], str]] = {
    "measurement/data/intervals.json": lambda: intervals_text(_predicted().intervals),
}
"""File that ships and that the same predictions give → its text, computed now."""


def documents() -> list[str]:
    """README.md and the pages of docs/, by their path from the root, sorted."""
    pages = [ROOT / "README.md", *(ROOT / "docs").glob("*.md")]
    return sorted(str(page.relative_to(ROOT)) for page in pages)


def with_commands() -> list[str]:
    """The documents that show what commands print."""
    return [name for name in documents() if re.search(r"^<!-- printed: ", _text(name), flags=re.MULTILINE)]


def with_tables_now(name: str) -> str:
    """A document with its generated parts as they are now; one without such parts as it is."""
    return with_parts(_text(name), TABLES[name]() if name in TABLES else {})


def with_output_now(text: str, kinds: frozenset[Kind]) -> str:
    """A document with what its commands of these kinds print now, in a fresh checkout of the worked environments."""
    with tempfile.TemporaryDirectory(prefix="spillway-figures-") as folder:
        return rewritten(text, checkout_of(EXAMPLE, Path(folder)), kinds)


def _text(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")
