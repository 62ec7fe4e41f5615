"""Reads what a plan depends on, plans, and seals the answer as a lock. To write the lock is left to the caller.

The prices are those of the snapshot that the present lock names. So a plan changes only when someone asks for new
prices. The first plan takes the newest snapshot.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from importlib.metadata import version

from planner.decision.candidates.known import Known
from planner.decision.choice.search import DEFAULT_LIMITS
from planner.decision.decide import Refusal
from planner.decision.inputs import Inputs
from planner.decision.nearest import with_nearest
from planner.decision.optimize import NoPlan, Outcome, Stage, optimize, silent
from planner.decision.sensitivity import worth_of
from planner.documents.arithmetic import arithmetic, cluster_bill
from planner.documents.lock import Consulted, Lock, seal
from planner.edges.calibration_digests import joined_digest
from planner.edges.calibration_files import read_calibrations
from planner.edges.capacity_cache import KeptCapacities
from planner.edges.own_prices import not_yet
from planner.edges.performance_files import load_coefficients
from planner.edges.workspace import Wanted, Workspace
from planner.plan.worth import Worth
from planner.words.diagnostics import Problem, Problems


@dataclass(frozen=True)
class Planned:
    """A new plan.

    lock: the new lock.
    outcome: what was considered for it.
    prior: the lock that it would replace; None without one.
    wanted: the environment.
    """

    lock: Lock
    outcome: Outcome
    prior: Lock | None
    wanted: Wanted


def plan(workspace: Workspace, name: str, stage: Stage = silent) -> Planned:
    """Plan on the price snapshot of the present lock. stage: what is told each stage as it begins."""
    prior = workspace.lock(name)
    return _plan(workspace, name, prior, prior.consulted.snapshot if prior else None, stage)


def plan_on_newest_prices(workspace: Workspace, name: str, stage: Stage = silent) -> Planned:
    """Plan on the newest price snapshot."""
    return _plan(workspace, name, workspace.lock(name), None, stage)


def worth(workspace: Workspace, name: str, stage: Stage = silent) -> Worth:
    """Return what moves the plan of an environment, on the price snapshot of the present lock.

    Raises `NoPlan` where the environment has no plan, with the nearest ones in its last hint.
    """
    prior = workspace.lock(name)
    stage("reading the catalog")
    wanted = workspace.wanted(name)
    inputs = _inputs(workspace, wanted, None, prior.consulted.snapshot if prior else None)
    known = Known(KeptCapacities())
    with _with_places(wanted):
        found = worth_of(inputs, known, DEFAULT_LIMITS, stage)
        if isinstance(found, Refusal):
            stage("looking for the nearest plan")
            raise NoPlan(with_nearest(inputs, found, known, DEFAULT_LIMITS))
    return found


def _inputs(workspace: Workspace, wanted: Wanted, prior: Lock | None, snapshot: str | None) -> Inputs:
    """Return all that a plan depends on.

    Raises `Problems` where other environments of the folder or the days of own prices forbid to plan.
    """
    catalog, start = workspace.catalog(snapshot), wanted.environment.horizon.start
    problems = workspace.network_problems(wanted.name)
    if shared := [problem for problem in problems if problem.severity == "error"]:
        raise Problems(shared)
    if early := tuple(not_yet(catalog, start)):
        raise Problems(early)
    return Inputs(
        environment=wanted.environment,
        catalog=catalog.priced_on(start),
        coefficients=load_coefficients(),
        traces=wanted.traces,
        prior=prior.plan if prior else None,
        calibrations=read_calibrations(workspace.folder),
        name=wanted.name,
        places=_places(wanted),
    )


def _places(wanted: Wanted) -> dict[str, str]:
    """Return where entries stand of which a plan tells, as `FILE:LINE` by their path. The folder is left out."""
    found = {}
    for name in ("owned", "capacity_blocks", "reservations"):
        for index in range(len(getattr(wanted.environment.purchase, name))):
            span = wanted.document.at(("purchase", name, index))
            found[f"purchase.{name}[{index}]"] = f"{wanted.name}.yaml:{span.line}" if span is not None else ""
    return found


@contextmanager
def _with_places(wanted: Wanted) -> Iterator[None]:
    """Give each problem the place of its key in the environment's file."""
    try:
        yield
    except Problems as refusal:
        with_places = (replace(p, where=wanted.document.key(p.about)) if p.about else p for p in refusal.problems)
        refusal.problems = tuple(sorted(with_places, key=Problem.sort_key))
        raise


def _plan(workspace: Workspace, name: str, prior: Lock | None, snapshot: str | None, stage: Stage) -> Planned:
    stage("reading the catalog")
    wanted = workspace.wanted(name)
    inputs = _inputs(workspace, wanted, prior, snapshot)
    catalog, calibration_digests = inputs.catalog, workspace.calibration_digests()
    with _with_places(wanted):
        outcome = optimize(inputs, kept=KeptCapacities(), stage=stage)
    consulted = Consulted(
        snapshot=catalog.prices.name,
        calibration=inputs.coefficients.as_of,
        facts=outcome.facts,
        prices=outcome.prices,
        traces=wanted.trace_digests,
        calibrations=calibration_digests,
    )
    digests = {
        "environment": wanted.digest,
        "facts": catalog.facts_digest(outcome.facts),
        "prices": catalog.prices_digest(outcome.prices),
        "calibration": joined_digest(calibration_digests),
    }
    if defects := (*arithmetic(outcome.plan, wanted.environment), *cluster_bill(outcome.plan)):
        hint = "a defect of the planner: nothing was written; please report it with the environment"
        raise Problems((replace(problem, hint=hint) for problem in defects), exit_code=1)
    lock = seal(name, wanted.canonical, consulted, digests, outcome.plan, version("spillway"))
    return Planned(lock, outcome, prior, wanted)
