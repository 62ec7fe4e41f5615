"""What a reader must know of machines that are bought otherwise than on demand, and of ways that no plan takes.

A commitment is bought by a person at AWS, before the machines start: no program here signs one. It is worth its price
from the month on in which on-demand hours would have cost as much:

    break-even = months of the term · USD an hour committed / USD an hour on demand
"""

from __future__ import annotations

import math
from collections.abc import Iterator

from planner.decision.answer.sizes import hours_of, spot_by_level
from planner.decision.answer.solved import Solved
from planner.domain.purchases import Commitment, no_commitment
from planner.plan.review import Verdict
from planner.words.units import HOURS_PER_MONTH


def purchase_verdicts(solved: Solved) -> list[Verdict]:
    """Return a line for spot, and one for commitments, where the environment allows them."""
    return [*_spot(solved), *_committed(solved)]


def _spot(solved: Solved) -> Iterator[Verdict]:
    share = solved.environment.purchase.spot_share
    if not share:
        return
    counts = {group: solved.spot_of(group) for group in solved.groups}
    if any(counts.values()):
        hours = {group: hours_of(solved, spot_by_level(solved, group)) for group in counts}
        saved = sum(each / HOURS_PER_MONTH * _spot_saving(solved, group) for group, each in hours.items())
        told = ", ".join(
            f"{count} of {solved.nodes_of(group)} × {solved.groups[group][0].offering.instance_type}"
            for group, count in counts.items()
            if count
        )
        message = (
            f"{told} are spot, ${saved:,.0f} a month less than on demand; AWS takes them back at two minutes' notice, "
            "and APIs take what those of a zone served"
        )
        yield Verdict(name="spot", state="pass", message=message)
        return
    yield Verdict(name="spot", state="pass", message=f"none is bought: {_why_no_spot(solved, share)}")


def _why_no_spot(solved: Solved, share: float) -> str:
    shared = [pool for pool in solved.pools if not pool.replica_class.exclusive]
    if not solved.pools:
        return "the plan hosts nothing itself"
    if not shared:
        return "all machines hold routes that no API helps when AWS takes machines back"
    if priceless := sorted({pool.offering.instance_type for pool in shared if pool.offering.spot is None}):
        return f"{', '.join(priceless)} has no spot price in two of the zones"
    nodes = sum(solved.nodes_of(group) for group in {pool.group_name for pool in shared})
    if math.floor(nodes * share) < 1:
        return f"{share:.0%} of {nodes} machines is less than one"
    return "it saves nothing within the share, the quotas and the limits of the APIs that stand in"


def _spot_saving(solved: Solved, group: str) -> float:
    k = solved.groups[group][0].replica_class
    return (k.usd_per_node_hour - (k.usd_per_spot_hour or 0.0)) * HOURS_PER_MONTH


def _committed(solved: Solved) -> Iterator[Verdict]:
    allowed = solved.environment.purchase.commitments
    if not allowed:
        return
    taken: dict[tuple[str, Commitment], int] = {}
    for group, commitments in solved.committed.items():
        instance_type = solved.groups[group][0].offering.instance_type
        for each, count in commitments.items():
            taken[(instance_type, each)] = taken.get((instance_type, each), 0) + count
    if taken:
        told = "; ".join(_bought(solved, name, each, count) for (name, each), count in sorted(taken.items()))
        yield Verdict(name="commitments", state="pass", message=f"buy before the machines start: {told}")
    else:
        why = _why_none(solved, allowed) if solved.pools else "the plan hosts nothing itself"
        yield Verdict(name="commitments", state="pass", message=f"none is bought: {why}")


def _bought(solved: Solved, instance_type: str, commitment: Commitment, count: int) -> str:
    offering = next(p.offering for p in solved.pools if p.offering.instance_type == instance_type)
    price, listed = dict(offering.committed)[commitment].usd, offering.price
    assert listed is not None  # a type without a price on demand has no commitments
    saved = (listed.usd - price) * count * HOURS_PER_MONTH
    months = math.ceil(commitment.months * price / listed.usd)
    upfront = ""
    if commitment.payment == "all-upfront":
        upfront = f", ${price * count * HOURS_PER_MONTH * commitment.months:,.0f} at once"
    elif commitment.payment == "partial-upfront":
        upfront = ", a part at once"
    return (
        f"{count} × {instance_type} {commitment.words}{upfront} (${saved:,.0f} a month less than on demand; cheaper "
        f"from {months} of {commitment.months} months on)"
    )


def _why_none(solved: Solved, allowed: tuple[Commitment, ...]) -> str:
    """Say why no commitment is taken: a price that is missing or refused, or that none saves anything."""
    prices, region = solved.catalog.prices, solved.region
    types = sorted({pool.offering.instance_type for pool in solved.pools})
    gaps = [gap for name in types for each in allowed if (gap := no_commitment(prices, region, name, each)) is not None]
    if len(gaps) == len(types) * len(allowed):
        first = gaps[0].message
        return first if len(gaps) == 1 else f"{first}; and {len(gaps) - 1} more have no price"
    if not any(solved.on_demand(group) for group in solved.groups):
        return "all machines are there already or spot"
    return "no commitment costs less than what is bought"
