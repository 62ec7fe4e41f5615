"""The row of the catalog that a configuration makes, as plain values and as the text of its file."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, is_dataclass
from typing import Any

from planner.documents.model_config.derive import Derived
from planner.domain.models import WeightFormat

_PLAIN = re.compile(
    r"[A-Za-z(][\w ./@+()~;%§–-]*(?:[:][\w/][\w ./@+()~;%§–:-]*)*|\d{4}-\d\d(?:-\d\d)?|[0-9a-f]*[a-f][0-9a-f]*"
)
"""Text that stands in YAML as it is, and is read as text again."""
_UNPRINTED = re.compile("[\x7f-\xa0\u2028\u2029\ud800-\udfff\ufeff\ufffe\uffff]")
"""Characters that YAML refuses or takes for the end of a line where they stand as they are."""
_WORDS = frozenset({"null", "true", "false"})
_LOADED_IN_8_BIT: frozenset[WeightFormat] = frozenset({"bf16", "fp16"})
"""Formats that the engine quantizes to FP8 while it loads them."""
_PLAIN_EXPERTS = {"hidden": None, "matrices": 3, "biased": False}
"""Values of experts that most models have, which a row leaves out."""
_LEFT_OUT = {"experts", "latent", "linear", "indexer", "compressed", "vision", "full_kv_heads", "full_head_dim"}
"""Parts of a shape that stand in a row only where a model has them."""


@dataclass(frozen=True, kw_only=True)
class Origin:
    """What a configuration does not say of its model.

    hf_id: its repository.
    revision: the commit; None = not known.
    weights: where a team's own weights lie; None where they come from the repository.
    licence: its licence; None = not read.
    source, as_of: where the configuration was read, and the day.
    """

    hf_id: str
    revision: str | None
    weights: str | None
    licence: str | None
    source: str
    as_of: str


def row_of(derived: Derived, origin: Origin) -> dict[str, Any]:
    """Return the row of a model."""
    recipe = derived.stored.recipe
    row: dict[str, Any] = {
        "hf_id": origin.hf_id,
        "revision": origin.revision,
        **({"weights": origin.weights} if origin.weights else {}),
        "native": derived.stored.native,
        "quantizations": {"fp8": "at-load"} if derived.stored.native in _LOADED_IN_8_BIT else {},
        "max_context": derived.max_context,
        "architecture": _shape(derived.architecture),
        **({"recipes": {derived.stored.native: _columns(recipe)}} if recipe else {}),
        **({"overflows_fp16": True} if derived.overflows_fp16 else {}),
        **({"model_class": {"name": derived.model_class, **_dated(origin)}} if derived.model_class else {}),
        **_terms(origin),
        "openness": "open-weights",
        "released": None,
        **_dated(origin),
    }
    if derived.assumed:
        row["note"] = "; ".join(derived.assumed)
    return row


def tuned_row(base: str, origin: Origin) -> dict[str, Any]:
    """Return the row of own weights that have the shape of a model of the catalog."""
    return {
        "base": base,
        "hf_id": origin.hf_id,
        "revision": origin.revision,
        **({"weights": origin.weights} if origin.weights else {}),
        **_terms(origin),
        **_dated(origin),
    }


def _terms(origin: Origin) -> dict[str, Any]:
    read = "" if origin.licence is None else "as named when the row was added"
    return {"licence": origin.licence, "licence_limits": read or "not read"}


def _dated(origin: Origin) -> dict[str, Any]:
    return {"source": origin.source, "as_of": origin.as_of}


def _shape(shape: Any) -> dict[str, Any]:
    values = _columns(shape)
    left = {name for name in _LEFT_OUT if values.get(name) is None}
    if values.get("experts"):
        values["experts"] = {
            name: value for name, value in values["experts"].items() if value != _PLAIN_EXPERTS.get(name, "")
        }
    left |= {name for name, default in (("matrices", 3), ("looked_up", 0)) if values[name] == default}
    return {name: value for name, value in values.items() if name not in left}


def _columns(value: Any) -> dict[str, Any]:
    """Return the fields of a dataclass as plain values; tuples as lists."""
    columns: dict[str, Any] = {}
    for field in fields(value):
        inner = getattr(value, field.name)
        columns[field.name] = (
            _columns(inner) if is_dataclass(inner) else list(inner) if isinstance(inner, tuple) else inner
        )
    return columns


def as_yaml(row: Mapping[str, Any]) -> str:
    """Return the text of a row's file."""
    return "\n".join([*_lines(row, 0), "..."]) + "\n"


def _lines(row: Mapping[str, Any], depth: int) -> Iterator[str]:
    for name, value in row.items():
        space = "  " * depth
        if isinstance(value, Mapping) and value and depth < 2:
            yield f"{space}{name}:"
            yield from _lines(value, depth + 1)
        else:
            yield f"{space}{name}: {_scalar(value)}"


def _scalar(value: Any) -> str:
    if value is None or isinstance(value, bool):
        return json.dumps(value)
    if isinstance(value, int):
        return f"{value:_}" if abs(value) >= 10_000 else str(value)
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_scalar, value))}]"
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{name}: {_scalar(inner)}" for name, inner in value.items()) + "}"
    text = str(value)
    plain = _PLAIN.fullmatch(text) and text not in _WORDS and text == text.strip()
    return text if plain else _quoted(text)


def _quoted(text: str) -> str:
    """Return a text in quotes. Letters stay as they are: JSON escapes an emoji as two halves, which YAML refuses."""
    return _UNPRINTED.sub(lambda found: f"\\u{ord(found.group()):04x}", json.dumps(text, ensure_ascii=False))
