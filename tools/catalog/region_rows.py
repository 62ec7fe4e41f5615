"""Regions and their prices from the raw tables: where GPU machines are sold, and what they and the platform cost there.

The prices are those of the second snapshot. A price of one region never stands for another one's; the rows of the first
snapshot fill only what the newer tables lack in the two regions that it had.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from planner.domain.prices import ON_DEMAND, earliest_day
from planner.edges.catalog_files import load_catalog
from tools.catalog import selection as choose
from tools.catalog.price_rows import ec2_prices, platform_prices, price_row
from tools.catalog.raw_tables import Fact, RawRow, source_text, table
from tools.catalog.yaml_text import OneLine


def regions(raw: Path) -> Iterator[Fact]:
    """All regions: those whose zones are known, those with prices alone, and those of other partitions."""
    zones: dict[str, dict[str, list[str]]] = {}
    for row in table(raw, "aws_az_offerings.csv"):
        if _family(row["instance_type"]) in choose.FAMILIES:
            zones.setdefault(row["region"], {}).setdefault(row["instance_type"], []).append(row["az_id"])
    types = [row["instance_type"] for row in table(raw, "aws_gpu_instances.csv") if row["family"] in choose.FAMILIES]
    prices = table(raw, "aws_ondemand_by_region.csv")
    priced = {row["region"] for row in prices if _family(row["instance_type"]) in choose.FAMILIES}
    for region in sorted({*zones, *choose.OTHER_PARTITIONS, *(row["region"] for row in prices)}):
        if region in zones:
            yield {"key": region, **_sold(types, zones[region]), **choose.ZONES_FROM}
        else:
            missing = choose.WITHOUT_ZONES if region in priced else choose.WITHOUT_EITHER
            missing = choose.OTHER_PARTITIONS.get(region, missing)
            yield {"key": region, "missing": missing, "families": OneLine(), **choose.LOOKED_FOR}


def _sold(types: list[str], zones: dict[str, list[str]]) -> Fact:
    """The zones of each family that is sold: those of most of its types, and the exceptions."""
    families: dict[str, tuple[str, ...]] = {}
    exceptions: dict[str, list[str]] = {}
    for family in sorted({_family(name) for name in zones}):
        own = {name: tuple(sorted(zones.get(name, ()))) for name in types if _family(name) == family}
        families[family] = max(Counter(own.values()).items(), key=lambda pair: (pair[1], pair[0]))[0]
        exceptions |= {name: list(sold) for name, sold in own.items() if sold != families[family]}
    told: Fact = {"families": {family: list(sold) for family, sold in families.items()}}
    return told | ({"types": dict(sorted(exceptions.items()))} if exceptions else {})


def region_prices(raw: Path) -> Iterator[Fact]:
    """On-demand prices of machines and prices of platform items in every region, with what the first snapshot adds."""
    newer = {fact["key"]: fact for fact in (*_machines(raw), *_platform(raw))}
    older = {fact["key"]: fact for fact in (*ec2_prices(raw), *platform_prices(raw))}
    yield from (older | newer).values()


def refused(raw: Path) -> Iterator[str]:
    """Why a row of the raw tables is not in the snapshot: it is older than its family's last cut, or has no day."""
    for row in table(raw, "aws_ondemand_by_region.csv"):
        if _is_planned(row) and is_before_the_cut(row["instance_type"], row["as_of"]):
            yield f"{row['region']} {row['instance_type']}: {row['as_of']} is before the last cut of its family"
    rows = table(raw, "aws_platform_by_region.csv")
    for row in rows:
        if row["item"] in choose.PLATFORM_BY_REGION and _day(row, rows) is None:
            yield f"{row['region']} {row['item']}: no day ({row['as_of']})"


def is_before_the_cut(instance_type: str, as_of: str) -> bool:
    """Whether a price may be of before the last cut of its family, so that it is not the price of today."""
    key = f"ec2/any/{instance_type}/{ON_DEMAND}"
    return load_catalog().prices.cut_since(key, as_of.split()[0]) is not None


def _machines(raw: Path) -> Iterator[Fact]:
    for row in table(raw, "aws_ondemand_by_region.csv"):
        if _is_planned(row) and not is_before_the_cut(row["instance_type"], row["as_of"]):
            key = f"ec2/{row['region']}/{row['instance_type']}/on-demand"
            note = "" if row["status"] == "ok" else choose.READ_EARLIER
            day = row["as_of"].split()[0]
            yield price_row(key, row["usd_per_hour"], "hour", _source(row["source"]), day, note=note)


def _platform(raw: Path) -> Iterator[Fact]:
    rows = table(raw, "aws_platform_by_region.csv")
    for row in rows:
        if row["item"] in choose.PLATFORM_BY_REGION and (day := _day(row, rows)) is not None:
            name, unit = choose.PLATFORM_BY_REGION[row["item"]]
            note = "" if row["status"] == "verified" else row["status"]
            key = f"platform/{row['region']}/{name}"
            yield price_row(key, row["usd"], unit, _source(row["source"]), day, note=note)


def _day(row: RawRow, rows: list[RawRow]) -> str | None:
    """The day of a platform price. What was inferred is as old as the oldest price that it was inferred from."""
    if row["as_of"] == "inferred":
        hourly = row["item"].replace("-gb", "-hour") if "nat-gateway-hour" in row["source"] else row["item"]
        same = (r for r in rows if r["item"] == hourly and r["as_of"] != "inferred")
        days = [_day(r, rows) for r in same if hourly == row["item"] or r["region"] == row["region"]]
        return min((day for day in days if day is not None), key=earliest_day, default=None)
    found = re.fullmatch(r"(\d{4}(?:-\d{2}){0,2})|undated \(.*?(\d{4}).*\)", row["as_of"])
    return (found[1] or found[2]) if found else None


def _is_planned(row: RawRow) -> bool:
    return _family(row["instance_type"]) in choose.FAMILIES or row["instance_type"] in choose.SYSTEM_NODES_BY_REGION


def _source(text: str) -> str:
    """A source in the words of a reader who looks for it."""
    plain = text.removeprefix("existing aws_prices_long.csv: ")
    return source_text(re.sub(r"stored public GitHub file id \d+", "github.com public file", plain))


def _family(instance_type: str) -> str:
    return instance_type.partition(".")[0]
