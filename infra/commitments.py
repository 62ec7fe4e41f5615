"""Commitments that a plan counts on and the account has not bought: what AWS bills more until it has. Pure.

A plan bills nodes by a reservation of the account, for which nothing is built: AWS takes it off by itself, wherever a
machine of its type runs in the region. Where none is there, the same machine is billed on demand, and nobody is told.

    on-demand price − price of the commitment, × hours of a month × nodes

Regional standard reservations of Linux machines are counted, to the very type: reservations of GPU machines have no
flexible size. Machines that the environment calls existing may stand on some of them, so that those are taken off
first. A reservation with another term covers a node too, at another price than the plan's.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from decimal import Decimal

from planner.domain.purchases import COMMITMENTS, Commitment
from planner.plan.plan import Plan
from planner.words.diagnostics import Problem
from planner.words.units import HOURS_PER_MONTH

CODE = "DEP092"
HINT = "buy them (docs/deploy-options.md, spot and commitments), or take them out of `purchase` and plan again"
BY_KEY = {each.key: each for each in COMMITMENTS}
ListPrice = Callable[[str], Decimal | None]
"""Type of machine -> its price on demand, USD an hour; None where nobody knows it."""


@dataclass(frozen=True)
class Reserved:
    """Reserved is what the account has bought for some machines of a type.

    key: the commitment, such as `reserved-1y/no-upfront`.
    """

    instance_type: str
    key: str
    count: int


def counts_on(plan: Plan) -> bool:
    """Say whether a plan counts on any commitment."""
    return any(count for group in plan.node_groups for count in group.committed.values())


def unknown(plan: Plan, why: str) -> Problem:
    """Return the warning that nobody could say whether a plan's commitments are there."""
    wanted = "; ".join(_told(kind, BY_KEY[key], count) for (kind, key), count in sorted(_wanted(plan).items()))
    message = f"whether the account has bought {wanted} is not known: {why}"
    return Problem(CODE, message, hint="without them AWS bills the machines on demand", severity="warning")


def problems(plan: Plan, reserved: Iterable[Reserved], on_demand: ListPrice) -> Iterator[Problem]:
    """Yield a warning for each commitment that the plan counts on and the account has not, or has otherwise."""
    wanted = _wanted(plan)
    left: Counter[tuple[str, str]] = Counter()
    for each in reserved:
        left[each.instance_type, each.key] += each.count
    missing = Counter(wanted)
    _stand_on(plan, wanted, left)
    for covered in wanted:
        taken = min(missing[covered], left[covered])
        missing[covered] -= taken
        left[covered] -= taken
    for (kind, key), count in sorted(missing.items()):
        for (other_kind, other), there in sorted(left.items()):
            taken = min(count, there) if other_kind == kind else 0
            if taken:
                left[other_kind, other] -= taken
                count -= taken
                message = f"{_told(kind, BY_KEY[key], taken)} are planned, and the account has {_words(other)}"
                yield Problem(CODE, f"{message}: AWS bills that", hint="plan with what is there", severity="warning")
        if count:
            message = f"{_told(kind, BY_KEY[key], count)} are not bought: {_more(plan, kind, key, count, on_demand)}"
            yield Problem(CODE, message, hint=HINT, severity="warning")


def _wanted(plan: Plan) -> dict[tuple[str, str], int]:
    """Return how many nodes each commitment covers, by type of machine and key."""
    wanted: Counter[tuple[str, str]] = Counter()
    for group in plan.node_groups:
        for key, count in group.committed.items():
            wanted[group.instance_type, key] += count
    return {each: count for each, count in wanted.items() if count}


def _stand_on(plan: Plan, wanted: dict[tuple[str, str], int], left: Counter[tuple[str, str]]) -> None:
    """Take off the reservations on which existing machines may stand: first those that no commitment asks for."""
    for group in plan.node_groups:
        existing = group.existing
        kinds = [each for each in left if each[0] == group.instance_type]
        for each in sorted(kinds, key=lambda each: (each in wanted, each)):
            taken = min(existing, left[each])
            left[each] -= taken
            existing -= taken


def _told(instance_type: str, commitment: Commitment, count: int) -> str:
    return f"{count} × {instance_type} {commitment.words}"


def _words(key: str) -> str:
    return BY_KEY[key].words if key in BY_KEY else key


def _more(plan: Plan, instance_type: str, key: str, count: int, on_demand: ListPrice) -> str:
    """Say what AWS bills more without a commitment."""
    name = f"{instance_type} {BY_KEY[key].words}"
    line = next((line for line in plan.cost.lines if line.name == name), None)
    plain = on_demand(instance_type)
    if line is None or plain is None:
        return "AWS bills them on demand until they are, and what that is more is not known"
    usd = (plain - line.unit_price) * HOURS_PER_MONTH * count
    return f"AWS bills ${usd:,.2f} a month more until they are"
