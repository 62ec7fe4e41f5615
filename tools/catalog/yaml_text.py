"""Rows as the text of catalog files: YAML that `planner.edges.catalog_yaml` reads back as the same values.

Long whole numbers are grouped (`32_762_123_264`), lists and short mappings stand on one line, long text is folded, and
the last line is `...`. The same rows give the same bytes.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import yaml

from planner.edges.catalog_yaml import FactLoader, TextLoader

WIDTH = 100
"""Characters after which text is continued on the next line, at its next blank."""
GROUPED_FROM = 10_000


class OneLine(dict[str, Any]):
    """A mapping that stands on one line, between braces."""


class FactDumper(yaml.SafeDumper):
    """Writes what `FactLoader` reads."""

    yaml_implicit_resolvers = FactLoader.yaml_implicit_resolvers

    def ignore_aliases(self, data: Any) -> bool:
        """Equal values are written out, each where it stands."""
        return True

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        """Items of a list are indented below their key."""
        super().increase_indent(flow, False)


class TextDumper(FactDumper):
    """Writes what `TextLoader` reads: every value is text."""

    yaml_implicit_resolvers = TextLoader.yaml_implicit_resolvers


def facts_text(value: Mapping[str, Any]) -> str:
    """A file of facts."""
    return _dump(value, FactDumper)


def prices_text(value: Mapping[str, Any]) -> str:
    """A file of prices or of their sources, in which every value is text."""
    return _dump(value, TextDumper)


def _dump(value: Mapping[str, Any], dumper: type[FactDumper]) -> str:
    return yaml.dump(
        value, Dumper=dumper, sort_keys=False, allow_unicode=True, width=WIDTH, indent=2, explicit_end=True
    )


def _whole(dumper: yaml.SafeDumper, value: int) -> yaml.ScalarNode:
    text = f"{value:_}" if abs(value) >= GROUPED_FROM else str(value)
    return dumper.represent_scalar("tag:yaml.org,2002:int", text)


def _list(dumper: yaml.SafeDumper, value: list[Any]) -> yaml.SequenceNode:
    return dumper.represent_sequence("tag:yaml.org,2002:seq", value, flow_style=True)


def _one_line(dumper: yaml.SafeDumper, value: OneLine) -> yaml.MappingNode:
    return dumper.represent_mapping("tag:yaml.org,2002:map", value, flow_style=True)


for _dumper in (FactDumper, TextDumper):
    _dumper.add_representer(int, _whole)
    _dumper.add_representer(list, _list)
    _dumper.add_representer(OneLine, _one_line)
