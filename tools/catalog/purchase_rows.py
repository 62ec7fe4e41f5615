"""Prices of machines that are not bought on demand, from the raw tables: spot by zone, commitments, capacity blocks.

They are rows of the second snapshot. Of two sources of one price the newer holds. What is not a price of today stays
out, and `refused` says why: a sheet of before the last cut of its family, spot in a local zone, and spot at the price
on demand, which is no offer but a sign that a zone has nothing to spare.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from planner.domain.prices import earliest_day
from planner.domain.purchases import COMMITMENTS, Commitment, capacity_block_key, spot_key
from planner.edges.catalog_files import load_catalog
from tools.catalog import selection as choose
from tools.catalog.price_rows import price_row
from tools.catalog.raw_tables import Fact, RawRow, source_text, table

BY_ZONE = "snapshot, one value per AZ"
"""Kind of the rows of spot that were read, and not computed from others."""
STANDARD = "standard-ri"
STALE = "stale-before-2025-06-cut"
"""Status of a committed price of before the last cut of its family."""
CURRENT = "current"
UNDATED = "undated"
"""Note of a price whose source states no day. What it lists places it in the first half of 2026."""
_COMMITMENTS: dict[tuple[str, str], Commitment] = {(each.term, each.payment): each for each in COMMITMENTS}


def purchase_prices(raw: Path) -> Iterator[Fact]:
    """Prices by zone and by commitment, and of capacity blocks, of the machines and regions of the catalog."""
    yield from _spot(raw)
    yield from _committed(raw)
    yield from _blocks(raw)


def refused(raw: Path) -> Iterator[str]:
    """Why a row of the raw tables is no price: it is of before the last cut of its family, or no offer."""
    for row in table(raw, "aws_spot.csv"):
        if _is_spot(row) and (why := _no_offer(row)):
            yield f"{row['zone']} {row['instance_type']} spot: {why}"
    for row in table(raw, "aws_committed.csv"):
        if row["plan"] == STANDARD and _is_known(row) and row["status"] == STALE:
            what = f"{row['region']} {row['instance_type']} {row['term']} {row['payment']}"
            yield f"{what}: {row['as_of']} is before the last cut of its family"


def _spot(raw: Path) -> Iterator[Fact]:
    for row in table(raw, "aws_spot.csv"):
        if _is_spot(row) and not _no_offer(row):
            key = spot_key(row["region"], row["instance_type"], row["zone"])
            source, as_of = source_text(row["source"]), row["as_of"].split()[0]
            yield price_row(key, row["usd_per_hour"], "hour", source, as_of, note=UNDATED)


def _committed(raw: Path) -> Iterator[Fact]:
    """The newest price of each commitment; a row that leaves term or payment open is none."""
    newest: dict[str, Fact] = {}
    for row in table(raw, "aws_committed.csv"):
        commitment = _COMMITMENTS.get((row["term"], row["payment"]))
        if commitment is None or row["plan"] != STANDARD or row["status"] == STALE or not _is_known(row):
            continue
        key = commitment.price_key(row["region"], row["instance_type"])
        fact = price_row(key, row["usd_per_hour"], "hour", source_text(row["source"]), row["as_of"])
        if key not in newest or earliest_day(newest[key]["as_of"]) < earliest_day(fact["as_of"]):
            newest[key] = fact
    yield from newest.values()


def _blocks(raw: Path) -> Iterator[Fact]:
    for row in table(raw, "aws_capacity_blocks.csv"):
        if row["status"] == CURRENT and _is_known(row):
            key = capacity_block_key(row["region"], row["instance_type"])
            source = source_text(row["source"].removeprefix("github.com/"))
            yield price_row(key, row["usd_per_instance_hour"], "hour", source, row["as_of"])


def _is_spot(row: RawRow) -> bool:
    return row["kind"] == BY_ZONE and _is_known(row)


def _no_offer(row: RawRow) -> str:
    """Why nobody can buy at a price of spot; empty where somebody can."""
    if not re.fullmatch(r"[a-z0-9]+-az[0-9]+", row["zone"]):
        return "a local zone, in which no cluster of a plan stands"
    return "the price on demand, so that nothing was to spare" if "equals on-demand" in row["source"] else ""


def _is_known(row: RawRow) -> bool:
    """Whether the catalog has the machine and the region, which is none of another partition of AWS."""
    catalog, region = load_catalog(), row["region"]
    return region in catalog.regions.keys() - choose.OTHER_PARTITIONS and row["instance_type"] in catalog.instances
