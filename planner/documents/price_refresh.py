"""What a refresh would do to the team's own prices: compared with what plans use, before anything is written."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal

from planner.documents.price_file import FreshPrices, Names, PriceFile, Refreshed, plain_usd, refreshed
from planner.domain.price_changes import PriceChange, price_changes
from planner.domain.prices import Price, earliest_day
from planner.words.diagnostics import Problem

DOUBTFUL_SHARE = Decimal("0.20")
"""Share of a hosted model's price by which a second source may differ before somebody must accept it."""
_NO_CHANGE = Decimal(0)


@dataclass(frozen=True)
class RefreshedGroup:
    """One file of own prices after a refresh.

    kind, group: the first parts of the keys in it.
    result: the file, and what was kept or dropped.
    changes: what plans would see, against what they use now.
    held: prices that differ too much to be taken without a word, or that are older than those that plans use.
    older: how many prices are left out because plans use the same amounts of a later day.
    read: how many prices the source stated.
    """

    kind: str
    group: str
    result: Refreshed
    changes: tuple[PriceChange, ...]
    held: tuple[PriceChange, ...]
    older: int
    read: int

    def told(self, path: str) -> tuple[Problem, ...]:
        """Return what a reader must know of the file, as warnings."""
        by_hand = [self._key(names) for names in self.result.by_hand]
        gone = [self._key(names) for names in self.result.gone]
        problems = [
            Problem("REF008", _differs(change), hint="--accept-changes takes it", severity="warning")
            for change in self.held
        ]
        if by_hand:
            message = f"{path}: kept as it was written by hand: {', '.join(by_hand)}"
            problems.append(Problem("REF009", message, hint="remove a row to have it refreshed", severity="warning"))
        if gone:
            message = f"{path}: its source no longer states {', '.join(gone)}"
            hint = "the rows are left out; plans use the shipped prices again"
            problems.append(Problem("REF006", message, hint=hint, severity="warning"))
        return tuple(problems)

    def _key(self, names: Names) -> str:
        return "/".join((self.kind, self.group, *names))


@dataclass(frozen=True)
class PricesNow:
    """What plans use before a refresh: shipped prices by key, and the team's own files over them."""

    shipped: Mapping[str, Price]
    used: Mapping[str, Price]


def refreshed_group(
    kind: str,
    group: str,
    file: PriceFile,
    fresh: FreshPrices,
    now: PricesNow,
    most_change: Decimal | None = None,
) -> RefreshedGroup:
    """Return what a refresh makes of one file.

    most_change: share by which a price may differ from what plans use; a price of an earlier day than theirs may not
    differ at all. None admits whatever the source says.
    """
    before = {**now.used, **prices_of(file, kind, group)}
    stated = {"/".join((kind, group, *names)): names for names in fresh.usd}
    by_hand = {names for names in fresh.usd if file.rows.get(names, {}).get("source", fresh.name) != fresh.name}
    known = {key: before[key] for key, names in stated.items() if key in before and names not in by_hand}
    compared = price_changes(known, {key: Price(key, fresh.usd[stated[key]], fresh.unit, "", "") for key in known})
    day = earliest_day(fresh.as_of)
    older = (
        {key for key, price in known.items() if earliest_day(price.as_of) > day} if most_change is not None else set()
    )
    far = tuple(
        change
        for change in compared
        if most_change is not None and (change.key in older or abs(change.share or _NO_CHANGE) > most_change)
    )
    left_out = {stated[key] for key in older} | {stated[change.key] for change in far}
    usd = {names: usd for names, usd in fresh.usd.items() if names not in left_out}
    result = refreshed(file, replace(fresh, usd=usd), frozenset(left_out))
    then = prices_of(result.file, kind, group)
    touched = {*prices_of(file, kind, group), *then}
    was = {key: before[key] for key in touched if key in before}
    becomes = {key: price for key in touched if (price := then.get(key) or now.shipped.get(key)) is not None}
    same = len(older - {change.key for change in far})
    return RefreshedGroup(kind, group, result, price_changes(was, becomes), far, same, len(fresh.usd))


def prices_of(file: PriceFile, kind: str, group: str) -> Mapping[str, Price]:
    """Return the prices that a file states, by key; a row without an amount is no price."""
    found = {}
    for names, row in file.rows.items():
        if (usd := _amount(row.get("usd", ""))) is None:
            continue
        source = file.sources.get(row.get("source", ""), {})
        key = "/".join((kind, group, *names))
        as_of = row.get("as_of", source.get("as_of", ""))
        found[key] = Price(key, usd, row.get("unit", file.unit), source.get("source", ""), as_of)
    return found


def all_changes(groups: Iterable[RefreshedGroup]) -> tuple[PriceChange, ...]:
    """Return the changes of all files, sorted like those of one."""
    sides: tuple[dict[str, Price], dict[str, Price]] = ({}, {})
    for change in (change for group in groups for change in group.changes):
        for side, price in zip(sides, (change.before, change.after), strict=True):
            if price is not None:
                side[change.key] = price
    return price_changes(*sides)


def _amount(text: str) -> Decimal | None:
    try:
        usd = Decimal(text)
    except ArithmeticError:
        return None
    return usd if usd.is_finite() else None


def _differs(change: PriceChange) -> str:
    before = plain_usd(change.before.usd) if change.before else "none"
    after = plain_usd(change.after.usd) if change.after else "none"
    percent = f"{(change.share or _NO_CHANGE) * 100:+.0f} %"
    since = f" of {change.before.as_of}" if change.before else ""
    return f"the sources disagree on {change.key}: plans use ${before}{since}, the refresh read ${after} ({percent})"
