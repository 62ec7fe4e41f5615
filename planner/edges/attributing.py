"""Plans what stands between two locks, so that each cause of a change has its figure (`documents.attribution`).

What the base rested on comes from its folder at the revision: its own catalog, its traces, its calibrations. Where
there is only a lock, today's stand for them. Shipped facts and coefficients are always today's.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from importlib.metadata import version
from typing import Any

from pydantic import ValidationError

from planner.decision.candidates.known import Known
from planner.decision.choice.search import DEFAULT_LIMITS
from planner.decision.inputs import Inputs
from planner.decision.optimize import replan
from planner.documents import attribution
from planner.documents.attribution import Moved, Stand, Which
from planner.documents.changes import KeyChange, key_changes
from planner.documents.contradictions import contradictions
from planner.documents.lock import Lock, digest
from planner.documents.old_locks import COLUMNS_SINCE, FORMAT_1_0
from planner.documents.references import dangling
from planner.documents.review import Attribution, Cause, CauseKind
from planner.domain.catalog import Catalog
from planner.domain.environment import Environment
from planner.domain.traces import TraceSummary
from planner.edges.base_side import Base
from planner.edges.calibration_digests import own_digests
from planner.edges.calibration_files import read_calibrations
from planner.edges.capacity_cache import KeptCapacities
from planner.edges.performance_files import load_coefficients
from planner.edges.trace_files import dump_summary
from planner.edges.workspace import Workspace
from planner.performance.calibration import Calibration
from planner.plan.plan import Plan
from planner.words.diagnostics import Problems
from planner.words.spans import Document

ONLY_A_LOCK = (
    "of the base there is only its lock, so that today's catalog, traces and calibrations stand for those of its time"
)


def attributed(workspace: Workspace, base: Base, proposed: Lock, document: Document) -> Attribution:
    """Return what changed the bill by how much. Where nothing between can be planned, it has two sums and says so.

    document: the environment's file, which knows the order and the lines of its keys.
    """
    if base.lock is None:
        return attribution.by_two_sums(None, proposed, document)
    try:
        chain = _Chain(workspace, base.workspace, base.lock, proposed)
        return attribution.attribute(base.lock, proposed, document, chain.moved, chain.evaluate)
    except (Problems, ValidationError) as why:
        sums = attribution.by_two_sums(base.lock, proposed, document)
        first = (
            why.problems[0].message if isinstance(why, Problems) and why.problems else "an environment cannot be read"
        )
        told = f"nothing between the two plans can be planned now ({first}), so that old and new prices alone are told"
        return sums.model_copy(update={"note": "; ".join(filter(None, [f"{told} apart", sums.note]))})


@dataclass(frozen=True)
class _Chain:
    """A chain reads the inputs of both sides, and plans what stands at a step.

    workspace, before: the folders of the proposed lock and of the base; None for a base without a folder.
    """

    workspace: Workspace
    before: Workspace | None
    base: Lock
    proposed: Lock

    @cached_property
    def _base_catalog(self) -> Catalog:
        return (self.before or self.workspace).catalog(self.base.consulted.snapshot)

    @cached_property
    def _new_catalog(self) -> Catalog:
        return self.workspace.catalog(self.proposed.consulted.snapshot)

    def _catalog(self, facts: Which, prices: Which) -> Catalog:
        """Return the catalog with the rows of one side and the prices of one."""
        if facts == prices:
            return self._base_catalog if facts == "base" else self._new_catalog
        rows, priced = self._catalog(facts, facts), self._catalog(prices, prices)
        return replace(rows, prices=priced.prices, price_rows=priced.price_rows, agreements=priced.agreements)

    @cached_property
    def _old_traces(self) -> Mapping[str, TraceSummary]:
        return dict(self._readable_traces(self.before, self.base)) if self.before else {}

    @cached_property
    def _new_traces(self) -> Mapping[str, TraceSummary]:
        return dict(self._readable_traces(self.workspace, self.base) if not self.before else ()) | dict(
            self._readable_traces(self.workspace, self.proposed)
        )

    @staticmethod
    def _readable_traces(workspace: Workspace, lock: Lock) -> Iterator[tuple[str, TraceSummary]]:
        for name in sorted(lock.consulted.traces):
            try:
                yield name, workspace.trace(name)
            except Problems:
                continue

    @cached_property
    def _calibrations(self) -> Mapping[Which, Mapping[str, Calibration]]:
        new = read_calibrations(self.workspace.folder)
        return {"proposed": new, "base": read_calibrations(self.before.folder) if self.before else new}

    @cached_property
    def _simulated(self) -> KeptCapacities:
        """Simulated capacities. Of what else is known nothing is kept: a trace of the same name may be another one."""
        return KeptCapacities()

    @cached_property
    def moved(self) -> Moved:
        """What else than the environment differs between the two sides."""
        start = self.proposed.answered_environment().horizon.start
        digests = {name: digest(dump_summary(trace)) for name, trace in self._old_traces.items()}
        traces = key_changes(digests, {name: d for name, d in self._new_digests.items() if name in digests})
        calibrations: tuple[KeyChange, ...] = ()
        if self.before:
            calibrations = key_changes(own_digests(self.before.folder), self.workspace.calibration_digests())
        return Moved(
            release=tuple(self._release(digests)),
            traces=tuple(change for change in traces if change.new is not None),
            calibrations=calibrations,
            facts=self._own_facts,
            old_prices=self._base_catalog.priced_on(start).prices.rows,
            new_prices=self._new_catalog.priced_on(start).prices.rows,
            choice=tuple(self._choice()),
            note="" if self.before else ONLY_A_LOCK,
        )

    @cached_property
    def _new_digests(self) -> Mapping[str, str]:
        return {name: digest(dump_summary(trace)) for name, trace in self._new_traces.items()}

    @cached_property
    def _own_facts(self) -> tuple[str, ...]:
        """The rows of the own catalog, without prices, that differ."""
        if self.before is None:
            return ()
        old, new = self._base_catalog, self._new_catalog
        keys = {key for key in {*old.own, *new.own} if not key.startswith(("price/", "discount/"))}
        return tuple(sorted(key for key in keys if old.rows.get(key) != new.rows.get(key)))

    def _release(self, traces: Mapping[str, str]) -> Iterator[Cause]:
        """Yield what of the base is not as it was: its release, the coefficients, shipped facts, lost inputs."""
        base, catalog, coefficients = self.base, self._base_catalog, load_coefficients()
        now = f"spillway {version('spillway')}"
        if base.generated_by != now:
            yield _cause("release", "release", "another release decides", base.generated_by, now)
        if base.consulted.calibration != str(coefficients.as_of):
            was, day = base.consulted.calibration, str(coefficients.as_of)
            yield _cause("calibration", "coefficients", f"coefficients of {was} → {day}", was, day)
        columns = COLUMNS_SINCE if base.format_version == FORMAT_1_0 else None
        if catalog.facts_digest(base.consulted.facts, columns) != base.digests.facts:
            yield _cause("facts", "facts", "facts of the catalog on which the base rests have changed")
        if catalog.prices_digest(base.consulted.prices) != base.digests.prices:
            yield _cause("prices", "prices", f"prices of the snapshot {base.consulted.snapshot} have changed")
        known = traces if self.before else self._new_digests
        for name, former in sorted(base.consulted.traces.items()):
            if known.get(name) != former:
                yield _cause("traces", name, f"the trace {name} of the base is not to be had any more")

    def _choice(self) -> Iterator[str]:
        """Yield why the proposed lock may be another choice than what is planned now for its inputs."""
        now = f"spillway {version('spillway')}"
        if self.proposed.generated_by != now:
            yield f"it was planned by {self.proposed.generated_by}"
        if any(self._new_digests.get(name) != former for name, former in self.proposed.consulted.traces.items()):
            yield "its traces have changed since"
        if self._new_catalog.facts_digest(self.proposed.consulted.facts) != self.proposed.digests.facts:
            yield "facts of the catalog have changed since"
        if self._new_catalog.prices_digest(self.proposed.consulted.prices) != self.proposed.digests.prices:
            yield "prices have changed since"

    def evaluate(self, stand: Stand) -> Plan | None:
        """Return the plan of the inputs at a step; None where they contradict each other or allow no plan."""
        catalog = self._catalog(stand.facts, stand.prices)
        old, new = self._old_traces, self._new_traces
        traces = {**old, **new} if stand.traces == "proposed" else {**new, **old}
        environment = _environment(stand.environment, catalog)
        if environment is None or not {r.traffic.trace for r in environment.routes.values()} - {None} <= traces.keys():
            return None
        inputs = Inputs(
            environment,
            catalog.priced_on(environment.horizon.start),
            load_coefficients(),
            traces,
            self.base.plan,
            self._calibrations[stand.calibrations],
            name=self.proposed.name,
        )
        try:
            return replan(inputs, Known(self._simulated), DEFAULT_LIMITS)
        except Problems:
            return None


def _environment(values: Mapping[str, Any], catalog: Catalog) -> Environment | None:
    """Return the environment of plain values; None where a person could not plan it."""
    try:
        environment = Environment.model_validate(values)
    except ValidationError:
        return None
    document = Document("", _as_written(values), {}, {})
    broken = (*contradictions(document), *dangling(document, catalog, lambda _: None))
    return None if broken else environment


def _as_written(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values as a person writes them: where a metric stands, the list that follows from it does not."""
    routes = {}
    for name, route in values.get("routes", {}).items():
        quality = route.get("quality", {})
        if "metric" in quality:
            quality = {key: value for key, value in quality.items() if key != "accept"}
        routes[name] = {**route, "quality": quality}
    return {**values, "routes": routes}


def _cause(kind: CauseKind, name: str, what: str, old: str | None = None, new: str | None = None) -> Cause:
    return Cause(kind=kind, name=name, what=what, old=old, new=new, usd_per_month=None)
