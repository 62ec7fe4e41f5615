"""The build of regions and their prices: what is too old or has no day stays out, no region borrows a price."""

from __future__ import annotations

from pathlib import Path

import pytest

from planner.edges.catalog_files import load_catalog
from tools.catalog import region_rows

HEADS = {
    "aws_ondemand_by_region.csv": "region,instance_type,usd_per_hour,as_of,source,status",
    "aws_platform_by_region.csv": "region,item,unit,usd,as_of,source,status",
    "aws_prices_long.csv": "instance_type,region,option,az_id,usd_per_hour,as_of,source",
    "infra_prices.csv": "item,region,value,unit,as_of,source,status",
}


def raw(folder: Path, **rows: list[str]) -> Path:
    """A folder of raw tables with some rows, by the first word of the table's name."""
    (folder / "catalog").mkdir()
    for name, head in HEADS.items():
        lines = [head, *rows.get(name.split("_")[1].removesuffix(".csv"), [])]
        (folder / "catalog" / name).write_text("\n".join(lines) + "\n", encoding="utf-8")
    return folder


@pytest.mark.parametrize(
    ("instance_type", "as_of", "old"),
    [
        ("p5.48xlarge", "2025-04-24", True),
        ("p5.48xlarge", "2025-05-31", True),
        ("p5.48xlarge", "2025-06", False),
        ("p5.48xlarge", "2025", True),
        ("p4d.24xlarge", "2025-H1 (undated)", True),
        ("p5en.48xlarge", "2026-H1 (undated)", False),
        ("g5.xlarge", "2025-04-24", False),
        ("p6-b200.48xlarge", "2025-04-24", False),
    ],
)
def test_a_price_of_before_the_last_cut_of_its_family_is_refused(
    tmp_path: Path, instance_type: str, as_of: str, old: bool
) -> None:
    folder = raw(tmp_path, ondemand=[f"eu-west-1,{instance_type},9.5,{as_of},a list,ok"])
    found = [fact["key"] for fact in region_rows.region_prices(folder)]
    assert found == ([] if old else [f"ec2/eu-west-1/{instance_type}/on-demand"])
    assert [instance_type in why for why in region_rows.refused(folder)] == ([True] if old else [])


def test_a_platform_price_without_a_day_is_refused_and_an_inferred_one_is_as_old_as_its_origin(tmp_path: Path) -> None:
    folder = raw(
        tmp_path,
        platform=[
            "sa-east-1,nat-gateway-hour,USD/hour,0.09,undated,a map,verified",
            "eu-west-1,nat-gateway-hour,USD/hour,0.05,undated (about 2020-22),a map,old source",
            "eu-west-1,nat-gateway-gb,USD/GB,0.05,inferred,set equal to nat-gateway-hour,inferred",
            "us-east-1,kms-key-month,USD,1,2026-05-01,a list,verified",
            "us-east-2,kms-key-month,USD,1,2024-07-01,a list,verified",
            "eu-west-1,kms-key-month,USD,1,inferred,equal in the regions read,inferred",
            "eu-west-1,a-new-item,USD,1,2026-05-01,a list,verified",
        ],
    )
    days = {fact["key"]: (fact["as_of"], fact.get("note", "")) for fact in region_rows.region_prices(folder)}
    assert days == {
        "platform/eu-west-1/nat-gateway": ("2020", "old source"),
        "platform/eu-west-1/nat-gateway-data": ("2020", "inferred"),
        "platform/eu-west-1/kms-key": ("2024-07-01", "inferred"),
        "platform/us-east-1/kms-key": ("2026-05-01", ""),
        "platform/us-east-2/kms-key": ("2024-07-01", ""),
    }
    assert ["sa-east-1 nat-gateway-hour" in why for why in region_rows.refused(folder)] == [True]


def test_no_shipped_price_stands_in_from_another_region_but_in_us_west_2() -> None:
    borrowed = {key.split("/")[1] for key, price in load_catalog().prices.rows.items() if price.stands_in}
    assert borrowed == {"us-west-2"}


def test_no_shipped_price_is_of_before_the_last_cut_of_its_family() -> None:
    for key, price in load_catalog().prices.rows.items():
        if price.kind == "ec2":
            assert not region_rows.is_before_the_cut(key.split("/")[2], price.as_of), key
