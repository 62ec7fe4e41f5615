"""How a team's words about its load became a rate, and what comes after the months for which a plan is made."""

from __future__ import annotations

from collections.abc import Iterator

from planner.decision.candidates.demand import RouteDemand
from planner.domain.load import MONTHS_HELD, Load, months_later
from planner.domain.traffic import Traffic
from planner.plan.traffic import PlannedLoad


def planned_load(route: RouteDemand) -> PlannedLoad:
    """Return the load of one route as the plan tells it."""
    load, traffic = route.load, route.route.traffic
    changes = any(month.factor != 1 for month in load.months)
    return PlannedLoad(
        stated=None if load.statement.key[-1] == "mean" else load.statement.words,
        mean_requests_per_second=load.mean,
        busiest_hour_requests_per_second=load.busiest,
        capacity_factor=load.capacity_factor,
        usage_factor=load.usage_factor,
        plan_again_by=months_later(load.months[0].first, len(load.held)).isoformat() if changes else None,
        notes=(*_others(load), *_people(load, traffic), *_months(load, traffic)),
    )


def _others(load: Load) -> Iterator[str]:
    """Say which other statements there are."""
    others = " and ".join(f"{o.words} ({o.mean:.3g} requests/s)" for o in load.agreeing if o.mean is not None)
    if others:
        yield f"it is also stated as {others}; they agree, and the first decides"


def _people(load: Load, traffic: Traffic) -> Iterator[str]:
    """Say what was assumed of people who wait for their answers."""
    users = traffic.users
    if load.statement.key != ("users",) or users is None:
        return
    law = "each sends a request, waits as long as the SLO promises, thinks, and sends the next"
    if users.think_time > 0:
        at_once = users.concurrent / users.think_time * 1000
        yield f"{law}; answered at once they would send {at_once:.3g} requests/s, and a slower system gets fewer"
    else:
        yield f"{law}; without time to think they send more the faster they are answered"


def _months(load: Load, traffic: Traffic) -> Iterator[str]:
    """Say what growth and seasons make of the load, and when to plan again."""
    named = {month.first.month for month in load.months}
    if outside := [str(month) for month in sorted(traffic.seasons) if month not in named]:
        yield f"seasons: the horizon has no month {' and '.join(outside)}"
    if all(month.factor == 1 for month in load.months):
        return
    again, last = months_later(load.months[0].first, len(load.held)), load.months[-1]
    yield (
        f"machines are sized for {load.capacity_factor:.3g} × the stated load, the highest month before {again}, and "
        f"usage is billed at {load.usage_factor:.3g} ×, their mean"
    )
    later = load.months[MONTHS_HELD:]
    if not later:
        return
    highest = max(later, key=lambda month: month.factor)
    if highest.factor > load.capacity_factor:
        high = f"{highest.first:%Y-%m} has {highest.factor:.3g} × and this plan does not hold for it"
        end = "" if highest is last else f"; the horizon ends in {last.first:%Y-%m} with {last.factor:.3g} ×"
        yield f"{high}{end}: plan again by {again}"
    else:
        yield f"no later month is higher; the horizon ends in {last.first:%Y-%m} with {last.factor:.3g} ×"
