"""Rates of EC2 that plans do not use yet: spot prices, capacity blocks and savings plans, as an account sees them.

They are read for a report. A spot price moves, so that one figure stands for a span of days: the price below which a
machine could be had three quarters of the time, zone by zone.
"""

from __future__ import annotations

import datetime
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from planner.edges.aws_account import CAPACITY_BLOCKS, SAVINGS_RATES, SPOT_HISTORY, Account, Refused
from planner.words.diagnostics import Problem

SPOT_DAYS = 14
"""Days of spot prices that are read."""
SPOT_SHARE = Decimal("0.75")
"""Share of these days in which the spot price was no higher than the figure that stands for them."""
BLOCK_HOURS = 24
"""Length of the capacity blocks that are asked for, hours."""
BLOCK_DAYS = 56
"""Days ahead in which a capacity block may begin."""
SAVINGS_REGION = "us-east-1"
"""Region whose endpoint serves the savings plans of all regions."""
YEAR_S = 365 * 24 * 3600
_SMALLEST = datetime.timedelta(microseconds=1)


@dataclass(frozen=True)
class Rate:
    """One rate that plans do not use.

    option: `spot`, `capacity-block` or `savings-plan`.
    region, zone, instance_type: where it holds and of what; the zone is empty where it holds in all.
    usd: US dollars an hour.
    terms: what the rate binds to, in words.
    source: where it was read.
    """

    option: str
    region: str
    zone: str
    instance_type: str
    usd: Decimal
    terms: str
    source: str


@dataclass(frozen=True)
class Rates:
    """Rates that were read, sorted, and what was not there."""

    rows: tuple[Rate, ...]
    told: tuple[Problem, ...]


def spot_rates(account: Account, region: str, types: Sequence[str], today: datetime.date) -> Rates:
    """Return the spot price of each type in each zone: that of three quarters of the last days. Raises `Problems`."""
    end = datetime.datetime.combine(today, datetime.time(), datetime.UTC) + datetime.timedelta(days=1)
    start = end - datetime.timedelta(days=SPOT_DAYS)
    points: defaultdict[tuple[str, str], list[tuple[datetime.datetime, Decimal]]] = defaultdict(list)
    rows = account.ask(
        SPOT_HISTORY,
        region,
        InstanceTypes=sorted(types),
        ProductDescriptions=["Linux/UNIX"],
        StartTime=start,
        EndTime=end,
    )
    for row in rows:
        zone = row.get("AvailabilityZoneId") or row["AvailabilityZone"]
        points[row["InstanceType"], zone].append((row["Timestamp"], Decimal(row["SpotPrice"]).normalize()))
    terms = f"no higher in {SPOT_SHARE:.0%} of {SPOT_DAYS} days"
    found = [
        Rate("spot", region, zone, name, price, terms, "EC2 describe_spot_price_history")
        for (name, zone), history in points.items()
        if (price := held_quantile(history, start, end, SPOT_SHARE)) > 0
    ]
    return _rates(found, region, types, "spot")


def held_quantile(
    history: Iterable[tuple[datetime.datetime, Decimal]],
    start: datetime.datetime,
    end: datetime.datetime,
    share: Decimal,
) -> Decimal:
    """Return the lowest price that was not exceeded in that share of the time.

    history: when each price began; it holds until the next one. What holds at `start` may have begun before it.
    """
    ordered = sorted(history)
    held: defaultdict[Decimal, int] = defaultdict(int)
    for number, (begins, price) in enumerate(ordered):
        until = ordered[number + 1][0] if number + 1 < len(ordered) else end
        held[price] += max(0, (min(until, end) - max(begins, start)) // _SMALLEST)
    needed, reached = sum(held.values()) * share, 0
    for price in sorted(held):
        reached += held[price]
        if reached >= needed:
            return price
    raise ValueError("no price was held")


def capacity_block_rates(account: Account, region: str, types: Sequence[str], today: datetime.date) -> Rates:
    """Return what a machine costs an hour in the capacity blocks of a day that are offered. Raises `Problems`."""
    start = datetime.datetime.combine(today, datetime.time(), datetime.UTC)
    cheapest: dict[tuple[str, str], Rate] = {}
    told: list[Problem] = []
    for name in sorted(types):
        try:
            rows = account.ask(
                CAPACITY_BLOCKS,
                region,
                InstanceType=name,
                InstanceCount=1,
                CapacityDurationHours=BLOCK_HOURS,
                StartDateRange=start,
                EndDateRange=start + datetime.timedelta(days=BLOCK_DAYS),
            )
        except Refused as refused:
            told.append(_told("REF006", f"no capacity block of {name} in {region}: {refused.code}"))
            continue
        for row in rows:
            if row.get("CurrencyCode", "USD") != "USD":
                told.append(_told("REF005", f"a capacity block of {name} in {region} costs {row['CurrencyCode']}"))
                continue
            hours = Decimal(row["CapacityBlockDurationHours"]) * row["InstanceCount"]
            usd = (Decimal(row["UpfrontFee"]) / hours).quantize(Decimal("0.0001")).normalize()
            terms = f"{row['CapacityBlockDurationHours']} hours from {row['StartDate']:%Y-%m-%d}, paid before"
            source = "EC2 describe_capacity_block_offerings"
            rate = Rate("capacity-block", region, row["AvailabilityZone"], name, usd, terms, source)
            key = (name, rate.zone)
            if usd > 0 and (key not in cheapest or usd < cheapest[key].usd):
                cheapest[key] = rate
    found = _rates(cheapest.values(), region, types, "capacity-block")
    return Rates(found.rows, (*told, *found.told) if found.rows or not told else tuple(told))


def savings_plan_rates(account: Account, region: str, types: Sequence[str]) -> Rates:
    """Return the rates of savings plans without a payment before, by type, plan and years. Raises `Problems`."""
    wanted = {
        "region": [region],
        "instanceType": sorted(types),
        "productDescription": ["Linux/UNIX"],
        "tenancy": ["shared"],
    }
    rows = account.ask(
        SAVINGS_RATES,
        SAVINGS_REGION,
        savingsPlanPaymentOptions=["No Upfront"],
        savingsPlanTypes=["Compute", "EC2Instance"],
        products=["EC2"],
        serviceCodes=["AmazonEC2"],
        filters=[{"name": name, "values": values} for name, values in wanted.items()],
    )
    found: dict[tuple[str, str], Rate] = {}
    told: list[Problem] = []
    for row in rows:
        offering, properties = row["savingsPlanOffering"], {part["name"]: part["value"] for part in row["properties"]}
        name = properties.get("instanceType", "")
        if offering.get("currency", "USD") != "USD" or row.get("unit", "Hrs") != "Hrs":
            unit = f"{offering.get('currency')} for one {row.get('unit')}"
            told.append(_told("REF005", f"a savings plan for {name} in {region} is in {unit}"))
            continue
        years = round(offering["durationSeconds"] / YEAR_S)
        terms = f"{offering['planType']} savings plan, {years} year{'s' * (years > 1)}, {offering['paymentOption']}"
        usd = Decimal(row["rate"]).normalize()
        if name in types and usd > 0:
            source = "Savings Plans describe_savings_plans_offering_rates"
            found[name, terms] = Rate("savings-plan", region, "", name, usd, terms, source)
    rates = _rates(found.values(), region, types, "savings-plan")
    return Rates(rates.rows, (*told, *rates.told))


def report(rates: Iterable[Rate], zones: Mapping[str, Mapping[str, Sequence[str]]], today: str) -> dict[str, object]:
    """Return the report of a refresh as plain values: rates, and the zones that sell each type, with their day."""
    rows = [{**vars(rate), "usd": float(rate.usd), "unit": "hour", "as_of": today} for rate in rates]
    return {
        "as_of": today,
        "used_by_plans": False,
        "rates": rows,
        "zones": {"source": "EC2 describe_instance_type_offerings", "as_of": today, "by_region": zones},
    }


def _rates(found: Iterable[Rate], region: str, types: Iterable[str], option: str) -> Rates:
    rows = tuple(sorted(found, key=lambda rate: (rate.region, rate.instance_type, rate.zone, rate.terms)))
    return Rates(rows, tuple(_missing(rows, region, types, option)))


def _missing(rows: Sequence[Rate], region: str, types: Iterable[str], option: str) -> Iterator[Problem]:
    missing = sorted(set(types) - {rate.instance_type for rate in rows})
    if missing:
        yield _told("REF006", f"no {option} rate in {region} of {', '.join(missing)}")


def _told(code: str, message: str) -> Problem:
    return Problem(code, message, hint="it is left out of the report", severity="warning")
