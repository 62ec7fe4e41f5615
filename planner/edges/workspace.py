"""A folder of environments and locks, and everything that must be read to plan or judge one of them.

`NAME.yaml` and `NAME.lock.json` stand side by side. An argument may be a name or the path of a YAML file.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

from planner.documents import judgement
from planner.documents import lock as locks
from planner.documents.environment_file import canonical, environment_of
from planner.documents.lock import Lock
from planner.documents.references import dangling
from planner.domain.environment import Environment
from planner.domain.traces import TraceSummary
from planner.edges.calibration_digests import joined_digest, own_digests
from planner.edges.catalog_files import load_catalog
from planner.edges.files import read_text
from planner.edges.trace_files import dump_summary, load_trace
from planner.words.diagnostics import Problem, Problems, Span
from planner.words.spans import Document, read


@dataclass(frozen=True)
class Wanted:
    """An environment as it stands on disk, with the traces that it names."""

    name: str
    environment: Environment
    document: Document
    traces: Mapping[str, TraceSummary]

    @cached_property
    def canonical(self) -> dict[str, Any]:
        return canonical(self.environment)

    @cached_property
    def trace_digests(self) -> dict[str, str]:
        return {name: locks.digest(dump_summary(trace)) for name, trace in sorted(self.traces.items())}

    @cached_property
    def digest(self) -> str:
        return judgement.environment_digest(self.canonical, self.trace_digests)


@dataclass(frozen=True)
class Workspace:
    """Where environments live."""

    folder: Path

    def names(self) -> tuple[str, ...]:
        """All environments of the folder, sorted."""
        return tuple(sorted(p.stem for p in self.folder.glob("*.yaml") if not p.name.startswith("Pulumi.")))

    def environment_path(self, name: str) -> Path:
        """The file of an environment."""
        return self.folder / f"{name}.yaml"

    def lock_path(self, name: str) -> Path:
        """The lock of an environment."""
        return self.folder / f"{name}.lock.json"

    def wanted(self, name: str) -> Wanted:
        """Read an environment; every problem of the file in one run."""
        path = self.environment_path(name)
        here = f"environments here: {', '.join(self.names()) or 'none'}"
        text = read_text(path, f"{here}; another folder is named with --environments")
        document = read(text, str(path))
        broken = dangling(document, load_catalog(), self._trace_problem)
        try:
            environment = environment_of(document)
        except Problems as problems:
            raise Problems((*problems.problems, *broken)) from None
        if broken:
            raise Problems(broken)
        named = {route.traffic.trace for route in environment.routes.values()} - {None}
        traces = {str(trace): _trace(str(trace), self.folder) for trace in named}
        return Wanted(name, environment, document, traces)

    def lock(self, name: str) -> Lock | None:
        """The lock as it stands on disk; None when there is none yet."""
        path = self.lock_path(name)
        return locks.load(read_text(path), str(path)) if path.exists() else None

    def calibration_digests(self) -> dict[str, str]:
        """Digests of the team's own calibrations beside the environments, by name."""
        return own_digests(self.folder)

    def existing_lock(self, name: str) -> Lock:
        """The lock, which must be there."""
        found = self.lock(name)
        if found is None:
            message = f"{self.lock_path(name)} does not exist"
            raise Problems([Problem("LOCK004", message, hint=f"run `spillway plan {name}`")])
        return found

    def judgement(self, name: str, today: date) -> tuple[Lock, tuple[Problem, ...]]:
        """The lock, and everything that speaks against deploying it (severity says whether it stops)."""
        lock, wanted = self.existing_lock(name), self.wanted(name)
        calibrations = self.calibration_digests()
        found = judgement.problems(
            lock,
            str(self.lock_path(name)),
            wanted.canonical,
            wanted.trace_digests,
            load_catalog(),
            joined_digest(calibrations),
            today,
            calibrations,
        )
        if lock.name != name:
            hint = f"run `spillway plan {name}`; a lock is never copied"
            where = Span(str(self.lock_path(name)), 1)
            found = (Problem("LOCK005", f"the lock is of environment `{lock.name}`", where, hint), *found)
        return lock, found

    def deployable(self, name: str, today: date) -> tuple[Lock, tuple[Problem, ...]]:
        """The lock with its warnings. Errors: `Problems`, exit code 1: it is stale, tampered, denied or expired."""
        lock, found = self.judgement(name, today)
        if any(p.severity == "error" for p in found):
            raise Problems(found, exit_code=1)
        return lock, found

    def _trace_problem(self, reference: str) -> str | None:
        try:
            _trace(reference, self.folder)
        except Problems as problems:
            first = problems.problems[0]
            line = f" (line {first.where.line})" if first.where else ""
            return f"{first.message}{line}{f'; {first.hint}' if first.hint else ''}"
        return None


def workspace_of(argument: str, folder: Path) -> tuple[Workspace, str]:
    """A name, or the path of a YAML file → its workspace and name."""
    path = Path(argument)
    if path.suffix in (".yaml", ".yml"):
        return Workspace(path.parent), path.stem
    return Workspace(folder), argument


@lru_cache(maxsize=16)
def _trace(reference: str, folder: Path) -> TraceSummary:
    """A trace, read once a run: a raw CSV can be long."""
    return load_trace(reference, folder)
