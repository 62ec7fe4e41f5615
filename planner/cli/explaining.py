"""`explain`: a plan's reasons, what moves it, a candidate that is not in it, the cost over load; what a code means."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rich.text import Text

from planner.cli.output import note, show, show_json
from planner.cli.progress import stages
from planner.cli.review import warn_if_not_fresh
from planner.documents.codes import CODES
from planner.documents.explanation import FORMAT_VERSION, AskedCandidate, WhyNot, explanation_of, values_of
from planner.edges import planning
from planner.edges.workspace import Workspace, workspace_of
from planner.faces.figures import count_words, money
from planner.faces.layout import below, names, sentences
from planner.faces.prose import Prose, Words
from planner.faces.tables import FoldingTable
from planner.faces.terminal import break_even_view, reasons_view
from planner.faces.worth import worth_view
from planner.words.diagnostics import Problem, Problems

if TYPE_CHECKING:
    from planner.decision.candidates.omissions import Omission
    from planner.decision.why_not import Refused


NAMED = "of those that share a reason, the one on the cheapest machine is named, or the first by name"
"""Which candidate of a row is named."""


def explain(subject: str, break_even: bool, folder: Path, form: str) -> None:
    """Print what `explain` was asked. subject: an environment, or a code like ENV003.

    As JSON an environment is always explained whole.
    """
    if re.fullmatch(r"[A-Z]{2,4}\d{3}", subject):
        _code(subject, form)
        return
    workspace, name = workspace_of(subject, folder)
    lock = workspace.existing_lock(name)
    if form == "json":
        show_json(explanation_of(lock).model_dump(mode="json"))
        return
    warn_if_not_fresh(workspace, name)
    show([break_even_view(lock.plan)] if break_even else reasons_view(lock))


def values(environment: str, folder: Path, form: str) -> None:
    """Print what limits, uncertain inputs and promises of an environment cost, each from a plan of its own."""
    workspace, name = workspace_of(environment, folder)
    with stages(name) as stage:
        worth = planning.worth(workspace, name, stage)
    found = values_of(name, worth, workspace.lock(name))
    if form == "json":
        show_json(found.model_dump(mode="json"))
    else:
        show(worth_view(found))


def _code(code: str, form: str) -> None:
    if code not in CODES:
        known = ", ".join(sorted(CODES))
        raise Problems([Problem("USE001", f"there is no code {code}", hint=f"known codes: {known}")])
    if form == "json":
        show_json({"code": code, "meaning": CODES[code]})
    else:
        show([Prose(f"{code}: {CODES[code]}", rest="  ")])


def why_not(environment: str, words: str, every: bool, folder: Path, form: str) -> None:
    """Print the candidates whose names have all the words: that they are in the plan, or why they are not.

    Those that share a reason are one row, unless every one is asked for. Where there is no plan, the candidates that
    fell are told all the same.
    """
    from planner.decision.optimize import NoPlan
    from planner.decision.why_not import folded

    workspace, name = workspace_of(environment, folder)
    wanted, chosen = words.split(), list[tuple[str, str]]()
    try:
        with stages(name) as stage:
            planned = planning.plan(workspace, name, stage)
    except NoPlan as refusal:
        refused = _fallen(refusal.omissions, wanted)
        if not refused:
            raise
        note("note: there is no plan: " + "; ".join(problem.message for problem in refusal.problems))
    else:
        chosen = list(_chosen(planned, wanted))
        refused = [*_lost(planned, wanted), *_fallen(planned.outcome.omissions, wanted)]
    if not chosen and not refused:
        hint = "nothing in accept lists is named so; words are models, precisions, GPUs, instance types or providers"
        raise Problems([Problem("USE002", f"no candidate is named {words!r}", hint=hint)])
    told = refused if every else folded(refused, _machine_prices(workspace, name))
    if form == "json":
        show_json(_as_values(name, words, chosen, told).model_dump(mode="json"))
        return
    columns = (*names("candidate", "route"), *sentences("reason"))
    caption = "" if len(told) == len(refused) else f"{NAMED}; --all names each"
    rows: list[tuple[Words, ...]] = [(*each, Text("is in the plan", style="green")) for each in chosen]
    rows += [_row(each) for each in told]
    show([FoldingTable(f"Why not {words}", columns, rows, (below("reason"),), caption)])


def _as_values(name: str, words: str, chosen: Sequence[tuple[str, str]], told: Sequence[Refused]) -> WhyNot:
    """Return the answer for programs."""
    from planner.decision.answer.sentences import candidate_words

    inside = [
        AskedCandidate(candidate=candidate, route=route, in_plan=True, reason="", others=0)
        for candidate, route in chosen
    ]
    outside = [
        AskedCandidate(
            candidate=candidate_words(each.candidate),
            route=each.route,
            in_plan=False,
            reason=each.reason,
            others=each.others,
        )
        for each in told
    ]
    return WhyNot(format_version=FORMAT_VERSION, environment=name, words=words, candidates=(*inside, *outside))


def _row(refused: Refused) -> tuple[Words, ...]:
    from planner.decision.answer.sentences import candidate_words

    more = f" and {count_words(refused.others, 'other')}" if refused.others else ""
    return f"{candidate_words(refused.candidate)}{more}", refused.route, refused.reason


def _machine_prices(workspace: Workspace, name: str) -> dict[str, float]:
    """Return the price of each instance type in the environment's region on its first day, USD an hour."""
    environment = workspace.wanted(name).environment
    offerings = workspace.catalog().priced_on(environment.horizon.start).offered_in(environment.platform.region)
    return {row.instance_type: float(row.price.usd) for row in offerings if row.price is not None}


def _chosen(planned: planning.Planned, words: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Yield what is in the plan, as (candidate, route)."""
    from planner.decision.answer.sentences import candidate_words
    from planner.decision.candidates.candidate import Candidate, names_all

    plan, chosen = planned.lock.plan, planned.outcome.decision
    bought = chosen.choice.answer.replicas
    candidates = [(c.identity, "") for c in chosen.market.classes if c.name in bought]
    candidates += [(Candidate(api=api), route.name) for route in plan.routes for api in route.hosted]
    for candidate, route_name in candidates:
        if names_all(candidate, words):
            yield candidate_words(candidate), route_name


def _lost(planned: planning.Planned, words: Sequence[str]) -> Iterator[Refused]:
    """Yield the classes that were weighed and are not in the plan, with the price of a plan that has them."""
    from planner.decision.why_not import Refused, lost_classes

    for lost in lost_classes(planned.outcome.decision, words):
        if not lost.computed:
            reason = "was weighed and costs more; name it more closely to learn how much"
        elif lost.more_usd_per_month is None:
            reason = "was weighed; no plan within the limits has it"
        elif lost.more_usd_per_month < 1:
            reason = "was weighed; a plan with it costs the same"
        else:
            reason = f"was weighed; a plan with it costs {money(lost.more_usd_per_month)} a month more"
        yield Refused(lost.candidate, "all", reason)


def _fallen(omissions: Sequence[Omission], words: Sequence[str]) -> list[Refused]:
    """Return the candidates that fell, by name."""
    from planner.decision.answer.sentences import candidate_words, omission_words
    from planner.decision.candidates.omissions import omissions_naming
    from planner.decision.why_not import Refused

    named = [Refused(o.candidate, o.route or "all", omission_words(o)) for o in omissions_naming(omissions, words)]
    return sorted(named, key=lambda each: (candidate_words(each.candidate), each.route, each.reason))
