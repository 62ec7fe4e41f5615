"""What a team has agreed with those who sell: prices of its own, and discounts on list prices.

    price = list price × (100 − percent) / 100          exact, not rounded

A discount names in `on` what it is given for: a kind of price (`ec2`), a family of machines (`ec2/p5`), a provider
(`api/openai`), or one thing (`ec2/g6e.12xlarge`, `api/openai/gpt-4.1-mini`, `platform/nat-gateway`). The most specific
one that holds alone counts. A price of the team's own is net: no discount is taken off it. On which days what is agreed
holds is the business of `agreements`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal

from planner.domain.apis import catalog_key
from planner.domain.gaps import Gap
from planner.domain.prices import Price, earliest_day

OWN = "own catalog: "
"""Beginning of the source of a price that rests on the team's own catalog."""
LISTED = "; list: "
"""What stands in such a source before the source of the list price."""

LIST_PRICE = "; list price "
"""What stands in the source of an own price before the list price of the same thing."""


@dataclass(frozen=True, kw_only=True)
class Discount:
    """A discount takes some percent off list prices.

    on: what it is given for.
    percent: how much is taken off, percent; above 0 and below 100.
    source, as_of: where it is agreed, and the first day on which it holds.
    until: last day on which it holds; None = no end is agreed.
    """

    on: str
    percent: Decimal
    source: str
    as_of: str
    until: date | None = None

    def contradiction(self) -> tuple[str, str] | None:
        """Return (column, what is wrong) where it takes off nothing or everything; None where it does not."""
        if not 0 < self.percent < 100:
            return (
                "percent",
                f"a discount of {self.percent:f} % on {self.on}: write what is taken off, above 0, below 100",
            )
        return None

    @property
    def begins(self) -> date:
        """The first day on which it holds."""
        return earliest_day(self.as_of)

    def holds_on(self, day: date) -> bool:
        """Return whether it has begun by that day, and has not ended before it."""
        return self.begins <= day and (self.until is None or day <= self.until)

    def taken_off(self, listed: Price, factor: Decimal = Decimal(1)) -> DiscountedPrice:
        """Return the list price with this discount, at an address where list prices differ by a factor."""
        usd = (listed.usd * factor * (100 - self.percent)).scaleb(-2)
        there = f" × {factor:f}" if factor != 1 else ""
        source = f"{OWN}{self.percent:f} % off ${listed.usd:f}{there} ({self.source}){LISTED}{listed.source}"
        shared = {**vars(listed), "usd": usd, "source": source}
        return DiscountedPrice(**shared, listed=listed, discount=self)


@dataclass(frozen=True)
class OwnPrice(Price):
    """A price of the team's own is net, and holds over every snapshot until it ends or the team changes it.

    until: last day on which it holds; None = no end is agreed.
    """

    until: date | None = None

    def holds_on(self, day: date) -> bool:
        """Return whether it has not ended before that day."""
        return self.until is None or day <= self.until

    @property
    def agreed_in(self) -> str:
        """Where it is agreed, without what else its source says."""
        return self.source.removeprefix(OWN).partition(LIST_PRICE)[0]

    def beside(self, listed: Price | None) -> OwnPrice:
        """Return the price with the list price of the same thing, which its source then states."""
        return self if listed is None else replace(self, source=f"{self.source}{LIST_PRICE}${listed.usd:f}")

    def times(self, factor: Decimal) -> Price:
        """Return the price at an address where prices differ by a factor, which its source then states."""
        return replace(self, usd=self.usd * factor, source=f"{self.source}; × {factor:f} at the address")

    @property
    def ages(self) -> bool:
        """Whether the price loses its worth with time. What was agreed holds until the team changes it."""
        return False

    def doubts(self) -> tuple[Gap, ...]:
        """Return nothing: what the team agreed is not in doubt, whatever another list says."""
        return ()


@dataclass(frozen=True, kw_only=True)
class DiscountedPrice(Price):
    """A discounted price knows the list price behind it.

    listed: the list price.
    discount: what is taken off it.
    """

    listed: Price
    discount: Discount

    def doubts(self) -> tuple[Gap, ...]:
        """Return the doubts of the list price, which the discount does not lift."""
        return self.listed.doubts()

    def times(self, factor: Decimal) -> Price:
        """Return the price at an address where list prices differ by a factor."""
        return self.discount.taken_off(self.listed, factor)


Agreed = Discount | OwnPrice
"""What a team has agreed with who sells."""


def as_own(price: Price) -> OwnPrice:
    """Return a price of the team's own, whose source says so."""
    return OwnPrice(**{**vars(price), "source": OWN + price.source})


def agreed_of(price: Price | None) -> Agreed | None:
    """Return what a team has agreed that decides a price; None for a list price."""
    if isinstance(price, OwnPrice):
        return price
    return price.discount if isinstance(price, DiscountedPrice) else None


def own_terms(source: str) -> str:
    """Return what the source of a price says of the team's own catalog; empty for a list price."""
    return source.removeprefix(OWN).partition(LISTED)[0] if source.startswith(OWN) else ""


def listed_usd(source: str) -> Decimal | None:
    """Return the list price of one unit by the source of a price, USD; None where an own price stands in its place.

    A discounted price tells it. What has no own terms is a list price itself, and `unit_price` is it.
    """
    found = re.search(r" % off \$([0-9.]+) \(", own_terms(source))
    return Decimal(found[1]) if found else None


def names_in(key: str) -> tuple[str, ...]:
    """Return the names under which a discount can mean a price, the most specific one first."""
    kind, _, rest = key.partition("/")
    group, _, item = rest.partition("/")
    if kind == "ec2":
        instance_type = item.partition("/")[0]
        return f"ec2/{instance_type}", f"ec2/{instance_type.partition('.')[0]}", "ec2"
    if kind == "api":
        model = item.rpartition("/")[0] or item
        names = f"api/{group}/{model}", f"api/{catalog_key(f'{group}/{model}')}", f"api/{group}", "api"
        return tuple(dict.fromkeys(names))
    return f"{kind}/{item}", kind


def on_price(key: str, discounts: Iterable[Discount]) -> tuple[Discount, ...]:
    """Return the discounts that can decide a price, the most specific one first: no more after one without an end."""
    found: list[Discount] = []
    for name in names_in(key):
        meant = sorted((each for each in discounts if each.on == name), key=lambda each: each.begins)
        found += meant
        if any(each.until is None for each in meant):
            break
    return tuple(found)


def discounted(listed: Price, held: Mapping[str, Discount]) -> Price:
    """Return a list price with the most specific of the discounts; the list price where none is given for it.

    held: discounts by what they are given for.
    """
    found = next((held[name] for name in names_in(listed.key) if name in held), None)
    return found.taken_off(listed) if found else listed


def held_on(discounts: Iterable[Discount], day: date) -> dict[str, Discount]:
    """Return the discounts that hold on a day, by what they are given for."""
    return {discount.on: discount for discount in discounts if discount.holds_on(day)}
