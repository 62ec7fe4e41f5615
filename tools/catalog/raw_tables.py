"""The raw tables: how they are read, and what is said of their sources."""

from __future__ import annotations

import csv
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tools.catalog.chosen_apis import PROVIDERS

TODAY = "2026-11-21"
"""The day of the snapshot, and of facts whose source states none: the day on which they were read."""

LATER_DAY = "2026-11-29"
"""The day of the second snapshot."""

RawRow = dict[str, str]
Fact = dict[str, Any]


@dataclass(frozen=True)
class Source:
    """Where a fact or a price was read, and the day that it states."""

    source: str
    as_of: str


LITELLM = Source("litellm 1.109.1 model_prices_and_context_window_backup.json (MIT)", "2026-11-20")
TOKENCOST = Source("tokencost 0.1.26 model_prices.json (MIT)", "2025")


def table(raw: Path, name: str) -> list[RawRow]:
    """All rows of one raw table."""
    with (raw / "catalog" / name).open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def source_text(text: str) -> str:
    """A source without remarks about how it was fetched."""
    text = re.sub(r"(?:a )?stored (?:public )?GitHub file id \d+", "a github.com public file", text)
    return re.sub(r"\([^()]*Apache-2\.0\)|\(wheel ([0-9-]+)\)", r"\1", text).replace("  ", " ").strip().rstrip(";")


def whole(text: str) -> int:
    """A whole number, however it was written; 0 for an empty cell."""
    return int(float(text)) if text else 0


def raw_apis(raw: Path) -> dict[tuple[str, str], RawRow]:
    """Raw rows by (provider, id on the wire)."""
    keys = {name: (key, prefix) for key, (name, _, _, prefix) in PROVIDERS.items()}
    found: dict[tuple[str, str], RawRow] = {}
    for row in table(raw, "apis.csv"):
        if row["provider"] in keys:
            key, prefix = keys[row["provider"]]
            found.setdefault((key, row["litellm_key"].removeprefix(prefix)), row)
    return found


def api_source(row: RawRow) -> Source:
    """Which price list a hosted model's row comes from: tokencost keeps models that are no longer offered."""
    return LITELLM if row["status"] == "listed" else TOKENCOST
