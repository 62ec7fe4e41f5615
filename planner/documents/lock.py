"""The lock: a plan as a file that is reviewed in a pull request and that `pulumi up` obeys.

The file is canonical JSON: its keys have one order, with one scalar a line, decimals as text and a newline at the end,
so that the same plan gives the same bytes. The order is that of reading: each part declares its fields so that what a
person reviews stands first, and the inputs and digests stand last. Older locks have their keys sorted; the order means
nothing to a reader of the file. Five digests stand in it, over sorted keys. A lock is *stale* when the environment, the
catalog's facts or its own content have changed; prices and calibration only age.

The content digest covers everything but the versions, limits and counts of the search (`plan.solver`), which say
nothing of what is deployed; whether the plan is proven stays covered. Keys that a newer 1.x added are not read but
kept, because the digest covers them. Format 1.2 leaves out what followed from other keys in 1.1: the shares by level of
a band that an API takes whole, and the solver's bound. Locks of format 1.0 are read too (`old_locks`); another major
version is refused.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from planner.documents.old_locks import FORMAT_1_0, as_in_file, in_todays_form, keys_of_today
from planner.domain.environment import Environment
from planner.plan.plan import Plan
from planner.words.diagnostics import Problem, Problems, Span

FORMAT_VERSION = "1.2"
MAJOR = "1"
DEEPEST = 50
"""Levels of the deepest lock."""
AGAIN = "restore it with git, or delete it and run `spillway plan`"


class Digests(BaseModel):
    """The digests are sha256 over canonical JSON, each prefixed `sha256:`.

    environment: digest of the environment and of the traces that it names.
    facts, prices: digests of the catalog rows that the plan rests on.
    calibration: digest of the shipped coefficients and the team's own measurements.
    content: digest of the lock itself, without this field and the details of the search.
    """

    model_config = ConfigDict(frozen=True, extra="allow")

    environment: str
    facts: str
    prices: str
    calibration: str
    content: str


class Consulted(BaseModel):
    """The consulted sources are what the plan was computed from.

    snapshot: name of the price snapshot, which is its day.
    calibration: day of the coefficients that are shipped.
    facts, prices: keys of the catalog rows that the plan rests on.
    traces: digest of each trace by its name.
    calibrations: digest of each of the team's own by its name; the key stands in the file only if there are any.
    """

    model_config = ConfigDict(frozen=True, extra="allow")

    snapshot: str
    calibration: str
    facts: tuple[str, ...]
    prices: tuple[str, ...]
    traces: dict[str, str]
    calibrations: Annotated[dict[str, str], Field(default_factory=dict, exclude_if=lambda digests: not digests)]


class Lock(BaseModel):
    """A lock is the content of `environments/NAME.lock.json`.

    generated_by: the release that wrote it.
    name: the environment that it answers.
    environment: that environment as plain values, in the units of its file.
    """

    model_config = ConfigDict(frozen=True, extra="allow")

    format_version: Annotated[str, Field(pattern=r"^\d+\.\d+$")]
    name: str
    plan: Plan
    environment: dict[str, Any]
    consulted: Consulted
    generated_by: str
    digests: Digests

    def answered_environment(self) -> Environment:
        """Return the environment that this lock answers."""
        return Environment.model_validate(self.environment)


def seal(
    name: str,
    environment: Mapping[str, Any],
    consulted: Consulted,
    digests: Mapping[str, str],
    plan: Plan,
    version: str,
) -> Lock:
    """Return the lock of a plan and its inputs, with its content digest.

    `digests` are the other four: `environment`, `facts`, `prices` and `calibration`.
    """
    unsealed = Lock(
        format_version=FORMAT_VERSION,
        generated_by=f"spillway {version}",
        name=name,
        digests=Digests(**dict(digests), content=""),
        consulted=consulted,
        environment=dict(environment),
        plan=plan,
    )
    digest = content_digest(unsealed.model_dump(mode="json"))
    return unsealed.model_copy(update={"digests": unsealed.digests.model_copy(update={"content": digest})})


def render(lock: Lock) -> str:
    """Return the content of the lock's file: its keys in the order of reading, one scalar a line."""
    return json.dumps(_for_reading(lock.model_dump(mode="json"), lock), indent=2, ensure_ascii=False) + "\n"


def _for_reading(written: Any, value: Any) -> Any:
    """Return what is written of a value with its keys in order: those of a part as the part declares them, then those
    that a newer format added; those of every other mapping by name.
    """
    if isinstance(value, BaseModel):
        declared = [name for name in type(value).model_fields if name in written]
        added = sorted(written.keys() - set(declared))
        return {name: _for_reading(written[name], getattr(value, name)) for name in (*declared, *added)}
    if isinstance(written, dict):
        return {name: _for_reading(written[name], value[name]) for name in sorted(written)}
    if isinstance(written, list):
        return [_for_reading(*pair) for pair in zip(written, value, strict=True)]
    return written


def load(text: str, file: str) -> Lock:
    """Read the content of a lock's file.

    Raises `Problems` with LOCK001 (it is no JSON: it is truncated, or has conflict markers), LOCK002 (another major
    version) or LOCK003 (a part is missing or has the wrong form). Its digests are not judged; `judgement` does that.
    """
    markers = [i for i, line in enumerate(text.splitlines(), 1) if line.startswith(("<<<<<<< ", ">>>>>>> "))]
    if markers:
        hint = "check out either side, then run `spillway plan`: a lock is computed, never merged"
        raise Problems([Problem("LOCK001", "the lock has merge conflicts", Span(file, markers[0]), hint)])
    try:
        raw = json.loads(text)
    except json.JSONDecodeError as error:
        where = Span(file, error.lineno, error.colno)
        raise Problems([Problem("LOCK001", f"the lock is not JSON: {error.msg}", where, AGAIN)]) from error
    except (ValueError, RecursionError) as error:  # a number of thousands of digits, or thousands of brackets
        why = "it is nested too deeply" if isinstance(error, RecursionError) else "it holds a number that is too long"
        raise Problems([Problem("LOCK001", f"the lock cannot be read: {why}", Span(file, 1), AGAIN)]) from error
    if why := _strange(raw):
        raise Problems([Problem("LOCK001", f"the lock cannot be read: {why}", Span(file, 1), AGAIN)])
    if not isinstance(raw, dict):
        raise Problems([Problem("LOCK003", "a lock is a JSON object", Span(file, 1))])
    major = str(raw.get("format_version", "")).split(".")[0]
    if major != MAJOR:
        message = f"the lock has format {raw.get('format_version', 'none')!s}; this program reads {MAJOR}.x"
        hint = "use the release of spillway that wrote it, or delete it and plan again"
        raise Problems([Problem("LOCK002", message, Span(file, 1), hint)])
    if strange := keys_of_today(raw):
        message = f"a lock of format {FORMAT_1_0} has no {', '.join(strange)}"
        raise Problems([Problem("LOCK003", message, Span(file, 1), AGAIN)])
    try:
        return Lock.model_validate(in_todays_form(raw))
    except ValidationError as error:
        problems = []
        for detail in error.errors(include_url=False):
            path = ".".join(str(step) for step in detail["loc"])
            problems.append(Problem("LOCK003", f"{path}: {detail['msg']}", Span(file, 1), AGAIN))
        raise Problems(problems) from error


def _strange(value: Any) -> str:
    """Say what JSON may hold and no lock does: very deep nesting, and text like `"\\ud800"`, which no file can hold."""
    level, depth = [value], 0
    while level and depth <= DEEPEST:
        texts = [
            text for each in level for text in (each if isinstance(each, dict) else [each]) if isinstance(text, str)
        ]
        if any("\ud800" <= character <= "\udfff" for text in texts if not text.isascii() for character in text):
            return "it holds half a character"
        level = [
            inner
            for each in level
            if isinstance(each, dict | list)
            for inner in (each.values() if isinstance(each, dict) else each)
        ]
        depth += 1
    return "it is nested too deeply" if level else ""


def content_digest(values: Mapping[str, Any]) -> str:
    """Return the digest of a lock's values, without the content digest itself and the details of the search.

    Format 1.0 covered those details too.
    """
    rest = {**values, "digests": {k: v for k, v in values["digests"].items() if k != "content"}}
    if values["format_version"] == FORMAT_1_0:
        return digest(as_in_file(rest))
    return digest({**rest, "plan": {**rest["plan"], "solver": _how_sure(rest["plan"]["solver"])}})


def is_whole(lock: Lock) -> bool:
    """Say whether a lock's content is what its own digest covers, so that nobody edited it."""
    return content_digest(lock.model_dump(mode="json")) == lock.digests.content


def says_the_same(lock: Lock, other: Lock) -> bool:
    """Say whether two whole locks hold the same plan of the same inputs, whatever release and solver wrote them.

    A lock of format 1.1, whose keys are sorted and which says some things twice, can say the same as one of today's.
    """
    if FORMAT_1_0 in (lock.format_version, other.format_version) or not (is_whole(lock) and is_whole(other)):
        return False
    return _without_writer(lock) == _without_writer(other)


def _without_writer(lock: Lock) -> dict[str, Any]:
    values = lock.model_dump(mode="json", exclude={"format_version", "generated_by"})
    del values["digests"]["content"]
    for route, written in zip(lock.plan.routes, values["plan"]["routes"], strict=True):
        for band, of_band in zip(route.bands, written["bands"], strict=True):
            of_band["spill_by_level"] = [str(band.spilled(level.name)) for level in lock.plan.levels]
    return {**values, "plan": {**values["plan"], "solver": _how_sure(values["plan"]["solver"])}}


def _how_sure(solver: Mapping[str, Any]) -> dict[str, Any]:
    """Return what of the solver's report the plan depends on, and not the processor or the solver's version."""
    return {"status": solver["status"], "gap": solver["gap"]}


def digest(value: Any) -> str:
    """Return the sha256 of a value as canonical JSON (sorted keys, no blanks), prefixed `sha256:`."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return "sha256:" + hashlib.sha256(text.encode()).hexdigest()
