"""Writes the catalog that ships with the planner from a folder of raw tables.

    python tools/catalog/build.py RAW_FOLDER [OUT_FOLDER]

RAW_FOLDER holds `catalog/` (gpus.csv, models.csv, aws_gpu_instances.csv, aws_prices_long.csv, apis.csv,
api_policies.csv, api_price_disagreements.csv, infra_prices.csv) and `traces/` (two Azure CSV files). Those tables were
gathered by hand from the sources that every row names; they are not part of this repository, and whoever has no copy
edits the shipped files, one row a fact. The same input gives the same bytes.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(Path(__file__).resolve().parent)]

import fact_rows
import price_rows
import selection as choose
from raw_tables import TODAY, Fact

from planner.edges.trace_files import dump_summary, read_csv, renamed


def main(arguments: list[str]) -> int:
    """Build everything; returns an exit code."""
    if not 1 <= len(arguments) <= 2:
        print(__doc__, file=sys.stderr)
        return 2
    raw = Path(arguments[0])
    out = Path(arguments[1]) if len(arguments) == 2 else ROOT / "planner/catalog/data"
    apis = list(fact_rows.apis(raw))
    prices = [*price_rows.ec2_prices(raw), *price_rows.platform_prices(raw), *price_rows.api_prices(raw, apis)]
    _write(out / "facts/gpus.jsonl", "gpus", fact_rows.gpus(raw))
    _write(out / "facts/instances.jsonl", "instances", fact_rows.instances(raw))
    _write(out / "facts/models.jsonl", "models", fact_rows.models(raw))
    _write(out / "facts/providers.jsonl", "providers", fact_rows.providers(raw))
    _write(out / "facts/apis.jsonl", "apis", apis)
    _write(out / f"prices/{TODAY}.jsonl", "prices", prices)
    (out / "traces").mkdir(parents=True, exist_ok=True)
    for name, file in choose.TRACES.items():
        trace = read_csv(raw / "traces" / file)
        trace = renamed(trace, name, choose.AZURE_SOURCE.format(file=file), choose.AZURE_LICENCE)
        (out / f"traces/{name}.json").write_text(dump_summary(trace), encoding="utf-8")
    return 0


def _write(path: Path, kind: str, facts: Iterable[Fact]) -> None:
    rows = sorted(facts, key=lambda fact: fact["key"])
    header = {"catalog": kind, "format": 1, "date": TODAY, "rows": len(rows)}
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = (json.dumps(row, ensure_ascii=False, separators=(", ", ": ")) for row in [header, *rows])
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
