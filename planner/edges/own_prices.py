"""The team's own prices and discounts, held against what the catalog sells and what it bills in.

    catalog/prices/KIND/GROUP.yaml    prices that the team pays, in the form of a snapshot's files
    catalog/discounts.yaml            what is taken off list prices

CAT003: a list price with an end. CAT004: two discounts on the same thing that hold on the same day. CAT006: a price or
a discount of something that the catalog does not have. CAT008: a date that cannot hold. CAT009: a price in another
currency or unit. CAT010: a discount that takes off nothing or everything.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import fields, replace
from datetime import date
from itertools import pairwise
from typing import Any, get_args

from planner.domain.agreements import Agreements
from planner.domain.apis import PricePart, catalog_key
from planner.domain.catalog import Catalog, OwnRow
from planner.domain.discounts import Discount, OwnPrice, as_own, names_in, on_price
from planner.domain.gaps import did_you_mean
from planner.domain.price_lists import is_list_price
from planner.domain.prices import ON_DEMAND, Price, PriceSnapshot, earliest_day
from planner.domain.purchases import CAPACITY_BLOCK, COMMITMENTS, SPOT
from planner.edges.catalog_entries import UNSOURCED, CatalogReading, Entry
from planner.edges.catalog_files import load_catalog
from planner.edges.catalog_later import RowsByGroup
from planner.edges.catalog_tables import FactTable, fact_table
from planner.edges.price_entries import PRICE_KINDS, discount_entries, own_price_entries
from planner.words.diagnostics import Problem
from planner.words.layered import Layered

UNITS: Mapping[str, str] = {"ec2": "hour", "api": "Mtok"}
"""What prices of a kind are charged for; platform prices differ, each from the others."""
OPTIONS = (ON_DEMAND, CAPACITY_BLOCK, *(commitment.key for commitment in COMMITMENTS))
"""The options of purchase whose prices hold in a whole region. Those of spot hold in a zone."""
HOME = "us-east-1"
"""The region in which every type of machine and every item of the platform that has a price anywhere has one."""
_COLUMNS = frozenset(field.name for field in fields(Price))


def with_own_prices(
    catalog: Catalog, reading: CatalogReading, own: FactTable[OwnPrice], stated: Collection[str] = ()
) -> Catalog:
    """Return the catalog with the team's own prices over the snapshot's, which are net of the team's discounts.

    Prices are those with all that is agreed; `Catalog.priced_on` tells those of a day.

    Own rows that a refresh read from a price list are list prices too: discounts are taken off them, and they age.

    Names are held against the newest snapshot, whichever the catalog has: a lock that stays on an older one shall not
    break when the team agrees on what came later.

    catalog: the shipped catalog with all other own rows. own: the prices, as `own_prices` read them. stated: keys of
    own hosted models and machines, also of those whose rows are wrong, which have names all the same. What is wrong
    goes to the problems of the reading.
    """
    entries = discount_entries(reading)
    found = fact_table(entries, Discount, reading.problems)
    if not own.entries and not entries:
        return catalog
    reading.problems.extend(_unknown_prices(own.entries.values(), catalog, stated))
    read = {key: _list_price(price) for key, price in own.values.items() if is_list_price(price.source)}
    reading.problems.extend(_unsold(found.entries.values(), catalog, own.entries.keys() - read.keys(), stated))
    reading.problems.extend(_dates(own.values, own.entries, found, catalog.prices))
    agreed = {key: as_own(price) for key, price in own.values.items() if key not in read}
    agreed_rows = {key: row for key, row in own.rows.items() if key in agreed}
    listed = Layered({key: row for key, row in own.rows.items() if key in read}, catalog.price_rows, lambda _, row: row)
    list_prices = Layered(read, catalog.prices.rows, lambda _, price: price)
    agreements = Agreements(list_prices, agreed, tuple(found.values.values()))
    return replace(
        catalog,
        prices=replace(catalog.prices, rows=agreements.on_some_day()),
        price_rows=Layered(agreed_rows, listed, lambda key, row: _with_discounts(key, row, found)),
        own={**catalog.own, **_own_rows("price", own, catalog.price_rows), **_own_rows("discount", found, ())},
        agreements=agreements,
    )


def own_prices(reading: CatalogReading) -> FactTable[OwnPrice]:
    """Return the prices of the team's own. Whatever is wrong with them goes to the problems of the reading."""
    entries = [_in_dollars(entry, reading.problems) for entry in own_price_entries(reading)]
    return fact_table(entries, OwnPrice, reading.problems)


def not_yet(catalog: Catalog, start: date) -> Iterator[Problem]:
    """Yield a problem for each own price that is of a day after the first one of the horizon.

    What a refresh read from a price list is a list price, and may be younger as those of the snapshot may. A discount
    may begin later: until then it is not taken off.
    """
    for key, row in catalog.own.items():
        kind, _, name = key.partition("/")
        agreed = kind == "price" and catalog.agreements is not None and name in catalog.agreements.prices
        if agreed and earliest_day(row.as_of) > start:
            message = f"the price {name} is of {row.as_of}, and the horizon starts on {start.isoformat()}"
            yield Problem("CAT008", message, row.where, "let `horizon.start` be that day or later, or mend the day")


def _own_rows(kind: str, table: FactTable[Any], shipped: Iterable[str]) -> dict[str, OwnRow]:
    return {
        f"{kind}/{key}": OwnRow(value.as_of, key in shipped, table.entries[key].span("as_of"), table.rows[key])
        for key, value in sorted(table.values.items())
    }


def _list_price(price: OwnPrice) -> Price:
    """Return what a refresh read from a price list, which has no end."""
    return Price(**{name: getattr(price, name) for name in _COLUMNS})


def _with_discounts(key: str, row: Mapping[str, Any], table: FactTable[Discount]) -> Mapping[str, Any]:
    """Return a row of the snapshot, as digests see it, with the discounts that can decide its price."""
    names = {discount: name for name, discount in table.values.items()}
    given = [table.rows[names[discount]] for discount in on_price(key, names)]
    return {**row, "discounts": given} if given else row


def _in_dollars(entry: Entry, problems: list[Problem]) -> Entry:
    """Return the entry without its row where it is in another currency than US dollars, which is a problem."""
    if entry.row is None:
        return entry
    usd = entry.row.get("usd")
    other = next((name for name in entry.row if re.fullmatch("[A-Za-z]{3}", name) and name not in _COLUMNS), None)
    if other is None and (usd is None or not re.search(r"[^\d.\s_+-]", str(usd)) or not re.search(r"\d", str(usd))):
        return entry
    told = f"in {other.upper()}" if other else f"as {usd!r}"
    hint = "all prices are in US dollars: write `usd: NUMBER`, and say in the source by which rate it was converted"
    where = entry.span(other or "usd")
    problems.append(Problem("CAT009", f"the price of {entry.key} is stated {told}", where, hint))
    return replace(entry, row=None)


def _unknown_prices(entries: Iterable[Entry], catalog: Catalog, stated: Collection[str]) -> Iterator[Problem]:
    """Yield a problem for each price of something that is not sold, or that is charged for in another unit."""
    apis, items = {*_priced_addresses(catalog), *stated}, _platform_items()
    for entry in entries:
        kind, group, rest = entry.key.split("/", 2)
        item, _, last = rest.rpartition("/")
        if kind == "platform":
            known: tuple[tuple[str, str, Iterable[str]], ...] = (
                ("region", group, catalog.regions),
                ("item of the platform", rest, items),
            )
        elif kind == "ec2":
            known = _machine_names(group, rest, catalog, stated)
        else:
            name = f"{group}/{item or rest}"
            is_further = name != catalog_key(name) and catalog_key(name) in apis
            known = (
                ("address with prices of its own" if is_further else "hosted model", name, apis),
                ("part of a price", last if item else "", get_args(PricePart)),
            )
        wrong = next(((what, name, names) for what, name, names in known if name not in names), None)
        if wrong is not None:
            what, name, names = wrong
            message = f"there is no {what} {name!r} to price" if name else f"{entry.key} names no {what}"
            yield Problem("CAT006", message, entry.span(), did_you_mean(name, names))
            continue
        unit = UNITS.get(kind) or items[rest]
        if entry.row is not None and entry.row.get("unit", unit) != unit:
            message = f"the price of {entry.key} is stated for one {entry.row['unit']}"
            yield Problem("CAT009", message, entry.span("unit"), f"state it for one {unit}")


def _machine_names(
    region: str, rest: str, catalog: Catalog, stated: Collection[str]
) -> tuple[tuple[str, str, Iterable[str]], ...]:
    """Return (what, name, known names) of each part of the key of a machine's price, after `ec2/`."""
    name, _, option = rest.partition("/")
    known: tuple[tuple[str, str, Iterable[str]], ...] = (
        ("region", region, catalog.regions),
        ("instance type", name, {*_instance_types(catalog, region), *stated}),
    )
    purchase, _, zone = option.partition("/")
    if purchase == SPOT:
        sold = catalog.regions.get(region)
        return (*known, ("zone", zone, sold.zones_of(name) if sold else ()))
    return (*known, ("purchase option", option, (*OPTIONS, f"{SPOT}/ZONE")))


def _unsold(
    entries: Iterable[Entry], catalog: Catalog, own: Collection[str], stated: Collection[str]
) -> Iterator[Problem]:
    """Yield a problem for each discount on something that the catalog does not sell, or that has own prices alone."""
    agreed = {name for key in own for name in names_in(key)}
    for entry in entries:
        on = str(entry.row["on"]) if entry.row else entry.key
        sold = _sold(on, catalog) | {name for key in stated for name in _names_of(key)}
        if on in sold and not _is_net(on, own, agreed):
            continue
        if on in agreed:
            message = f"all prices of {on} are your own, and those are net: nothing is left to discount"
            yield Problem("CAT010", message, entry.span("on"), "leave the discount out, or the prices")
        else:
            hint = did_you_mean(on, sold | agreed)
            yield Problem("CAT006", f"there is nothing named {on!r} to discount", entry.span("on"), hint)


def _sold(on: str, catalog: Catalog) -> set[str]:
    """Return the names of what is sold, of the kind of a discount. Few files of prices are read for that."""
    kind = on.partition("/")[0]
    if kind == "api":
        return {
            "api",
            *(f"api/{row.provider}" for row in catalog.apis),
            *(f"api/{at}" for at in _priced_addresses(catalog)),
        }
    if kind == "platform":
        return {"platform", *(f"platform/{item}" for item in _platform_items())}
    types = _instance_types(catalog, HOME)
    return {*PRICE_KINDS, *(f"ec2/{name}" for name in types), *(f"ec2/{name.partition('.')[0]}" for name in types)}


def _names_of(key: str) -> Iterator[str]:
    """Yield the names by which a discount can mean a hosted model or a machine of the team's own."""
    provider, _, slug = key.partition("/")
    yield from (f"api/{key}", f"api/{provider}") if slug else (f"ec2/{key}", f"ec2/{key.partition('.')[0]}")


def _is_net(on: str, own: Collection[str], agreed: Collection[str]) -> bool:
    """Return whether all prices of a provider or a hosted model are the team's own."""
    kind, _, rest = on.partition("/")
    if kind != "api" or not rest or on not in agreed:
        return False
    return not any(on in names_in(key) for key in _listed(f"api/{rest.partition('/')[0]}") if key not in own)


def _priced_addresses(catalog: Catalog) -> set[str]:
    """Return the keys of all hosted models, and of each with every address that has prices of its own for it."""
    keys = {row.key for row in catalog.apis}
    for row in catalog.apis:
        if (host := catalog.providers.get(row.provider)) is not None:
            keys.update(f"{row.key}@{name}" for name in host.priced_apart(row.slug))
    return keys


def _dates(
    prices: Mapping[str, OwnPrice],
    entries: Mapping[str, Entry],
    discounts: FactTable[Discount],
    shipped: PriceSnapshot,
) -> Iterator[Problem]:
    """Yield a problem for each price that is older than the last cut, and for each end that cannot be.

    shipped: the snapshot, which knows the cuts.
    """
    for key, price in prices.items():
        yield from _end(f"price of {key}", price, entries[key])
        if price.until is not None and is_list_price(price.source):
            hint = "leave `until` out: a refresh reads list prices again; or name the agreement as the source"
            yield Problem("CAT003", f"{key}: a list price has no end", entries[key].span("until"), hint)
        dated = _day(price.as_of) is not None
        if dated and (cut := shipped.cut_since(key, price.as_of)) is not None:
            day = cut.day.isoformat()
            message = f"the price of {key} is of {price.as_of}, before AWS cut the prices of {cut.key} on {day}"
            yield Problem("CAT008", message, entries[key].span("as_of"), "ask for the price that you pay today")
    for key, discount in discounts.values.items():
        yield from _end(f"discount on {discount.on}", discount, discounts.entries[key])
    yield from _at_once(discounts)


def _end(what: str, agreed: Discount | OwnPrice, entry: Entry) -> Iterator[Problem]:
    """Yield a problem where what is agreed ends before its first day."""
    began = _day(agreed.as_of)
    if agreed.until is not None and began is not None and agreed.until < began:
        message = f"the {what} ends on {agreed.until.isoformat()}, before it begins"
        yield Problem("CAT008", message, entry.span("until"), f"it is of {agreed.as_of}")


def _at_once(discounts: FactTable[Discount]) -> Iterator[Problem]:
    """Yield a problem for each discount that begins while another on the same thing holds."""
    found = (
        (began, discounts.entries[key], each) for key, each in discounts.values.items() if (began := _day(each.as_of))
    )
    dated = sorted(found, key=lambda each: (each[2].on, each[0], each[1].span().line))
    for (_, first, before), (began, entry, after) in pairwise(dated):
        if before.on == after.on and (before.until is None or began <= before.until):
            there = f"{first.span().file}:{first.span().line}"
            message = f"two discounts on {after.on} hold on {began.isoformat()}, the first in {there}"
            hint = "keep one of them, or let the first end (`until`) before the second begins (`as_of`)"
            yield Problem("CAT004", message, entry.span("on"), hint)


def _day(as_of: str) -> date | None:
    """Return the first day that a date can mean; None for none, which is a problem that was noted already."""
    try:
        return None if as_of == UNSOURCED["as_of"] else earliest_day(as_of)
    except ValueError:
        return None


def _instance_types(catalog: Catalog, region: str) -> set[str]:
    """Return the types of GPU machines, and of other machines with a price in a region."""
    return {*catalog.instances, *(key.split("/")[2] for key in _listed(f"ec2/{region}"))}


def _platform_items() -> dict[str, str]:
    """Return the items of the platform that have a price, with what it is charged for."""
    return {key.split("/", 2)[2]: row["unit"] for key, row in _listed(f"platform/{HOME}").items()}


def _listed(group: str) -> Mapping[str, Mapping[str, Any]]:
    """Return the prices of a group in the newest snapshot. No other file is read."""
    rows = load_catalog().price_rows
    assert isinstance(rows, RowsByGroup)
    return rows.group(group)
