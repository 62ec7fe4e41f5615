"""The build of prices of other purchase options: which rows become prices, which are refused, and the shipped ones."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from planner.domain.purchases import COMMITMENTS, committed_price, spot_price
from planner.edges.catalog_files import load_catalog
from tools.catalog import purchase_rows

RAW = Path(__file__).resolve().parents[4] / "shared" / "data"
HEADS = {
    "aws_spot.csv": "region,zone,instance_type,usd_per_hour,kind,as_of,source",
    "aws_committed.csv": "region,instance_type,term,plan,payment,usd_per_hour,as_of,source,status",
    "aws_capacity_blocks.csv": "instance_type,region,usd_per_instance_hour,as_of,source,status",
}
SNAPSHOT = '"snapshot, one value per AZ",2026-H1 (undated)'


def raw(folder: Path, **rows: list[str]) -> Path:
    """A folder of raw tables with some rows, by the second word of the table's name."""
    (folder / "catalog").mkdir()
    for name, head in HEADS.items():
        lines = [head, *rows.get(name.split("_")[1].removesuffix(".csv"), [])]
        (folder / "catalog" / name).write_text("\n".join(lines) + "\n", encoding="utf-8")
    return folder


def prices(folder: Path) -> dict[str, tuple[str, str]]:
    return {fact["key"]: (fact["usd"], fact["as_of"]) for fact in purchase_rows.purchase_prices(folder)}


def test_spot_is_read_by_zone_and_the_price_on_demand_is_no_offer(tmp_path: Path) -> None:
    folder = raw(
        tmp_path,
        spot=[
            f"us-east-1,use1-az1,g6e.xlarge,0.9000,{SNAPSHOT},a list",
            f"us-east-1,use1-az2,g6e.xlarge,1.861,{SNAPSHOT},a list [equals on-demand: nothing to spare]",
            "us-east-1,,g6e.xlarge,0.9,p75 over 1 AZ,2026-H1 (undated),a list",
            "us-east-1,,g6e.xlarge,0.8,average over AZs,2025-04-24,a list",
            f"us-east-1,use1-az1,m5.large,0.04,{SNAPSHOT},a list",
            f"us-east-1,use1-atl2-az1,g6e.xlarge,0.9,{SNAPSHOT},a list",
            f"mars-north-1,man1-az1,g6e.xlarge,0.9,{SNAPSHOT},a list",
        ],
    )
    (fact,) = purchase_rows.purchase_prices(folder)
    assert fact == {
        "key": "ec2/us-east-1/g6e.xlarge/spot/use1-az1",
        "usd": "0.9",
        "unit": "hour",
        "source": "a list",
        "as_of": "2026-H1",
        "note": "undated",
    }
    told = [why.partition(":")[0] for why in purchase_rows.refused(folder)]
    assert told == ["use1-az2 g6e.xlarge spot", "use1-atl2-az1 g6e.xlarge spot"]


def test_of_two_committed_prices_the_newer_holds_and_a_stale_one_never_does(tmp_path: Path) -> None:
    row = "us-east-1,{},{},{},{},{},{},a list,{}"
    folder = raw(
        tmp_path,
        committed=[
            row.format("g6e.xlarge", "1y", "standard-ri", "no-upfront", "1.2", "2026-01-21", "ok"),
            row.format("g6e.xlarge", "1y", "standard-ri", "no-upfront", "1.3", "2025-04-24", "ok"),
            row.format("g6e.xlarge", "3y", "standard-ri", "all-upfront", "0.8", "2025-04-24", "ok"),
            row.format("g6e.xlarge", "3y", "standard-ri", "all-upfront", "0.7", "2025-06", "ok"),
            row.format("g6e.xlarge", "1y", "convertible-ri", "all-upfront", "1", "2026-01-21", "ok"),
            row.format("g6e.xlarge", "3y", "standard-ri", "unknown", "1", "2026-08", "secondary"),
            row.format("p5.48xlarge", "3y", "standard-ri", "all-upfront", "40", "2025-04-24", purchase_rows.STALE),
        ],
    )
    assert prices(folder) == {
        "ec2/us-east-1/g6e.xlarge/reserved-1y/no-upfront": ("1.2", "2026-01-21"),
        "ec2/us-east-1/g6e.xlarge/reserved-3y/all-upfront": ("0.7", "2025-06"),
    }
    (why,) = purchase_rows.refused(folder)
    assert why == "us-east-1 p5.48xlarge 3y all-upfront: 2025-04-24 is before the last cut of its family"


def test_capacity_blocks_are_the_newest_in_regions_that_the_catalog_has(tmp_path: Path) -> None:
    folder = raw(
        tmp_path,
        capacity=[
            "p5.48xlarge,us-east-1,41.528,2026-07-22,a page,current",
            "p5.48xlarge,us-east-1,31.464,2026-01-31,a page,history",
            "p5.48xlarge,us-east-1-atl-2a,41.528,2026-07-22,a page,current",
            "p6-b200.48xlarge,us-gov-east-1,102.96,2026-07-22,a page,current",
            "trn1.32xlarge,us-east-1,9.5,2026-07-22,a page,current",
        ],
    )
    assert prices(folder) == {"ec2/us-east-1/p5.48xlarge/capacity-block": ("41.528", "2026-07-22")}


def test_every_shipped_purchase_price_is_of_a_machine_and_a_zone_of_its_region() -> None:
    catalog = load_catalog()
    found = [key.split("/") for key in catalog.prices.rows if key.count("/") > 3 or key.endswith("capacity-block")]
    assert len(found) > 3_000
    known = {each.key for each in COMMITMENTS}
    for _, region, instance_type, *option in found:
        assert instance_type in catalog.instances
        assert option == ["capacity-block"] or option[0] == "spot" or "/".join(option) in known, option
        families = catalog.regions[region].families.values()
        if option[0] == "spot":
            assert option[1].rpartition("-")[0] in {zone.rpartition("-")[0] for zones in families for zone in zones}


def test_no_shipped_commitment_is_refused_and_all_are_below_the_price_on_demand() -> None:
    catalog = load_catalog()
    for region in ("us-east-1", "eu-central-1"):
        for row in catalog.offered_in(region).available():
            for commitment in COMMITMENTS:
                key = commitment.price_key(region, row.instance_type)
                found = committed_price(catalog.prices, region, row.instance_type, commitment)
                assert found == catalog.prices.price(key)
                assert found is None or (row.price is not None and found.usd < row.price.usd), key
    assert catalog.prices.price("ec2/us-east-1/p5.48xlarge/reserved-3y/all-upfront") is None


def test_the_cuts_are_those_that_aws_announced() -> None:
    cuts = load_catalog().prices.cuts
    assert sorted(cuts) == ["p4d", "p4de", "p5", "p5e", "p5en"]
    assert {cut.day.isoformat() for cut in cuts.values()} == {"2025-06-01"}
    assert all("aws.amazon.com/blogs/aws/" in cut.source for cut in cuts.values())


@pytest.mark.skipif(
    not (RAW / "catalog" / "aws_spot.csv").exists(), reason="the raw tables are not part of this repository"
)
def test_the_percentile_over_zones_is_that_of_the_raw_table() -> None:
    with (RAW / "catalog" / "aws_spot.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    with_local_zone = {(row["region"], row["instance_type"]) for row in rows if row["zone"].count("-") > 1}
    catalog, checked = load_catalog(), 0
    for row in rows:
        words = row["kind"].split()
        if words[0] != "p75" or row["region"] not in catalog.regions or row["instance_type"] not in catalog.instances:
            continue
        prefix = f"ec2/{row['region']}/{row['instance_type']}/spot/"
        group = [key.removeprefix(prefix) for key in catalog.prices.rows if key.startswith(prefix)]
        found = spot_price(catalog.prices, row["region"], row["instance_type"], group)
        if (row["region"], row["instance_type"]) in with_local_zone:
            continue
        assert len(group) == int(words[2]), prefix
        assert (found is None) == (len(group) < 2)
        if found is not None:
            assert abs(float(found.usd) - float(row["usd_per_hour"])) <= 0.0006, prefix
            checked += 1
    assert checked > 90
