"""How long providers serve their models: rows of `api_lifecycle.csv` as the `lifecycle` of hosted models."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from tools.catalog.chosen_apis import APIS
from tools.catalog.raw_tables import Fact, RawRow, table

STATES = {"retires": "announced", "none-announced": "none-announced", "deprecated": "deprecated"}
"""State in the raw table → state in the catalog. A row of state `unknown` makes no lifecycle."""
FLOOR = re.compile(r"not (?:sooner than|before) (\d{4}-\d{2}-\d{2})")
WEAK = (
    "also lists dedicated-only",
    "card not read",
    "date: check",
    "inferred:",
    "no schedule",
    "of 2026-08-21: check",
    "proof of life",
    "reseller",
    "tentative",
)
"""Remarks of the raw table that a state is not the provider's own word, or that sources contradict each other."""
INDEX = re.compile(r"[;,]? ?\(?index id \d+\)?")
REGISTRY = re.compile(r"public registry audit(?: of AWS model cards)? of 2026-09-12")
"""How the raw table calls a public registry of models."""
COPIES = re.compile(r"\(stored cop(?:y|ies)(?: 2026)?(?=[,)])")
OF_THE_LIST = re.compile(
    r"(?:^|[,;] ?)(?:date has passed(?:: (?=\w))?|apis\.jsonl says [\d-]+|retires the day after this list was made)"
)
"""Remarks that only a reader of the raw list needs."""


def lifecycles(raw: Path) -> dict[tuple[str, str], tuple[str | None, Fact]]:
    """(date of the end, lifecycle) by (provider, slug); models of which nobody has read anything are absent."""
    slugs = {provider: {wire: slug for slug, wire in chosen.items()} for provider, chosen in APIS.items()}
    return {
        (row["provider"], row["model"]): (row["retires"] or None, _lifecycle(row, slugs[row["provider"]]))
        for row in table(raw, "api_lifecycle.csv")
        if row["state"] in STATES and row["model"] in APIS.get(row["provider"], {})
    }


def _lifecycle(row: RawRow, slugs: Mapping[str, str]) -> Fact:
    as_of = row["as_of"][:10].strip()
    floor = FLOOR.search(row["note"])
    promised = floor[1] if floor and floor[1] > as_of and row["state"] == "none-announced" else None
    successors = [slugs.get(name, name) for name in row["successor"].split(" or ") if name]
    note = OF_THE_LIST.sub("", row["note"]).strip("; ").rstrip()
    weak = any(remark in row["note"] for remark in WEAK)
    return {
        "state": "not-before" if promised else STATES[row["state"]],
        **({"not_before": promised} if promised else {}),
        **({"successors": successors} if successors else {}),
        **({"weak": True} if weak else {}),
        "source": _source(row["source"]),
        "as_of": as_of,
        **({"note": note} if note else {}),
    }


def _source(text: str) -> str:
    """A source in the words of a reader who looks for it, without what only the gatherer's own index knows."""
    text = re.sub(r"index id \d+ (?=lists)", "a public copy ", text)
    text = INDEX.sub(lambda found: ")" if found[0].endswith(")") and "(" not in found[0] else "", text)
    text = REGISTRY.sub("GAISe gaise-core/model-registry.toml, audited 2026-09-12 from AWS model cards", text)
    text = COPIES.sub("(read 2026-11", text).replace("(stored copy after", "(read after")
    text = text.replace("https://", "").replace("litellm 1.110.2 wheel ", "litellm 1.110.2 ")
    return re.sub(r" +", " ", text).strip("; ")
