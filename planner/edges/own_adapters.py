"""Adapters of the team's own catalog: `catalog/adapters/NAME.yaml` beside its environments.

An adapter names a model of the catalog as its base, a shipped or an own one. Its name is a model name on the wire, so
that nothing else may be called so.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator

from planner.domain.adapters import Adapter
from planner.domain.gaps import did_you_mean
from planner.edges.catalog_entries import CatalogReading
from planner.edges.catalog_tables import FactTable, fact_table
from planner.words.diagnostics import Problem

ADAPTERS = "adapters"
"""Name of the folder in the own catalog."""


def own_adapters(reading: CatalogReading, models: Collection[str], hosted: Collection[str]) -> FactTable[Adapter]:
    """Return the adapters of an own catalog. Whatever is wrong with them goes to the problems of the reading.

    models, hosted: keys of all models and slugs of all hosted models, shipped and own ones.
    """
    table = fact_table(reading.adapters(), Adapter, reading.problems)
    reading.problems.extend(_wrong_names(table, models, hosted))
    return table


def _wrong_names(table: FactTable[Adapter], models: Collection[str], hosted: Collection[str]) -> Iterator[Problem]:
    """Yield a problem for each base that is not there, and for each name that a model has."""
    for key, entry in table.entries.items():
        base = entry.row.get("base") if entry.row else None
        if isinstance(base, str) and base not in models:
            hint = did_you_mean(base, models)
            yield Problem("CAT006", f"there is no model {base!r} that it could adapt", entry.span("base"), hint)
        if key in models or key in hosted:
            hint = "rename the file: an accept list and a request could not tell them apart"
            yield Problem("CAT004", f"{key} is the name of a model already", entry.span(), hint)
