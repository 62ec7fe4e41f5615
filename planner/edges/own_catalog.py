"""The team's own catalog: `catalog/` beside its environments, whose rows win over the shipped ones.

    catalog/models/KEY.yaml      one open-weight model, as in the shipped catalog
    catalog/adapters/NAME.yaml   one LoRA adapter of a model

A row may name a shipped model as its `base` and state only what differs: own weights of the same shape. Rows have the
same form as shipped ones and are checked in the same way; the digest of a plan covers them as it covers those, so that
a lock is stale when an own row changes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from planner.domain.adapters import Adapter
from planner.domain.catalog import Catalog, OwnRow
from planner.domain.gaps import did_you_mean
from planner.domain.models import Model
from planner.edges.catalog_entries import SUFFIX, CatalogReading, Entry
from planner.edges.catalog_files import FactTable, dangling_places, fact_table, load_catalog
from planner.edges.catalog_yaml import read
from planner.edges.own_adapters import ADAPTERS, own_adapters
from planner.words.diagnostics import Problem, Problems, Span

FOLDER = "catalog"
"""Name of the folder beside the environments."""
MODELS = "models"
_OF_THE_CHECKPOINT = frozenset(
    {"revision", "weights", "released", "source", "as_of", "note", "same_shape", "quantizations", "drafters"}
)
"""Columns of a base that say something of its own weights, which a model with its shape does not share."""


def catalog_beside(folder: Path, snapshot: str | None = None) -> Catalog:
    """Return the shipped catalog of that price snapshot with the team's own rows over it.

    folder: the folder of the environments. Raises `Problems` when a row of either catalog is damaged.
    """
    shipped = load_catalog() if snapshot is None else load_catalog(snapshot)  # one entry of its cache for the newest
    own = folder / FOLDER
    return _with_own(shipped, own) if own.is_dir() else shipped


def own_model_path(folder: Path, key: str) -> Path:
    """Return the path of an own model's row."""
    return folder / FOLDER / MODELS / f"{key}{SUFFIX}"


def read_own_model(key: str, text: str, file: str, shipped: Catalog) -> Model:
    """Return the model of the text of an own row, before it is written. Raises `Problems`.

    file: path at which it will stand. shipped: the catalog that its base is from, as when plans read the row.
    """
    problems: list[Problem] = []
    document = read(text, file)
    entry = _from_base(Entry(key, {"key": key, **document.value}, document), shipped, problems)
    models = fact_table([entry], TypeAdapter(Model), problems)
    if problems:
        raise Problems(dict.fromkeys(problems))
    return models.values[key]


def _with_own(shipped: Catalog, own: Path) -> Catalog:
    problems = list(_unread(own))
    reading = CatalogReading(own, problems, f"{own}/")
    entries = [_from_base(entry, shipped, problems) for entry in reading.models()] if (own / MODELS).is_dir() else []
    models = fact_table(entries, TypeAdapter(Model), problems)
    problems.extend(dangling_places(models, shipped.places.rows, FactTable({}, {})))
    known = {**shipped.models, **models.entries}
    adapters = own_adapters(reading, known, shipped) if (own / ADAPTERS).is_dir() else FactTable[Adapter]({}, {})
    if problems:
        raise Problems(dict.fromkeys(problems))
    rows = {
        **{f"model/{key}": row for key, row in models.rows.items()},
        **{f"adapter/{key}": row for key, row in adapters.rows.items()},
    }
    return replace(
        shipped,
        models={**shipped.models, **models.values},
        adapters=adapters.values,
        rows={**shipped.rows, **rows},
        own={
            **{f"adapter/{key}": OwnRow(row.as_of, False) for key, row in sorted(adapters.values.items())},
            **{f"model/{key}": OwnRow(row.as_of, key in shipped.models) for key, row in sorted(models.values.items())},
        },
    )


def _unread(own: Path) -> Iterable[Problem]:
    """Yield a problem for whatever stands in the folder and is not read."""
    for path in sorted(own.iterdir()):
        if path.name not in (MODELS, ADAPTERS) and not path.name.startswith("."):
            hint = f"own rows are read from {own / MODELS} and {own / ADAPTERS}; move it away"
            message = f"{path} is not read: an own catalog holds models and adapters"
            yield Problem("CAT007", message, Span(str(path), 1), hint)


def _from_base(entry: Entry, shipped: Catalog, problems: list[Problem]) -> Entry:
    """Return the entry with the columns of the model that it names as its base."""
    if entry.row is None or "base" not in entry.row:
        return entry
    name = entry.row["base"]
    base = shipped.rows.get(f"model/{name}")
    if base is None:
        message = f"there is no shipped model {name!r} to take the shape of"
        problems.append(Problem("CAT006", message, entry.span("base"), did_you_mean(str(name), shipped.models)))
        return replace(entry, row=None)
    return replace(entry, row=_merged(base, entry.row, shipped.models[name]))


def _merged(base: Mapping[str, Any], own: Mapping[str, Any], model: Model) -> dict[str, Any]:
    shared = {name: value for name, value in base.items() if name not in _OF_THE_CHECKPOINT}
    made = {name: way for name, way in model.quantizations.items() if way == "at-load"}
    fresh = {"revision": None, "released": None, "quantizations": made}
    return {**shared, **fresh, **{name: value for name, value in own.items() if name != "base"}}
