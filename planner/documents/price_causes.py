"""What prices change: each at the quantities that were bought, and then what another mix at the new prices changes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal

from planner.documents.lock import Lock
from planner.documents.review import Cause
from planner.domain.prices import Price
from planner.plan.cost import CostLine
from planner.plan.plan import Plan
from planner.words.numbers import dollars

ZERO = Decimal(0)
MIX = "another mix is cheaper at the new prices"


def moved_price_causes(
    old: Mapping[str, Price], new: Mapping[str, Price], base: Lock, proposed: Lock
) -> tuple[Cause, ...]:
    """Return a cause for each price that was consulted and is not the same on both lists, sorted by key.

    A price that came is a cause where the proposed plan pays it.
    """
    paid = {line.price for line in proposed.plan.cost.lines}
    keys = {key for key in {*base.consulted.prices, *proposed.consulted.prices} if key in old or key in paid}
    return tuple(
        _cause(key, old.get(key), new.get(key)) for key in sorted(keys) if _differs(old.get(key), new.get(key))
    )


def _differs(old: Price | None, new: Price | None) -> bool:
    if old is None or new is None:
        return old is not new
    return (old.usd, old.unit) != (new.usd, new.unit)


def _cause(key: str, old: Price | None, new: Price | None) -> Cause:
    before, after = (f"${price.usd:f} / {price.unit}" if price else None for price in (old, new))
    what = f"price of {key}"
    if after is None:
        what += ", which is no longer listed"
    elif before is None:
        what += ", which is new"
    return Cause(kind="prices", name=key, what=what, old=before, new=after, usd_per_month=None)


def price_causes(
    plan: Plan, old: Mapping[str, Price], new: Mapping[str, Price], causes: Sequence[Cause], usd: Decimal
) -> list[Cause]:
    """Give each price its own figure: what it changes of a plan's bill. The rest of `usd` is another mix.

    plan: what was bought at the old prices. A price that went or came has no figure at its quantities, so that the
    first of those has the rest, and the others are counted in it.
    """
    paid = {line.price for line in plan.cost.lines}
    named = {cause.name for cause in causes}
    unnamed = (key for key in sorted(paid - named) if key in old and _differs(old.get(key), new.get(key)))
    every = (*causes, *(_cause(key, old.get(key), new.get(key)) for key in unnamed))
    known = [cause for cause in every if cause.old is not None and cause.new is not None]
    others = [cause for cause in every if cause.old is None or cause.new is None]
    told = []
    for cause in known:
        lines = [line for line in plan.cost.lines if line.price == cause.name]
        change = sum(
            (_at_new_price(line, old[cause.name], new[cause.name]) - line.usd_per_month for line in lines), ZERO
        )
        told.append(cause.model_copy(update={"usd_per_month": change}))
    rest = usd - sum((cause.usd_per_month or ZERO for cause in told), ZERO)
    told.sort(key=lambda cause: (-abs(cause.usd_per_month or ZERO), cause.name))
    others.sort(key=lambda cause: (cause.name not in paid, cause.name))
    if others:
        told += [others[0].model_copy(update={"usd_per_month": rest}), *others[1:]]
    elif rest:
        told.append(Cause(kind="prices", name="", what=MIX, old=None, new=None, usd_per_month=rest))
    return told


def _at_new_price(line: CostLine, old: Price, new: Price) -> Decimal:
    """Return the amount of a line at the new price. An address where a factor holds keeps its factor."""
    factor = line.unit_price / old.usd if line.unit_price != old.usd else Decimal(1)
    return dollars(line.quantity * new.usd * factor)
