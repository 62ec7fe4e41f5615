"""What later phases of a plan find paid for already: machines under the commitments that the plan counts on.

A commitment is paid for its whole term, whether its machine runs or not. So a later phase has these machines as it has
others that are paid for already, and takes no new commitment that would outlast the horizon.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import date

from planner.decision.inputs import with_blocks_of
from planner.domain.environment import Environment, ExistingMachines
from planner.domain.environment_part import months_later
from planner.domain.purchases import COMMITMENTS
from planner.plan.plan import Plan

_MONTHS = {each.key: each.months for each in COMMITMENTS}


Taken = tuple[date, Plan]
"""A day on which a plan begins, and the plan: its commitments are taken on that day."""


def with_paid_ahead(environment: Environment, taken: Iterable[Taken], day: date) -> Environment:
    """Return the environment as it stands on a day inside the horizon, after the plans that began before."""
    machines = tuple(
        ExistingMachines(
            instance_type=group.instance_type,
            count=count,
            usd_per_hour=f"${line.unit_price}",  # as a file states money
            source=f"{key} from {start.isoformat()} on; {line.source}",
        )
        for start, plan in taken
        for group in plan.node_groups
        for key, count in group.committed.items()
        if day < months_later(start, _MONTHS[key])
        for line in plan.cost.lines
        if line.component == group.name and line.price.endswith(f"/{key}")
    )
    bound = {each.term for each in COMMITMENTS if months_later(day, each.months) > environment.horizon.end}
    there = with_blocks_of(environment, day)
    purchase = there.purchase.model_copy(update={f"reserved_{term}": False for term in bound})
    hardware = environment.hardware.model_copy(update={"existing": (*environment.hardware.existing, *machines)})
    return environment.model_copy(update={"purchase": purchase, "hardware": hardware})


def ends(taken: Iterable[Taken]) -> Iterator[tuple[date, str]]:
    """Yield the days on which commitments of these plans end, each with the commitment's key."""
    for start, plan in taken:
        for key in sorted({key for group in plan.node_groups for key in group.committed}):
            yield months_later(start, _MONTHS[key]), key
