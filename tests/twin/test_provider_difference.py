from __future__ import annotations

from typing import Any

import pytest

from twin.provider.difference import PropertyChange, property_changes
from twin.provider.wire import UNKNOWN, Secret


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ({"a": 1}, {"a": 1}, []),
        ({"a": 1}, {"a": "1"}, []),
        ({"a": True}, {"a": "true"}, []),
        ({"a": "1"}, {"a": "01"}, ["update a"]),
        ({}, {"a": 1}, ["add a"]),
        ({"a": 1}, {}, ["delete a"]),
        ({"a": {}}, {}, []),
        ({"a": {"b": {"c": 1}}}, {"a": {"b": {"c": 2, "d": 3}}}, ["update a.b.c", "add a.b.d"]),
        ({"labels": {}}, {"labels": {"k8s.io/x": "y"}}, ['add labels["k8s.io/x"]']),
        ({"l": ["a", "b"]}, {"l": ["a"]}, ["delete l[1]"]),
        ({"l": ["a", "b"]}, {"l": ["b", "a"]}, ["update l[0]", "update l[1]"]),
        ({"policy": '{"a": 1, "b": [2]}'}, {"policy": '{"b":[2],"a":1}'}, []),
        ({"policy": '{"a": 1}'}, {"policy": '{"a": 2}'}, ["update policy"]),
        ({"a": 1}, {"a": UNKNOWN}, ["update a"]),
        ({"a": Secret("x")}, {"a": "x"}, []),
        ({"a": 1, "__defaults": ["a"]}, {"a": 1}, []),
    ],
)
def test_changes_by_path(old: dict[str, Any], new: dict[str, Any], expected: list[str]) -> None:
    assert [f"{change.kind} {change.path}" for change in property_changes(old, new)] == expected


def test_sets_are_compared_without_order() -> None:
    old, new = {"s": ["a", "b"], "l": ["a", "b"]}, {"s": ["b", "a"], "l": ["b", "a"]}
    assert {change.top for change in property_changes(old, new, unordered={"s"})} == {"l"}


def test_replacement_follows_path_prefixes_at_their_boundaries() -> None:
    old = {"name": "a", "namePrefix": "a", "launchTemplate": {"id": "a", "version": "1"}}
    new = {"name": "a", "namePrefix": "b", "launchTemplate": {"id": "b", "version": "2"}}
    changes = property_changes(old, new, replace_on={"name", "launchTemplate.id"})
    assert changes == [
        PropertyChange("launchTemplate.id", "update", replaces=True),
        PropertyChange("launchTemplate.version", "update", replaces=False),
        PropertyChange("namePrefix", "update", replaces=False),
    ]
