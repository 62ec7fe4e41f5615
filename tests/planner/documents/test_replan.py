"""A plan on newer prices beside the one that it replaces: which of its prices moved."""

from __future__ import annotations

from decimal import Decimal

from planner.documents.lock import Lock
from planner.documents.replan import Replan, moved_prices
from planner.domain.prices import Price
from tests.planner import small


def lock() -> Lock:
    return small.planned().lock


def price(key: str, usd: str, unit: str = "Mtok") -> Price:
    return Price(key, Decimal(usd), unit, "a source", "2026-11-01")


def weighed() -> str:
    """A price by which the plan was weighed and which it does not pay."""
    paid = {line.price for line in lock().plan.cost.lines}
    return next(key for key in lock().consulted.prices if key not in paid)


def paying(usd: str) -> Lock:
    """The plan with another price on its first line."""
    plan = lock().plan
    first, *others = plan.cost.lines
    dearer = first.model_copy(update={"unit_price": Decimal(usd)})
    return lock().model_copy(
        update={"plan": plan.model_copy(update={"cost": plan.cost.model_copy(update={"lines": (dearer, *others)})})}
    )


def test_a_first_plan_has_no_prices_that_moved() -> None:
    key = weighed()
    assert moved_prices(None, lock(), {key: price(key, "1")}, {key: price(key, "2")}) == ()
    assert not Replan(None, lock(), ()).unchanged


def test_a_price_that_was_weighed_has_moved() -> None:
    key = weighed()
    (moved,) = moved_prices(lock(), lock(), {key: price(key, "1")}, {key: price(key, "2")})
    assert (moved.key, moved.share) == (key, Decimal(1))
    assert Replan(lock(), lock(), (moved,)).unchanged


def test_a_price_that_no_plan_consulted_is_none_of_its_business() -> None:
    assert moved_prices(lock(), lock(), {"api/x/y/input": price("api/x/y/input", "1")}, {}) == ()
    before, after = ({key: price(key, usd)} for key, usd in (("api/x/y/input", "1"), ("api/x/y/input", "2")))
    assert moved_prices(lock(), lock(), before, after) == ()


def test_what_a_plan_paid_goes_before_its_snapshot() -> None:
    """A price of the team's own has no snapshot: the old lock alone knows what it was."""
    first = lock().plan.cost.lines[0]
    same = {first.price: price(first.price, str(first.unit_price), first.unit)}
    (moved,) = moved_prices(paying("7"), lock(), same, same)
    assert moved.before is not None
    assert moved.after is not None
    assert (moved.before.usd, moved.after.usd) == (Decimal(7), first.unit_price)


def test_both_plans_pay() -> None:
    assert Replan(lock(), lock(), ()).paid == {line.price for line in lock().plan.cost.lines}
