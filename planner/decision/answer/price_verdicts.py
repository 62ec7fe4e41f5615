"""What there is to say of the prices behind a bill: how old they are, and which of them are doubtful.

Ages are one line of every plan and no warning, because nothing that a plan does makes a price younger. A team that
wants to be warned, or to be stopped, sets limits (`policy.price_age`). A price is as old as it is when the plan begins:
on the first day of the horizon, or on the day of the snapshot where that is later. So no plan changes with the clock.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date

from planner.domain.catalog import Catalog
from planner.domain.environment import Environment
from planner.domain.price_ages import older_than
from planner.domain.prices import Price
from planner.plan.cost import Cost
from planner.plan.review import Verdict
from planner.words.units import MS_PER_DAY


def price_verdicts(environment: Environment, catalog: Catalog, cost: Cost, spot: Iterable[Price] = ()) -> list[Verdict]:
    """Return the line with the ages of all prices of the bill, and a verdict on what is doubtful or too old.

    spot: prices of spot that the bill may use. Each is made of those of several zones, and stands in no snapshot.
    """
    by_kind = _by_kind(catalog, cost, {price.key: price for price in spot})
    if not by_kind:
        return []
    on = max(date.fromisoformat(catalog.prices.name), environment.horizon.start)
    ages = "; ".join(_ages(kind, prices, on) for kind, prices in by_kind.items())
    told = f"days old on {on.isoformat()}: {ages}{_with_notes(by_kind)}"
    return [
        Verdict(name="prices", state="pass", message=told),
        *_doubts(by_kind),
        *_over_limits(environment, by_kind, on),
    ]


def _by_kind(catalog: Catalog, cost: Cost, spot: Mapping[str, Price]) -> dict[str, list[Price]]:
    """Return the prices of the bill by kind, each sorted by key."""
    found: dict[str, list[Price]] = {}
    for key in sorted({line.price for line in cost.lines}):
        if (price := spot.get(key) or catalog.prices.price(key)) is not None:
            found.setdefault(price.kind, []).append(price)
    return dict(sorted(found.items()))


def _ages(kind: str, prices: Sequence[Price], on: date) -> str:
    days = sorted(price.age_days(on) for price in prices)
    span = str(days[0]) if days[0] == days[-1] else f"{days[0]} to {days[-1]}"
    return f"{kind} {span} ({_counted(prices)})"


def _with_notes(by_kind: Mapping[str, Sequence[Price]]) -> str:
    """Name the prices that were not read as they stand, for example because their source only implies them."""
    noted: dict[str, list[str]] = {}
    for price in (price for prices in by_kind.values() for price in prices if price.note):
        noted.setdefault(price.note, []).append(price.key)
    return "".join(f"; {note}: {', '.join(keys)}" for note, keys in sorted(noted.items()))


def _doubts(by_kind: Mapping[str, Sequence[Price]]) -> Iterator[Verdict]:
    for kind, prices in by_kind.items():
        doubts = [doubt.message for price in prices for doubt in price.doubts()]
        if doubts:
            yield Verdict(name=f"prices {kind}", state="warn", message="; ".join(doubts))


def _over_limits(environment: Environment, by_kind: Mapping[str, Sequence[Price]], on: date) -> Iterator[Verdict]:
    """Hold the oldest price of each kind against the team's limits."""
    region = environment.platform.region
    for kind, limits in sorted(environment.policy.price_age.items()):
        prices = by_kind.get(kind, ())
        for state, limit in (("deny", limits.deny), ("warn", limits.warn)):
            days = None if limit is None else limit / MS_PER_DAY
            old = () if days is None else older_than(prices, days, on)
            if days is not None and old:
                oldest = max(old, key=lambda price: (price.age_days(on), price.key))
                message = (
                    f"{_counted(old)} older than {days:g} days, the most that `policy.price_age` allows; "
                    f"the oldest is {oldest.key} with {oldest.age_days(on)}: {_newer(kind, region)}"
                )
                yield Verdict(name=f"price age {kind}", state=state, message=message)
                break


def _counted(prices: Sequence[Price]) -> str:
    return "1 price" if len(prices) == 1 else f"{len(prices)} prices"


def _newer(kind: str, region: str) -> str:
    """Say how a team gets newer prices of a kind."""
    if kind == "spot":
        return f"enter today's in `catalog/prices/ec2/{region}.yaml`, beside the environments"
    if kind == "platform":
        return "enter today's in `catalog/prices/platform/`, beside the environments"
    where = f" --region {region}" if kind == "ec2" else ""
    return f"`spillway catalog refresh --only {kind}{where}` reads today's"
