"""On-demand prices and zones of EC2 instance types, as an account's own price list and EC2 state them.

The price list is asked for one instance type in one region at a time, for Linux without further software on shared
machines. An answer counts where all its rows agree on one amount above zero, in US dollars an hour. Everything else is
told and written nowhere. REF005: a price that cannot be used. REF006: a price or zone that is not there.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any

from planner.domain.price_lists import PRICE_LIST
from planner.edges.aws_account import GET_PRODUCTS, ZONE_OFFERINGS, Account, Refused
from planner.words.diagnostics import Problem

PRICE_LIST_REGION = "us-east-1"
"""Region whose endpoint serves the price list of all regions."""
SOURCE_NAME = "price-list"
SOURCE = PRICE_LIST
HOURS = "Hrs"
"""How the price list writes an hour."""
FILTERS = {
    "operatingSystem": "Linux",
    "preInstalledSw": "NA",
    "tenancy": "Shared",
    "capacitystatus": "Used",
    "marketoption": "OnDemand",
}
"""What holds for every product that is asked for, beside its region and its type."""


@dataclass(frozen=True)
class FoundPrices:
    """What a source said.

    usd: the prices that can be used, by name.
    told: what cannot be used or is not there; each is a warning.
    """

    usd: Mapping[str, Decimal]
    told: tuple[Problem, ...]


def on_demand_prices(account: Account, region: str, types: Iterable[str]) -> FoundPrices:
    """Return the on-demand prices of instance types in a region, USD an hour. Raises `Problems`."""
    usd: dict[str, Decimal] = {}
    told: list[Problem] = []
    for name in sorted(set(types)):
        wanted = {"regionCode": region, "instanceType": name, **FILTERS}
        filters = [{"Type": "TERM_MATCH", "Field": field, "Value": value} for field, value in wanted.items()]
        try:
            rows = account.ask(GET_PRODUCTS, PRICE_LIST_REGION, ServiceCode="AmazonEC2", Filters=filters)
        except Refused as refused:
            told.append(_told("REF006", f"{name} in {region} was not priced: {refused}"))
            continue
        amounts = set()
        for amount, doubt in _amounts(rows, region, name):
            if doubt:
                told.append(_told("REF005", f"{name} in {region}: {doubt}"))
            else:
                amounts.add(amount)
        if len(amounts) > 1:
            listed = ", ".join(f"${amount}" for amount in sorted(amounts))
            told.append(_told("REF005", f"{name} in {region} has contradicting on-demand prices: {listed}"))
        elif amounts:
            usd[name] = amounts.pop()
        elif not rows:
            told.append(_told("REF006", f"the price list has no on-demand price of {name} in {region}"))
    return FoundPrices(usd, tuple(told))


def zones_that_sell(account: Account, region: str, types: Iterable[str]) -> Mapping[str, tuple[str, ...]]:
    """Return the zone ids that sell each instance type in a region; a type that no zone sells is left out."""
    values = sorted(set(types))
    rows = account.ask(
        ZONE_OFFERINGS,
        region,
        LocationType="availability-zone-id",
        Filters=[{"Name": "instance-type", "Values": values}],
    )
    sold: dict[str, set[str]] = {}
    for row in rows:
        if row["InstanceType"] in values:
            sold.setdefault(row["InstanceType"], set()).add(row["Location"])
    return {name: tuple(sorted(zones)) for name, zones in sorted(sold.items())}


def _amounts(rows: Iterable[Any], region: str, name: str) -> Iterator[tuple[Decimal, str]]:
    """Yield (USD an hour, "") of each price of each product, or (0, why it cannot be used)."""
    nothing = Decimal(0)
    for text in rows:
        try:
            product = json.loads(text)
            attributes = product["product"]["attributes"]
            terms = product["terms"].get("OnDemand", {})
            dimensions = [part for term in terms.values() for part in term["priceDimensions"].values()]
        except (ValueError, KeyError, AttributeError, TypeError) as error:
            yield nothing, f"a product of the price list cannot be read ({type(error).__name__}: {error})"
            continue
        if (attributes.get("regionCode", region), attributes.get("instanceType", name)) != (region, name):
            yield nothing, f"the price list answers with {attributes.get('instanceType')} instead"
            continue
        if not dimensions:
            yield nothing, "its product has no on-demand term"
        for part in dimensions:
            yield _amount(part)


def _amount(part: Mapping[str, Any]) -> tuple[Decimal, str]:
    nothing = Decimal(0)
    unit, by_currency = part.get("unit"), part.get("pricePerUnit", {})
    if unit != HOURS:
        return nothing, f"its price is for one {unit!r}, not an hour ({HOURS})"
    if "USD" not in by_currency:
        return nothing, f"its price is in {', '.join(sorted(by_currency)) or 'no currency'}, not in USD"
    try:
        usd = Decimal(by_currency["USD"]).normalize()
    except InvalidOperation:
        return nothing, f"its price is no number: {by_currency['USD']!r}"
    return (usd, "") if usd.is_finite() and usd > 0 else (nothing, f"its price is {usd}, and nothing is free")


def _told(code: str, message: str) -> Problem:
    return Problem(code, message, hint="the price that plans use stays as it is", severity="warning")
