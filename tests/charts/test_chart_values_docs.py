"""README table, values.yaml and values.schema.json of a chart speak of the same keys, each with what it is."""

from __future__ import annotations

import json
import os
from typing import Any

import jsonschema
import pytest
import yaml

from tests.charts.rendering import ALL_EXAMPLES, CHARTS, EXAMPLES, example
from tests.charts.values_table import rows, with_table

both = pytest.mark.parametrize("chart", sorted(EXAMPLES))


def _values_text(chart: str) -> str:
    return (CHARTS / chart / "values.yaml").read_text(encoding="utf-8")


def _schema(chart: str) -> dict[str, Any]:
    schema: dict[str, Any] = json.loads((CHARTS / chart / "values.schema.json").read_text(encoding="utf-8"))
    return schema


@both
def test_readme_table_is_generated_from_values(chart: str) -> None:
    file = CHARTS / chart / "README.md"
    wanted = with_table(file.read_text(encoding="utf-8"), _values_text(chart))
    if os.environ.get("UPDATE_GOLDEN") == "1":
        file.write_text(wanted, encoding="utf-8")
    assert file.read_text(encoding="utf-8") == wanted, "run with UPDATE_GOLDEN=1 to write the table anew"


@both
def test_every_key_is_documented(chart: str) -> None:
    assert [row.path for row in rows(_values_text(chart)) if len(row.text) < 10] == []


@both
def test_schema_and_values_have_the_same_keys(chart: str) -> None:
    documented = {row.path for row in rows(_values_text(chart))}
    described = set(_schema_paths(_schema(chart), documented)) - {"global"}
    assert described == documented


@both
def test_schema_is_draft_07_and_closed(chart: str) -> None:
    schema = _schema(chart)
    assert schema["$schema"] == "http://json-schema.org/draft-07/schema#"
    jsonschema.Draft7Validator.check_schema(schema)
    assert list(_open_objects(schema, "")) == []


@both
def test_defaults_fit_the_schema(chart: str) -> None:
    jsonschema.Draft7Validator(_schema(chart)).validate(yaml.safe_load(_values_text(chart)))


@pytest.mark.parametrize(("chart", "name"), ALL_EXAMPLES)
def test_examples_fit_the_schema(chart: str, name: str) -> None:
    jsonschema.Draft7Validator(_schema(chart)).validate(example(chart, name))


def _schema_paths(schema: dict[str, Any], documented: set[str], prefix: str = "") -> list[str]:
    """Leaf keys of a schema, where a documented key counts as a leaf whatever it holds."""
    found: list[str] = []
    for name, part in schema.get("properties", {}).items():
        path = f"{prefix}{name}"
        is_leaf = path in documented or "properties" not in part
        found += [path] if is_leaf else _schema_paths(part, documented, f"{path}.")
    return found


def _open_objects(part: Any, path: str) -> list[str]:
    """Objects with named properties that would let an unknown key pass."""
    if isinstance(part, list):
        return [found for index, item in enumerate(part) for found in _open_objects(item, f"{path}[{index}]")]
    if not isinstance(part, dict):
        return []
    here = [path] if "properties" in part and part.get("additionalProperties") is not False else []
    return here + [found for key, item in part.items() for found in _open_objects(item, f"{path}/{key}")]
