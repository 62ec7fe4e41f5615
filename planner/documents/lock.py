"""The lock: a plan as a file that is reviewed in a pull request and that `pulumi up` obeys.

Canonical JSON: sorted keys, one scalar a line, decimals as text, a newline at the end; the same plan gives the same
bytes. Five digests stand in it. *Stale* means that the environment, the catalog facts or the lock's own content have
changed; prices and calibration only age.

The content digest covers everything but how the solver got there (`plan.solver`): versions and limits of a search say
nothing of what is deployed. Keys that a newer 1.x added are not read but kept, because the digest covers them. Locks of
format 1.0 are read too (`old_locks`); another major version is refused.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from planner.documents.old_locks import FORMAT_1_0, as_in_file, in_todays_form
from planner.domain.environment import Environment
from planner.plan.plan import Plan
from planner.words.diagnostics import Problem, Problems, Span

FORMAT_VERSION = "1.1"
MAJOR = "1"


class Digests(BaseModel):
    """sha256 over canonical JSON, each prefixed `sha256:`."""

    model_config = ConfigDict(frozen=True, extra="allow")

    environment: str
    facts: str
    prices: str
    calibration: str
    content: str


class Consulted(BaseModel):
    """What the plan was computed from: catalog rows by key, one dated price snapshot, traces by digest.

    calibrations: the team's own, by digest; the key stands in the file only if there are any.
    """

    model_config = ConfigDict(frozen=True, extra="allow")

    snapshot: str
    calibration: str
    facts: tuple[str, ...]
    prices: tuple[str, ...]
    traces: dict[str, str]
    calibrations: Annotated[dict[str, str], Field(default_factory=dict, exclude_if=lambda named: not named)]


class Lock(BaseModel):
    """`environments/NAME.lock.json`."""

    model_config = ConfigDict(frozen=True, extra="allow")

    format_version: Annotated[str, Field(pattern=r"^\d+\.\d+$")]
    generated_by: str
    name: str
    digests: Digests
    consulted: Consulted
    environment: dict[str, Any]
    plan: Plan

    def wanted(self) -> Environment:
        """The environment that this lock answers."""
        return Environment.model_validate(self.environment)


def seal(
    name: str,
    environment: Mapping[str, Any],
    consulted: Consulted,
    digests: Mapping[str, str],
    plan: Plan,
    version: str,
) -> Lock:
    """Plan and inputs → a lock whose content digest is right.

    digests: `environment`, `facts`, `prices`, `calibration`; the content digest is computed here.
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
    """The lock's file content."""
    return json.dumps(lock.model_dump(mode="json"), indent=2, sort_keys=True, ensure_ascii=False) + "\n"


def load(text: str, file: str) -> Lock:
    """File content → lock.

    Errors: `Problems` with LOCK001 (not JSON: truncated, or conflict markers), LOCK002 (another major version), LOCK003
    (a part is missing or has the wrong form). Digests are not judged here; `check` does.
    """
    if any(line.startswith(("<<<<<<< ", ">>>>>>> ")) for line in text.splitlines()):
        line = next(i for i, t in enumerate(text.splitlines(), 1) if t.startswith(("<<<<<<< ", ">>>>>>> ")))
        hint = "check out either side, then run `spillway plan`: a lock is computed, never merged"
        raise Problems([Problem("LOCK001", "the lock has merge conflicts", Span(file, line), hint)])
    try:
        raw = json.loads(text)
    except json.JSONDecodeError as error:
        hint = "restore it with git, or delete it and run `spillway plan`"
        where = Span(file, error.lineno, error.colno)
        raise Problems([Problem("LOCK001", f"the lock is not JSON: {error.msg}", where, hint)]) from error
    if not isinstance(raw, dict):
        raise Problems([Problem("LOCK003", "a lock is a JSON object", Span(file, 1))])
    major = str(raw.get("format_version", "")).split(".")[0]
    if major != MAJOR:
        message = f"the lock has format {raw.get('format_version', 'none')!s}; this program reads {MAJOR}.x"
        raise Problems(
            [
                Problem(
                    "LOCK002",
                    message,
                    Span(file, 1),
                    "use the release of spillway that wrote it, or delete it and plan again",
                )
            ]
        )
    try:
        return Lock.model_validate(in_todays_form(raw))
    except ValidationError as error:
        found = []
        for detail in error.errors(include_url=False):
            path = ".".join(str(step) for step in detail["loc"])
            found.append(
                Problem(
                    "LOCK003",
                    f"{path}: {detail['msg']}",
                    Span(file, 1),
                    "restore it with git, or delete it and run `spillway plan`",
                )
            )
        raise Problems(found) from error


def content_digest(values: Mapping[str, Any]) -> str:
    """Digest over a lock's values: all but the content digest itself and, since format 1.1, the solver's report."""
    rest = {**values, "digests": {k: v for k, v in values["digests"].items() if k != "content"}}
    if values["format_version"] == FORMAT_1_0:
        return digest(as_in_file(rest))
    return digest({**rest, "plan": {key: value for key, value in rest["plan"].items() if key != "solver"}})


def says_the_same(lock: Lock, other: Lock) -> bool:
    """Whether two locks hold the same plan of the same inputs, whatever release and solver wrote them."""
    return lock.format_version == other.format_version and _without_writer(lock) == _without_writer(other)


def _without_writer(lock: Lock) -> dict[str, Any]:
    return lock.model_dump(mode="json", exclude={"generated_by": True, "digests": {"content"}, "plan": {"solver"}})


def digest(value: Any) -> str:
    """sha256 over canonical JSON (sorted keys, no blanks)."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return "sha256:" + hashlib.sha256(text.encode()).hexdigest()
