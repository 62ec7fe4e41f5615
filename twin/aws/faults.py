"""What is made to go wrong, on request, as AWS goes wrong.

`faults.json` beside the store holds a list; programs that rehearse write it, operations read it. Some faults are facts
(a quota, a zone without capacity). Others strike an operation on a resource a number of times:

    {"kind": "quota", "code": "L-DB2E81BA", "vcpus": 8}
    {"kind": "capacity", "instance_type": "g6.xlarge", "zone": "*"}              a type or zone may be "*"
    {"kind": "capacity", "zone": "use1-az4", "capacity_type": "SPOT"}            as above, of spot alone
    {"kind": "throttle", "operation": "create", "type": "NodeGroup", "times": 1}
    {"kind": "slow", "operation": "*", "type": "*", "seconds": 3}
    {"kind": "kill", "operation": "create", "type": "NodeGroup", "moment": "after"}
    {"kind": "lost", "operation": "create", "type": "*", "times": 1}              AWS did it, and its answer got lost
    {"kind": "lag", "seconds": 60}                    the list by tags shows what is gone for so long
"""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, Final

from twin.aws.store import AccountState, Store, StoreError, write_whole
from twin.provider.contract import OperationError, Resource

_Fault = dict[str, Any]

_FIELDS: Final[Mapping[str, tuple[dict[str, Any], frozenset[str]]]] = {
    # kind -> fields with their defaults, and which of them must be given
    "quota": ({"code": None, "vcpus": None}, frozenset({"code", "vcpus"})),
    "capacity": ({"instance_type": "*", "zone": "*", "capacity_type": "*"}, frozenset()),
    "lag": ({"seconds": 60}, frozenset()),
    "lost": ({"operation": "create", "type": "*", "name": "*", "times": 1}, frozenset()),
    "throttle": ({"operation": "*", "type": "*", "name": "*", "times": 1}, frozenset()),
    "slow": ({"operation": "*", "type": "*", "name": "*", "seconds": 3, "times": None}, frozenset()),
    "kill": ({"operation": "create", "type": "*", "name": "*", "moment": "after", "times": 1}, frozenset()),
}


def with_defaults(fault: Mapping[str, Any]) -> _Fault:
    """Complete a fault with its defaults. Raises `ValueError` that names what is wrong."""
    kind = str(fault.get("kind"))
    if kind not in _FIELDS:
        raise ValueError(f"unknown kind of fault {kind!r}; known are {', '.join(sorted(_FIELDS))}")
    defaults, required = _FIELDS[kind]
    unknown, missing = set(fault) - set(defaults) - {"kind"}, required - set(fault)
    if unknown:
        raise ValueError(f"a {kind} fault has no {', '.join(sorted(unknown))}; it has {', '.join(sorted(defaults))}")
    if missing:
        raise ValueError(f"a {kind} fault needs {', '.join(sorted(missing))}")
    return {**defaults, **fault}


def put(store: Store, faults: Iterable[Mapping[str, Any]]) -> None:
    """Put these faults in force in place of all others. An empty list ends them all."""
    content = [with_defaults(fault) for fault in faults]
    with store.exclusive_use():
        write_whole(_path(store.folder), json.dumps(content, indent=1).encode())


def in_force(folder: Path) -> list[_Fault]:
    """Return the faults of a store. Raises `StoreError` for a file that cannot be read."""
    try:
        return [with_defaults(fault) for fault in json.loads(_path(folder).read_text())]
    except FileNotFoundError:
        return []
    except ValueError as error:
        raise StoreError(f"{_path(folder)}: {error}") from error


def quota_limit(state: AccountState, code: str) -> int | None:
    """Return the vCPUs that the quota allows; None is no limit."""
    limits = [int(f["vcpus"]) for f in state.faults if f["kind"] == "quota" and f["code"] == code]
    return min(limits, default=None)


def has_capacity(state: AccountState, instance_type: str, zone_id: str, capacity_type: str) -> bool:
    """Tell whether the zone has an instance of the type to give to those who buy in that way."""
    asked = {"instance_type": instance_type, "zone": zone_id, "capacity_type": capacity_type}
    return not any(
        f["kind"] == "capacity" and all(fnmatchcase(value, f[field]) for field, value in asked.items())
        for f in state.faults
    )


def seconds_of_lag(state: AccountState) -> float:
    """Return for how long the list by tags shows what is gone, seconds."""
    return max((float(f["seconds"]) for f in state.faults if f["kind"] == "lag"), default=0.0)


def strike_before(store: Store, operation: str, resource: Resource) -> None:
    """Let go wrong what goes wrong before AWS hears of the operation: waits, throttling, death."""
    for fault in _striking_faults(store, operation, resource, {"slow", "throttle", "kill"}, "before"):
        if fault["kind"] == "slow":
            time.sleep(float(fault["seconds"]))
        elif fault["kind"] == "throttle":
            raise OperationError(
                f"operation error {resource.type}: {operation}, exceeded maximum number of attempts, 25, "
                "https response error StatusCode: 400, api error ThrottlingException: Rate exceeded"
            )
        else:
            _die()


def strike_after(store: Store, operation: str, resource: Resource) -> None:
    """Die, or lose the answer, if a fault says so, after AWS has done its part and before the engine hears of it."""
    for fault in _striking_faults(store, operation, resource, {"kill", "lost"}, "after"):
        if fault["kind"] == "kill":
            _die()
        raise OperationError(f"operation error {resource.type}: {operation}, https response error: connection reset")


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _striking_faults(store: Store, operation: str, resource: Resource, kinds: set[str], moment: str) -> list[_Fault]:
    """Return the faults that strike now, and count them down in the file."""
    if not _path(store.folder).exists():
        return []
    with store.exclusive_use():
        faults = in_force(store.folder)
        striking = [f for f in faults if f["kind"] in kinds and _matches(f, operation, resource, moment)]
        for fault in striking:
            if fault["times"] is not None:
                fault["times"] -= 1
        if any(fault["times"] is not None for fault in striking):
            remaining = [fault for fault in faults if fault.get("times") != 0]
            write_whole(_path(store.folder), json.dumps(remaining, indent=1).encode())
    return striking


def _matches(fault: _Fault, operation: str, resource: Resource, moment: str) -> bool:
    return (
        fnmatchcase(operation, fault["operation"])
        and (fnmatchcase(resource.type, fault["type"]) or fnmatchcase(resource.type.split(":")[-1], fault["type"]))
        and fnmatchcase(resource.name, fault["name"])
        and fault.get("moment", moment) == moment
    )


def _path(folder: Path) -> Path:
    return folder / "faults.json"
