"""A folder of environments and locks, and everything that must be read to plan or to judge one of them.

`NAME.yaml` and `NAME.lock.json` stand side by side. On the command line an environment is given by its name or by the
path of its YAML file.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

from planner.documents import judgement
from planner.documents import lock as locks
from planner.documents.environment_file import canonical, environment_of
from planner.documents.loads import load_problems
from planner.documents.lock import Lock
from planner.documents.misspelt import as_meant
from planner.documents.policy import judge
from planner.documents.policy.rulebook import Rulebook, own_rules, rule_problems
from planner.documents.policy.subject import Base, as_base
from planner.documents.quality import with_accept_lists
from planner.documents.references import dangling
from planner.documents.review import Check
from planner.domain.catalog import Catalog
from planner.domain.engine import DEPLOYED
from planner.domain.environment import ROUTE_NAME, Environment
from planner.domain.scores import Metric
from planner.domain.traces import TraceSummary
from planner.edges.calibration_digests import joined_digest, own_digests
from planner.edges.environment_names import environment_names
from planner.edges.files import read_text
from planner.edges.git import text_at
from planner.edges.neighbours import network_problems
from planner.edges.own_catalog import FOLDER, catalog_beside
from planner.edges.policy_files import policies_beside
from planner.edges.score_files import known_metrics, read_metric
from planner.edges.trace_files import SUMMARY_ENDING, dump_summary, is_raw_log, load_trace
from planner.words.diagnostics import Problem, Problems, Span, first_of
from planner.words.spans import Document, read
from planner.words.wrapping import clipped


@dataclass(frozen=True)
class Wanted:
    """An environment as it stands on disk, with the traces that it names.

    name: its name.
    environment: its value.
    document: its file, which knows where each key stands.
    traces: by the name that the environment gives them.
    """

    name: str
    environment: Environment
    document: Document
    traces: Mapping[str, TraceSummary]

    @cached_property
    def canonical(self) -> dict[str, Any]:
        """The environment as plain values, as a lock embeds it."""
        return canonical(self.environment)

    @cached_property
    def trace_digests(self) -> dict[str, str]:
        """Digest of each trace by its name."""
        return {name: locks.digest(dump_summary(trace)) for name, trace in sorted(self.traces.items())}

    @cached_property
    def digest(self) -> str:
        """Digest of the environment and its traces."""
        return judgement.environment_digest(self.canonical, self.trace_digests)


@dataclass(frozen=True)
class Judged:
    """A lock with its judgement.

    problems: everything that speaks against its deployment; an `error` among them forbids it.
    checks: what the rules of the team say of it, by rule.
    """

    lock: Lock
    problems: tuple[Problem, ...]
    checks: tuple[Check, ...]


@dataclass(frozen=True)
class Workspace:
    """A folder of environments.

    folder: its path.
    is_looked_at: whether its plans are only looked at; nothing gets the name of an environment then, and any will do.
    """

    folder: Path
    is_looked_at: bool = False

    def names(self) -> tuple[str, ...]:
        """Return the names of all environments in the folder, sorted."""
        return environment_names(self.folder)

    def environment_path(self, name: str) -> Path:
        """Return the path of an environment's file."""
        return self.folder / f"{name}.yaml"

    def lock_path(self, name: str) -> Path:
        """Return the path of an environment's lock."""
        return self.folder / f"{name}.lock.json"

    def wanted(self, name: str) -> Wanted:
        """Read an environment. Raises `Problems` with every problem of its file."""
        path = self.environment_path(name)
        here = f"environments here: {', '.join(self.names()) or 'none'}"
        if not self.is_looked_at and (bad := self.bad_name(name)) is not None:
            raise Problems([bad])
        text = read_text(path, f"{here}; another folder is named with --environments")
        document = read(text, str(path))
        meant, _ = as_meant(document)
        broken = (
            *dangling(meant, self.catalog(), self._trace_problem),
            *first_of(load_problems(meant, self._readable_trace)),
        )
        try:
            environment = environment_of(document)
        except Problems as problems:
            raise Problems((*problems.problems, *broken)) from None
        if broken:
            raise Problems(broken)
        environment = with_accept_lists(environment, document, self._metric)
        named = {route.traffic.trace for route in environment.routes.values()} - {None}
        traces = {str(trace): _trace(str(trace), self.folder) for trace in named}
        if silent := list(_without_lengths(document, environment, traces)):
            raise Problems(silent)
        return Wanted(name, environment, document, traces)

    def bad_name(self, name: str) -> Problem | None:
        """Return why a file cannot give an environment its name; None where it can, and where there is no file."""
        path = self.environment_path(name)
        if not os.path.exists(path) or re.fullmatch(ROUTE_NAME, name):
            return None
        message = f"`{clipped(name)}` cannot be the name of an environment"
        hint = "rename the file: lower-case letters, digits and hyphens, 30 at most, a letter first"
        return Problem("ENV004", message, Span(str(path), 1), hint)

    def stated(self, name: str) -> Mapping[str, Any]:
        """Return what the file of an environment states, before anybody judges it. Raises `Problems`."""
        path = self.environment_path(name)
        value = read(read_text(path), str(path)).value
        return value if isinstance(value, dict) else {}

    def catalog(self, snapshot: str | None = None) -> Catalog:
        """Return the catalog with the team's own rows, on that price snapshot; the newest if None."""
        return catalog_beside(self.folder, snapshot)

    def lock(self, name: str) -> Lock | None:
        """Return the lock as it stands on disk; None when there is none yet."""
        path = self.lock_path(name)
        return locks.load(read_text(path), str(path)) if path.exists() else None

    def calibration_digests(self) -> dict[str, str]:
        """Return the digests of the team's own calibrations beside the environments, by name."""
        return own_digests(self.folder)

    def existing_lock(self, name: str) -> Lock:
        """Return the lock. Raises `Problems` (LOCK004) when there is none."""
        lock = self.lock(name)
        if lock is None and not self.environment_path(name).exists():
            self.wanted(name)  # which says that there is no such environment, and which there are
        if lock is None:
            message = f"{self.lock_path(name)} does not exist"
            where = Span(str(self.environment_path(name)), 1)
            raise Problems([Problem("LOCK004", message, where, f"run `spillway plan {name}`")])
        return lock

    def base(self, name: str, base: str) -> Lock | None:
        """Return the lock of an environment to compare with, from a file or a git revision; None when it has none."""
        path = Path(base)
        if path.is_file():
            return locks.load(read_text(path), str(path))
        if path.suffix == ".json":
            raise Problems([Problem("IO001", f"{base} does not exist", hint="give a lock file, or a git revision")])
        text = text_at(base, self.lock_path(name))
        return locks.load(text, f"{base}:{self.lock_path(name)}") if text is not None else None

    def rulebook(self, wanted: Wanted) -> Rulebook:
        """Return the rules of the team that judge an environment. Raises `Problems` with all that is wrong with them.

        A file of rules that cannot be read stops every environment: nobody knows what it would have said.
        """
        own = own_rules(wanted.environment.policy.stated(), wanted.document)
        catalog, names = self.catalog(), self.names()
        sets = policies_beside(self.folder, lambda rules: rule_problems(rules, catalog, names))
        found = list(rule_problems(own, catalog, names))
        judging = tuple(each for each in sets if each.environments is None or wanted.name in each.environments)
        rulebook = Rulebook((*judging, own), wanted.environment.overrides, wanted.document)
        found += rulebook.problems()
        if found:
            raise Problems(found)
        return rulebook

    def judged(self, name: str, today: date, base: Base | None = None, engine: str | None = DEPLOYED) -> Judged:
        """Judge the lock by what it rests on and by the rules of the team. Raises `Problems` for what cannot be read.

        base: what rules over a change compare with.
        engine: version of the engine that would run; None where that is not known.
        """
        lock, wanted = self.existing_lock(name), self.wanted(name)
        rulebook, calibrations = self.rulebook(wanted), self.calibration_digests()
        problems = judgement.problems(
            lock,
            str(self.lock_path(name)),
            wanted.canonical,
            wanted.trace_digests,
            self.catalog(),
            joined_digest(calibrations),
            today,
            calibrations,
        )
        if lock.name != name:
            hint = f"run `spillway plan {name}`; a lock is never copied"
            where = Span(str(self.lock_path(name)), 1)
            problems = (Problem("LOCK005", f"the lock is of environment `{lock.name}`", where, hint), *problems)
        checks, against = self.ruled(lock, rulebook, today, base, engine)
        return Judged(lock, (*problems, *against, *self.network_problems(name)), checks)

    def network_problems(self, name: str) -> tuple[Problem, ...]:
        """Return what is wrong with the addresses of an environment beside those of others in the folder."""
        return tuple(network_problems(name, self.folder, self.names(), self.lock))

    def ruled(
        self, lock: Lock, rulebook: Rulebook, today: date, base: Base | None = None, engine: str | None = DEPLOYED
    ) -> tuple[tuple[Check, ...], tuple[Problem, ...]]:
        """Hold a lock against rules. Return a check for each of them, and what they mean for a deployment."""
        checks = judge.judge(rulebook, lock, self.catalog(), today, base, engine)
        return checks, tuple(judge.problems(checks, rulebook, today))

    def rules(self, name: str, today: date) -> Callable[[Lock | None, Lock], tuple[Check, ...]]:
        """Return what judges a lock of an environment against its base by the rules of the team. Raises `Problems`."""
        rulebook, catalog = self.rulebook(self.wanted(name)), self.catalog()
        return lambda base, lock: judge.judge(rulebook, lock, catalog, today, as_base(base), DEPLOYED)

    def judgement(self, name: str, today: date) -> tuple[Lock, tuple[Problem, ...]]:
        """Return the lock and every problem that speaks against its deployment. An `error` among them forbids it."""
        judged = self.judged(name, today)
        return judged.lock, judged.problems

    def trace(self, reference: str) -> TraceSummary:
        """Return a trace that an environment of the folder names. Raises `Problems`."""
        return _trace(reference, self.folder)

    def metrics(self) -> dict[str, Metric]:
        """Return every metric by which models were scored, with the team's own. Raises `Problems`."""
        return known_metrics(self.folder / FOLDER, self.catalog())

    def _metric(self, key: str, file: str | None) -> Metric | tuple[str, ...]:
        """Return a metric of a file beside the environments, or a known one; else the names of the known ones."""
        if file is not None:
            return read_metric(key, self.folder / file, self.catalog())
        known = self.metrics()
        return known.get(key) or tuple(known)

    def _trace_problem(self, reference: str) -> tuple[str, str] | None:
        """Return what is wrong with a trace that an environment names, and a way out; None when it can be read."""
        try:
            _trace(reference, self.folder)
        except Problems as problems:
            first = problems.problems[0]
            line = f" (line {first.where.line})" if first.where else ""
            if is_raw_log(self.folder / reference):
                name = reference.partition(".")[0] + SUMMARY_ENDING
                mapping = " --map at=COLUMN,input=COLUMN,output=COLUMN" if first.code == "TRC002" else ""
                run = f"spillway traces summarize {reference}{mapping} -o {name}"
                return f"{first.message}{line}", f"run `{run}` first, and name {name} here"
            return f"{first.message}{line}", first.hint
        return None

    def _readable_trace(self, reference: str) -> TraceSummary | None:
        """Return a trace that an environment names; None when it cannot be read, of which another check tells."""
        try:
            return _trace(reference, self.folder)
        except Problems:
            return None


def workspace_of(argument: str, folder: Path) -> tuple[Workspace, str]:
    """Return the workspace and the name of an environment that is given by its name or by the path of its file."""
    path = Path(argument)
    if path.suffix in (".yaml", ".yml"):
        return Workspace(path.parent), path.stem
    return Workspace(folder), argument


def _without_lengths(
    document: Document, environment: Environment, traces: Mapping[str, TraceSummary]
) -> Iterator[Problem]:
    """Yield the routes whose answers have no length: neither their trace has any nor they themselves."""
    for name, route in sorted(environment.routes.items()):
        trace = traces.get(route.traffic.trace or "")
        if trace is not None and "no-outputs" in trace.unknown and route.lengths is None:
            message = f"the trace {trace.name} has no output tokens, and the route {name} declares none"
            where = document.at(("routes", name, "traffic", "trace"))
            yield Problem("TRC010", message, where, f"write routes.{name}.tokens with the lengths of both sides")


@lru_cache(maxsize=16)
def _trace(reference: str, folder: Path) -> TraceSummary:
    """Read a trace once in a run, because a raw CSV can be long."""
    try:
        return load_trace(reference, folder)
    except OSError as error:  # a name that no file can have
        message = f"the trace `{clipped(reference)}` cannot be read: {error.strerror}"
        raise Problems([Problem("TRC001", message)]) from error
