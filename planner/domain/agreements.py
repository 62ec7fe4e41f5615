"""What a team has agreed holds from one day to another: the prices of a day, and the days on which they change.

An own price holds over the list price until it ends; a discount is taken off list prices from its first day to its
last. So each day has its prices, and between two days on which something begins or ends they stay.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from decimal import Decimal

from planner.domain.discounts import Agreed, Discount, OwnPrice, agreed_of, discounted, held_on
from planner.domain.prices import Price, earliest_day
from planner.words.layered import Layered

Prices = Mapping[str, Price]
FAR_OFF = Decimal(5)
"""Factor between an own price and the list price from which on the own one is doubted. It lies above what is agreed and
below what a mistake makes: no published discount on machines or tokens takes off 80 %, and a price of one GPU for one
of a machine is 8 times off, of a month for an hour 730 times, and of a thousand tokens for a million 1,000 times."""


@dataclass(frozen=True)
class Agreements:
    """The agreements of a team stand beside the list prices over which they hold.

    listed: list prices by key: those of the snapshot, and over them those that a refresh read.
    prices: own prices by key.
    discounts: discounts; of two on the same thing one has ended before the other begins.
    """

    listed: Prices = field(repr=False)
    prices: Mapping[str, OwnPrice] = field(default_factory=dict)
    discounts: tuple[Discount, ...] = ()

    def on(self, day: date) -> Prices:
        """Return the prices of a day."""
        own = {key: price for key, price in self.prices.items() if price.holds_on(day)}
        return self._over_list(own, held_on(self.discounts, day))

    def on_some_day(self) -> Prices:
        """Return the prices with all that is agreed, whenever it holds."""
        return self._over_list(self.prices, {discount.on: discount for discount in self.discounts})

    def hold_on(self, day: date) -> bool:
        """Return whether anything that is agreed holds on a day."""
        return any(each.holds_on(day) for each in self._all())

    def turns(self, start: date, end: date) -> tuple[date, ...]:
        """Return the days after `start` and before `end` on which something begins or has just ended, sorted."""
        days = {discount.begins for discount in self.discounts}
        days |= {last + timedelta(days=1) for last in (each.until for each in self._all()) if last is not None}
        return tuple(sorted(day for day in days if start < day < end))

    def out_of(self, start: date, end: date) -> Iterator[tuple[Agreed, str]]:
        """Yield what holds on no day from `start` to before `end`, each with what became of it, in words."""
        for each in self._all():
            if each.until is not None and each.until < start:
                yield each, f"ended on {each.until.isoformat()}, before the horizon"
            elif isinstance(each, Discount) and each.begins >= end:
                yield each, f"begins on {each.begins.isoformat()}, after the horizon"

    def far_off(self, start: date, end: date) -> Iterator[tuple[OwnPrice, Price]]:
        """Yield (own price, list price) where they are further apart than a discount or a surcharge explains.

        start, end: days between which the own price holds on some day.
        """
        for key in sorted(self.prices):
            own, listed = self.prices[key], self.listed.get(key)
            is_held = own.holds_on(start) and earliest_day(own.as_of) < end
            if listed is not None and is_held and not 1 / FAR_OFF <= own.usd / listed.usd <= FAR_OFF:
                yield own, listed

    def _all(self) -> Iterator[Agreed]:
        yield from self.discounts
        yield from (self.prices[key] for key in sorted(self.prices))

    def _over_list(self, own: Mapping[str, OwnPrice], held: Mapping[str, Discount]) -> Prices:
        above: Prices = Layered[Price]({}, own, lambda key, price: self._beside_list(key, price))
        return Layered(above, self.listed, lambda _, price: discounted(price, held))

    def _beside_list(self, key: str, price: Price) -> Price:
        return price.beside(self.listed.get(key)) if isinstance(price, OwnPrice) else price


def repriced(keys: Iterable[str], before: Prices, after: Prices) -> dict[str, tuple[Price | None, Price | None]]:
    """Return (price before, price after) of those of some keys whose price differs, by key."""
    pairs = {key: (before.get(key), after.get(key)) for key in sorted(set(keys))}
    return {key: (old, new) for key, (old, new) in pairs.items() if _usd(old) != _usd(new)}


def turn_words(changes: Iterable[tuple[Price | None, Price | None]], day: date) -> tuple[str, ...]:
    """Say what ends and what begins where prices change on a day, like `12 % off ec2 (EDP 2026) ends`, each once.

    changes: prices before and after. Own prices of one source are counted.
    """
    pairs = [(agreed_of(old), agreed_of(new)) for old, new in changes]
    ended = [old for old, _ in pairs if old is not None and not old.holds_on(day)]
    begun = [new for _, new in pairs if new is not None and not new.holds_on(day - timedelta(days=1))]
    return (*_turned(ended, "ends", "end"), *_turned(begun, "begins", "begin"))


def named(agreed: Agreed) -> str:
    """Name what is agreed, like `12 % off ec2 (EDP 2026)`."""
    if isinstance(agreed, Discount):
        return f"{agreed.percent:f} % off {agreed.on} ({agreed.source})"
    return f"the own price of {agreed.key} ({agreed.agreed_in})"


def _turned(agreed: Iterable[Agreed], one: str, many: str) -> Iterator[str]:
    sources: dict[str, set[str]] = {}
    for each in agreed:
        if isinstance(each, Discount):
            sources.setdefault(named(each), set())
        else:
            sources.setdefault(each.agreed_in, set()).add(each.key)
    for words, keys in sorted(sources.items()):
        if len(keys) > 1:
            yield f"{len(keys)} own prices ({words}) {many}"
        else:
            yield f"the own price of {next(iter(keys))} ({words}) {one}" if keys else f"{words} {one}"


def _usd(price: Price | None) -> object:
    return None if price is None else price.usd
