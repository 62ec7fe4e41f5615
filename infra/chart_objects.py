"""Which kinds of objects a chart makes of given values, read from its templates. Nothing is rendered.

A template makes an object of each kind that it names. Where its first line is a condition, the condition decides; it is
one over values, such as `if .Values.monitoring.rules.enabled`. Tests of a chart (`helm test`) and objects that a user
adds are no part of this. That Helm makes the same, a test holds.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import yaml

from infra.settings import ROOT

_OBJECT = re.compile(r"^apiVersion: (?:([\w.-]+)/)?\w+\nkind: (\w+)\n((?:.*\n){4})", re.MULTILINE)
_CONDITION = re.compile(r"\A\{\{- (?:if|with) (.+) \}\}\n")
_TERM = re.compile(r"\(not (\S+)\)|\(?(include \"[\w.]+\" \.|\S+?)\)?(?:\s|$)")
_INCLUDED = {
    'include "gateway.hasAwsSecrets" .': (".Values.awsSecrets.clientKeys", ".Values.awsSecrets.providerKeys"),
}
"""Conditions that a template has from another: they hold where one of these values is set."""


@dataclass(frozen=True, order=True)
class Kind:
    """A kind of Kubernetes objects.

    group: API group; the core's is empty.
    namespaced: whether its objects lie in a namespace.
    """

    group: str
    name: str
    namespaced: bool = True

    @property
    def resource(self) -> str:
        """Return what the API calls its objects, as Kubernetes itself guesses it."""
        name = self.name.lower()
        if name.endswith("s"):
            return f"{name}es"
        return f"{name[:-1]}ies" if name.endswith("y") else f"{name}s"


def kinds(chart: str, values: Mapping[str, Any]) -> frozenset[Kind]:
    """Return the kinds of the objects that the chart in `charts/CHART` makes of these values, over its defaults."""
    folder = ROOT / "charts" / chart
    whole = _over(yaml.safe_load((folder / "values.yaml").read_text(encoding="utf-8")), values)
    made: set[Kind] = set()
    for path in sorted(folder.glob("templates/*.yaml")):
        text = path.read_text(encoding="utf-8")
        condition = _CONDITION.match(text)
        if condition is None or _holds(condition[1], whole):
            made |= {Kind(group, name, "namespace: {{" in head) for group, name, head in _OBJECT.findall(text)}
    return frozenset(made)


def _over(defaults: Any, stated: Any) -> Any:
    if not isinstance(defaults, Mapping) or not isinstance(stated, Mapping):
        return stated
    return {**defaults, **{key: _over(defaults.get(key), value) for key, value in stated.items()}}


def _holds(condition: str, values: Mapping[str, Any]) -> bool:
    """Judge a condition: one value, or `and` with several, each of which may be negated."""
    terms = _TERM.findall(condition.removeprefix("and "))
    return all(_is_set(plain, values) if plain else not _is_set(negated, values) for negated, plain in terms)


def _is_set(term: str, values: Mapping[str, Any]) -> bool:
    if term in _INCLUDED:
        return any(_is_set(path, values) for path in _INCLUDED[term])
    if not term.startswith(".Values."):
        raise ValueError(f"no condition over values: {term}")
    found: Any = values
    for key in term.removeprefix(".Values.").split("."):
        found = (found or {}).get(key)
    return bool(found)
