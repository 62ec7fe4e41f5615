"""`diff`: what a lock changes against another one, in dollars and in risks, and why."""

from __future__ import annotations

import datetime
from pathlib import Path

from planner.cli.output import note, show, show_json
from planner.cli.review import warn_if_not_fresh
from planner.documents.review import changes_something
from planner.edges.reviews import review_of
from planner.edges.workspace import workspace_of
from planner.faces.difference import review_view


def diff(argument: str, base: str, folder: Path, exit_code: bool, quick: bool, form: str) -> None:
    """Compare the lock with the one at a git revision or in a file."""
    workspace, name = workspace_of(argument, folder)
    today = datetime.date.today()
    review = review_of(workspace, name, base, today, quick, workspace.rules(name, today))
    if form == "json":
        show_json(review.model_dump(mode="json"))
    else:
        warn_if_not_fresh(workspace, name)
        show(review_view(review))
    if review.base_usd_per_month is None:
        note(f"{base} has no lock of {name}: everything is new")
    if exit_code and changes_something(review):
        raise SystemExit(1)
