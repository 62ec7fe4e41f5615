"""Why a candidate is not in a plan: what the plan would cost with it, and who else fell for the same reason.

For a class that was weighed and lost, the question is solved again with the class required.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from planner.decision.answer.sentences import candidate_words
from planner.decision.candidates.candidate import Candidate, names_all
from planner.decision.choice.question import Infeasible
from planner.decision.choice.search import DEFAULT_LIMITS, SearchLimits
from planner.decision.choice.solve import solve
from planner.decision.decide import Decision

MOST_WEIGHED = 6
"""Classes that are solved with, at most, for one question of a reader; each can take as long as a plan."""


@dataclass(frozen=True)
class Refused:
    """Candidates are refused together that are not in the plan for the same reason.

    candidate: the one on the cheapest machine; where no machine is known, as of APIs, the first by name.
    route: the route for which they are refused; `all` for every one.
    reason: why, as a sentence without its end.
    others: how many more candidates share the reason.
    """

    candidate: Candidate
    route: str
    reason: str
    others: int = 0


def folded(refused: Iterable[Refused], usd_per_hour: Mapping[str, float]) -> tuple[Refused, ...]:
    """Return one of the candidates that share a route and a reason, in the order in which the reasons come.

    usd_per_hour: price of each instance type, USD an hour. A type without one counts as the dearest, and so does a
    candidate without a machine. Of the candidates on one machine, the one whose replica has the fewest GPUs is named.
    Ties go by name.
    """
    groups: dict[tuple[str, str], list[Refused]] = {}
    for each in refused:
        groups.setdefault((each.route, each.reason), []).append(each)

    def rank(each: Refused) -> tuple[float, int, str]:
        candidate = each.candidate
        size = candidate.parallelism.gpus if candidate.instance_type else 0
        return usd_per_hour.get(candidate.instance_type, math.inf), size, candidate_words(candidate)

    return tuple(replace(min(group, key=rank), others=len(group) - 1) for group in groups.values())


@dataclass(frozen=True)
class Lost:
    """A lost class was weighed, and is not in the plan.

    more_usd_per_month: what the cheapest plan with it costs more, USD a month; None when no plan has it, or when it
    was not computed.
    computed: whether a plan with it was searched for.
    """

    candidate: Candidate
    more_usd_per_month: float | None
    computed: bool


def lost_classes(decision: Decision, words: Sequence[str], limits: SearchLimits = DEFAULT_LIMITS) -> tuple[Lost, ...]:
    """Return the classes of the question whose names have all the words and that are not bought, by name."""
    question, bought = decision.question, decision.choice.answer.replicas
    lost: list[Lost] = []
    for c in decision.market.classes:
        if c.name in bought or not names_all(c.identity, words):
            continue
        if len(lost) >= MOST_WEIGHED:
            lost.append(Lost(c.identity, None, False))
            continue
        answer = solve(replace(question, required=frozenset({c.name})), limits)
        more = None
        if not isinstance(answer, Infeasible):
            more = max(0.0, answer.usd_per_month - decision.choice.answer.usd_per_month)
        lost.append(Lost(c.identity, more, True))
    return tuple(lost)
