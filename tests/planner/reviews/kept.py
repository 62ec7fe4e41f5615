"""Twelve kinds of change as files: both locks and the attribution, so that faces are pinned without a solver.

`changes_of_plans` makes them. UPDATE_LOCKS=1 UPDATE_GOLDEN=1 plans all of them anew and writes every file, which takes
half a minute; UPDATE_GOLDEN=1 alone writes what the faces say of them. `test_kept.py` plans two of them again.
Every review is of one day and of one file name, whatever the folder and the date of the run.

    locks/usual.json          the base of the changes that begin at the small environment as it is committed
    locks/NAME.base.json      the base of another change
    locks/NAME.json           the proposal
                              (a part that is as in usual.json is left out of the other files)
    attributions.json         what changed the bill by how much, by name
"""

from __future__ import annotations

import json
import os
import tempfile
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from planner.documents.hours import hours_of_routes
from planner.documents.lock import Lock, load, render
from planner.documents.review import Attribution, Review
from planner.documents.reviewing import review
from planner.edges.attributing import attributed
from planner.edges.base_side import Base
from planner.edges.catalog_files import load_catalog
from planner.edges.reporting import billed_weeks
from planner.faces.markdown.drawing import ReviewPage
from planner.faces.report.page import Report
from planner.words.spans import Document, read
from tests.planner import small
from tests.planner.documents.changes_of_plans import CHANGES, TODAY, Change, made

NAMES = (
    "traffic",
    "new route",
    "privacy loosened",
    "new processor",
    "tighter slo",
    "price refresh",
    "price vanished",
    "model dropped",
    "region",
    "budget",
    "least churn",
    "two branches",
)
HERE = Path(__file__).parent
GOLDEN = HERE / "golden"
LOCKS = HERE / "locks"
USUAL = LOCKS / "usual.json"
ATTRIBUTIONS = HERE / "attributions.json"
FILE = "environments/small.yaml"
COMMAND = "spillway diff small --base main --format markdown"


@dataclass(frozen=True)
class Kept:
    """A change that is kept: both locks, the proposed environment, and what changed the bill."""

    base: Lock
    proposed: Lock
    environment: str
    attribution: Attribution

    @property
    def document(self) -> Document:
        """The proposed environment with its lines."""
        return read(self.environment, FILE)

    def review(self) -> Review:
        """The whole review."""
        return review(self.base, self.proposed, "main", self.document, TODAY, self.attribution, (), load_catalog())

    def page(self) -> ReviewPage:
        """What a comment draws. The locks were planned without alternatives."""
        return ReviewPage(self.review(), (), self.proposed.plan.runners_up, COMMAND)

    def report(self) -> Report:
        """What the page draws."""
        with tempfile.TemporaryDirectory() as folder:
            wanted = small.workspace(Path(folder), self.environment).wanted("small")
        hours = hours_of_routes(self.proposed.plan, billed_weeks(self.proposed, wanted))
        return Report(self.review(), self.proposed, hours, TODAY)


def file_name(name: str) -> str:
    """The name of a change as that of a file."""
    return name.replace(" ", "-")


def change_of(name: str) -> Change:
    """How a change is made."""
    return next(change for change in CHANGES if change.name == name)


def base_file(name: str) -> Path:
    """The file of a change's base."""
    change = change_of(name)
    is_usual = not (change.before or change.files_before or change.begins or change.snapshot)
    return USUAL if is_usual else LOCKS / f"{file_name(name)}.base.json"


def proposed_file(name: str) -> Path:
    """The file of a change's proposal."""
    return LOCKS / f"{file_name(name)}.json"


def environment_of(name: str) -> str:
    """The proposed environment."""
    text = small.text()
    for edit in change_of(name).after:
        text = text.replace(*edit, 1)
    return text


@lru_cache(maxsize=len(NAMES))
def kept(name: str) -> Kept:
    """Read a change; with UPDATE_LOCKS=1 make it and write it."""
    if os.environ.get("UPDATE_LOCKS") == "1":
        _keep(name)
    return Kept(
        load(json.dumps(values_of(base_file(name))), base_file(name).name),
        load(json.dumps(values_of(proposed_file(name))), proposed_file(name).name),
        environment_of(name),
        Attribution.model_validate(_attributions()[name]),
    )


def attributed_anew(name: str) -> Attribution:
    """Plan what stands between the locks of a change that is made now, with the places of one file name."""
    change = made(name)
    document = read(environment_of(name), FILE)
    return attributed(change.after, Base("main", change.base, change.before), change.proposed, document)


def _attributions() -> dict[str, Any]:
    return dict(json.loads(ATTRIBUTIONS.read_text(encoding="utf-8"))) if ATTRIBUTIONS.exists() else {}


def _keep(name: str) -> None:
    LOCKS.mkdir(exist_ok=True)
    _write(USUAL, made("traffic").base)
    _write(base_file(name), made(name).base)
    _write(proposed_file(name), made(name).proposed)
    all_of_them = _attributions() | {name: attributed_anew(name).model_dump(mode="json")}
    text = json.dumps(all_of_them, indent=1, sort_keys=True, ensure_ascii=False)
    ATTRIBUTIONS.write_text(f"{text}\n", encoding="utf-8")


def values_of(file: Path) -> dict[str, Any]:
    """The plain values of a lock that is kept."""
    values: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    if file == USUAL:
        return values
    usual = values_of(USUAL)
    return {**usual, **values, "plan": {**usual["plan"], **values["plan"]}}


def _write(file: Path, lock: Lock) -> None:
    """Write a lock with one line for each part of the plan, without the parts that are as usual."""
    whole = json.loads(render(lock))
    usual = values_of(USUAL) if file != USUAL else {"plan": {}}
    parts = {key: value for key, value in whole["plan"].items() if usual["plan"].get(key) != value}
    values = {key: value for key, value in whole.items() if key != "plan" and usual.get(key) != value}
    lines = [f" {json.dumps(key)}: {_on_one_line(value)}" for key, value in values.items()]
    inner = ",\n".join(f"  {json.dumps(key)}: {_on_one_line(value)}" for key, value in parts.items())
    text = ",\n".join([*lines, f' "plan": {{\n{inner}\n }}'])
    file.write_text(f"{{\n{text}\n}}\n", encoding="utf-8")
    assert values_of(file) == whole


def _on_one_line(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)
