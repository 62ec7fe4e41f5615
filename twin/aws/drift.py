"""A change behind Pulumi's back, as somebody at the console, an autoscaler or a script makes it.

The change goes the way of every change, through the resource type's own update or deletion, so that nodes follow and
AWS's rules hold. Only Pulumi's state does not learn of it.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

from twin.aws import instances
from twin.aws.account import Account
from twin.aws.kinds import ResourceKind
from twin.aws.registry import kind_by_word
from twin.aws.store import AccountState, ResourceRecord, Store
from twin.aws.world import transaction
from twin.provider.contract import OperationError, ResourceState


def poke(store: Store, type_name: str, name: str, settings: Mapping[str, Any]) -> str:
    """Change settings of one resource, named by its id or by its name in the program, and return its id.

    A setting is a path such as `scalingConfig.desiredSize`; the value None removes it. Raises `OperationError` when
    there is no such resource, or when AWS refuses the change.
    """
    kind = kind_by_word(type_name)
    with transaction(store) as (state, world):
        identifier, record = find(state, kind, name)
        inputs = copy.deepcopy(record.inputs)
        for path, value in settings.items():
            _put(inputs, path.split("."), value)
        if kind.update is not None:
            before = ResourceState(identifier, record.inputs, record.outputs)
            result = kind.update(Account(state, world, record.region), before, inputs)
            record.outputs.update(result.outputs)
        for key in {path.split(".")[0] for path in settings}:
            record.outputs[key] = inputs.get(key)
        if "tags" in record.outputs:
            record.outputs["tagsAll"] = {**record.outputs.get("tagsAll", {}), **(record.outputs["tags"] or {})}
        record.inputs = inputs
    _settle(store, kind, record)
    return identifier


def vanish(store: Store, type_name: str, name: str) -> str:
    """Delete one resource and return its id. Raises as `poke` does."""
    kind = kind_by_word(type_name)
    with transaction(store) as (state, world):
        identifier, record = find(state, kind, name)
        kind.delete(Account(state, world, record.region), ResourceState(identifier, record.inputs, record.outputs))
        del state.records[kind.token][identifier]
    _settle(store, kind, record)
    return identifier


def _settle(store: Store, kind: ResourceKind, record: ResourceRecord) -> None:
    if kind.changes_nodes:
        instances.settle(store, record.inputs["clusterName"], record.region)


def find(state: AccountState, kind: ResourceKind, name: str) -> tuple[str, ResourceRecord]:
    """Return a resource and its id, by its id or by its name in the program. Raises `OperationError`."""
    records = state.records.get(kind.token, {})
    matches = [(key, record) for key, record in records.items() if name in (key, record.name)]
    if len(matches) != 1:
        names = ", ".join(sorted(record.name for record in records.values())) or "none"
        what = "no" if not matches else "more than one"
        raise OperationError(f"{what} {kind.token} is called {name!r}; there are: {names}")
    return matches[0]


def _put(tree: dict[str, Any], path: list[str], value: Any) -> None:
    for step in path[:-1]:
        tree = tree.setdefault(step, {})
    if value is None:
        tree.pop(path[-1], None)
    else:
        tree[path[-1]] = value
