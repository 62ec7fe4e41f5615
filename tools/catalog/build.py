"""Writes the catalog that ships with the planner from a folder of raw tables.

    python -m tools.catalog.build RAW_FOLDER [OUT_FOLDER]

RAW_FOLDER holds `catalog/` (gpus.csv, models.csv, aws_gpu_instances.csv, aws_az_offerings.csv,
aws_prices_long.csv, aws_ondemand_by_region.csv, aws_platform_by_region.csv, aws_spot.csv,
aws_committed.csv, aws_capacity_blocks.csv, apis.csv,
api_lifecycle.csv, api_policies.csv, api_price_disagreements.csv, infra_prices.csv) and `traces/` (two Azure CSV files).
Those tables were gathered by hand from the sources that every row names; they are not part of this repository, and
whoever has no copy edits the shipped files. The same input gives the same bytes. Prices of hosted models of the later
day, and their rows of its table of sources, were entered by hand and stay.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from planner.edges.catalog_yaml import TextLoader, read
from planner.edges.trace_files import dump_summary, read_trace
from tools.catalog import fact_rows, layout, price_rows, purchase_rows, region_rows, score_rows
from tools.catalog import selection as choose
from tools.catalog.raw_tables import LATER_DAY, TODAY
from tools.catalog.yaml_text import prices_text

SHIPPED = Path(__file__).resolve().parents[2] / "planner/catalog/data"


def main(arguments: list[str]) -> int:
    """Build everything; returns an exit code."""
    if not 1 <= len(arguments) <= 2:
        print(__doc__, file=sys.stderr)
        return 2
    raw = Path(arguments[0])
    out = Path(arguments[1]) if len(arguments) == 2 else SHIPPED
    for path, text in contents(raw):
        (out / path).parent.mkdir(parents=True, exist_ok=True)
        (out / path).write_text(_with_sources_kept(out / path, text), encoding="utf-8")
    for why in (*region_rows.refused(raw), *purchase_rows.refused(raw)):
        print(f"refused: {why}", file=sys.stderr)
    return 0


def _with_sources_kept(path: Path, text: str) -> str:
    """Return the text of a file; of the sources of the later day with those of the API prices, entered by hand."""
    if path.name != "sources.yaml" or path.parent.name != LATER_DAY or not path.exists():
        return text
    there, built = (read(each, path.name, TextLoader).value for each in (path.read_text(encoding="utf-8"), text))
    return prices_text(dict(sorted({**there, **built}.items())))


def contents(raw: Path) -> Iterator[tuple[str, str]]:
    """(path below the catalog folder, text) of every file."""
    apis = list(fact_rows.apis(raw))
    prices = [*price_rows.ec2_prices(raw), *price_rows.platform_prices(raw), *price_rows.api_prices(raw, apis)]
    yield from layout.one_file_each("gpus", fact_rows.gpus(raw))
    yield from layout.families(fact_rows.instances(raw))
    yield from layout.one_file_each("regions", region_rows.regions(raw))
    yield from layout.one_file_each("models", fact_rows.models(raw))
    yield from layout.providers(fact_rows.providers(raw), apis)
    yield from layout.snapshot(TODAY, prices)
    yield from score_rows.contents(raw)
    yield from layout.snapshot(LATER_DAY, [*region_rows.region_prices(raw), *purchase_rows.purchase_prices(raw)])
    for name, file in choose.TRACES.items():
        trace = read_trace(raw / "traces" / file)
        source = choose.AZURE_SOURCE.format(file=file)
        trace = replace(trace, name=name, source=source, licence=choose.AZURE_LICENCE, unknown=())
        yield f"traces/{name}.json", dump_summary(trace)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
