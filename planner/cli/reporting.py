"""`report`: a plan, or what it changes, as one HTML page, and its charts as pictures."""

from __future__ import annotations

import datetime
from pathlib import Path

from planner.cli.output import note
from planner.cli.review import warn_if_not_fresh
from planner.documents.hours import hours_of_routes
from planner.edges import reporting
from planner.edges.reviews import review_of
from planner.edges.workspace import workspace_of
from planner.faces.figures import count_words
from planner.faces.report.all_charts import charts_of
from planner.faces.report.canvas import can_draw
from planner.faces.report.page import Report, report_html
from planner.words.diagnostics import Problem, Problems


def report(argument: str, base: str, out: Path, charts_folder: Path | None, folder: Path) -> None:
    """Write the report of a lock, against a base where one is named."""
    workspace, name = workspace_of(argument, folder)
    lock, wanted = workspace.existing_lock(name), workspace.wanted(name)
    warn_if_not_fresh(workspace, name)
    if charts_folder is not None and not can_draw():
        hint = "pip install -e '.[plot]'"
        raise Problems([Problem("USE003", "--charts needs the package matplotlib, which is not installed", hint=hint)])
    today = datetime.date.today()
    told = review_of(workspace, name, base, today, rules=workspace.rules(name, today))
    if base and told.base_usd_per_month is None:
        note(f"{base} has no lock of {name}: everything is new")
    hours = hours_of_routes(lock.plan, reporting.billed_weeks(lock, wanted))
    charts = charts_of(told, lock.plan, hours)
    reporting.write_report(out, report_html(Report(told, lock, hours, today), charts, reporting.page_parts()))
    note(f"wrote {out}")
    if charts_folder is not None:
        written = reporting.write_charts(
            charts_folder, {each.name: each.wide.standalone for each in charts.all() if each.wide is not None}
        )
        note(f"wrote {count_words(len(written), 'chart')} to {charts_folder}")
