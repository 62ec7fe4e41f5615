"""Prices from the raw tables, as rows of one day's snapshot."""

from __future__ import annotations

import re
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

from tools.catalog import selection as choose
from tools.catalog.raw_tables import Fact, RawRow, raw_apis, source_text, table

_CUT = 400
"""Length at which the raw list of long-context rates is cut off; a rate is whole when another one follows it."""
_PARTS = {
    "input": "input_usd_per_mtok",
    "cached-input": "cached_input_usd_per_mtok",
    "cache-write": "cache_write_usd_per_mtok",
    "output": "output_usd_per_mtok",
    "batch-input": "batch_input_usd_per_mtok",
    "batch-output": "batch_output_usd_per_mtok",
}
_LONG = {
    "long-input": "input_cost_per_token",
    "long-cached-input": "cache_read_input_token_cost",
    "long-output": "output_cost_per_token",
}


def api_prices(raw: Path, apis: list[Fact]) -> Iterator[Fact]:
    """Token prices of hosted models, USD per million."""
    rows = raw_apis(raw)
    second = {row["litellm_key"]: row for row in table(raw, "api_price_disagreements.csv")}
    for api in apis:
        row = rows[api["provider"], api["wire_model"]]
        prices = {part: row[column] for part, column in _PARTS.items()}
        for part, name in _LONG.items():
            rates = row["long_context_rates"] + (";" if len(row["long_context_rates"]) < _CUT else "")
            above = re.search(rf"(?:^|;){name}_above_\d+k_tokens=([0-9.]+);", rates)
            prices[part] = above[1] if above else ""
        other = second.get(row["litellm_key"], {})
        for part, usd in prices.items():
            if not usd or not Decimal(usd):
                continue
            says = other.get({"input": "genai_prices_in", "output": "genai_prices_out"}.get(part, ""), "")
            disputed = f"${_usd(says)} (genai-prices)" if says and Decimal(says) != Decimal(usd) else None
            yield price_row(f"api/{api['key']}/{part}", usd, "Mtok", api["source"], api["as_of"], disputed=disputed)


def ec2_prices(raw: Path) -> Iterator[Fact]:
    """On-demand prices of GPU instance types."""
    for row in table(raw, "aws_prices_long.csv"):
        known = row["instance_type"].split(".")[0] in choose.FIRST_FAMILIES and row["region"] in choose.REGIONS
        if known and row["option"] == "on_demand":
            key = f"ec2/{row['region']}/{row['instance_type']}/on-demand"
            yield price_row(key, row["usd_per_hour"], "hour", row["source"], row["as_of"].split()[0])


def platform_prices(raw: Path) -> Iterator[Fact]:
    """Platform items and system nodes; a region that the source does not name is stood in for by us-east-1."""
    named: dict[tuple[str, str], RawRow] = {}
    for row in table(raw, "infra_prices.csv"):
        if row["item"] in choose.PLATFORM or row["item"] in choose.SYSTEM_NODES:
            regions = choose.REGIONS if row["region"] == "any" else re.split(r", *", row["region"])
            named.update({(row["item"], region): row for region in regions if region in choose.REGIONS})
    for item in sorted({item for item, _ in named}):
        for region in choose.REGIONS:
            row = named.get((item, region)) or named[item, "us-east-1"]
            stands_in = None if (item, region) in named else "us-east-1"
            if item in choose.SYSTEM_NODES:
                key, unit = f"ec2/{region}/{item}/on-demand", "hour"
            else:
                name, unit = choose.PLATFORM[item]
                key = f"platform/{region}/{name}"
            note = "" if row["status"] == "verified" else row["status"]
            yield price_row(key, row["value"], unit, row["source"], row["as_of"], stands_in=stands_in, note=note)


def price_row(key: str, usd: str, unit: str, source: str, as_of: str, **more: str | None) -> Fact:
    """One price. more: further columns; those without a value are left out."""
    fact = {"key": key, "usd": _usd(usd), "unit": unit, "source": source_text(source), "as_of": as_of}
    return {**fact, **{name: value for name, value in more.items() if value}}


def _usd(text: str) -> str:
    """A decimal string without exponent or trailing zeros."""
    return format(Decimal(text).normalize(), "f")
