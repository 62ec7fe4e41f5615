"""Runs the program of `infra` against Pulumi's mocks and returns what it registered.

The one place that sets mocks (a second call would overwrite the first). Outputs are awaited here, so that tests assert
on plain values. Mocks echo inputs, which hides a wrong reference; the engine tests carry that proof.
"""

from __future__ import annotations

import asyncio
import datetime
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pulumi
import pytest
from pulumi.runtime import mocks, stack
from pulumi.runtime import test as awaited

from planner.documents.lock import Lock, load


@dataclass(frozen=True)
class Resource:
    """One registration. Inputs have their names on the wire (camel case)."""

    type: str
    name: str
    inputs: dict[str, Any]
    provider: str
    custom: bool


@dataclass
class Registered:
    """What a run registered, in order, and the stack's outputs."""

    resources: list[Resource] = field(default_factory=list)
    outputs: dict[str, Any] = field(default_factory=dict)

    def of(self, type_suffix: str) -> list[Resource]:
        """Resources whose type ends with the suffix, such as `:NodeGroup`."""
        return [resource for resource in self.resources if resource.type.endswith(type_suffix)]

    def one(self, type_suffix: str, name: str = "") -> Resource:
        """The only such resource, of those whose name contains `name`."""
        (found,) = [resource for resource in self.of(type_suffix) if name in resource.name]
        return found

    def names(self, type_suffix: str) -> list[str]:
        """Their names, sorted."""
        return sorted(resource.name for resource in self.of(type_suffix))


class _Cloud(mocks.Mocks):
    """filled: secrets that have a value; None says that all have one. deployed: the stack's outputs before the run."""

    def __init__(self, filled: frozenset[str] | None = None, deployed: Mapping[str, Any] | None = None) -> None:
        self.registered = Registered()
        self.filled, self.deployed = filled, deployed or {}

    def new_resource(self, args: mocks.MockResourceArgs) -> tuple[str, dict[str, Any]]:
        self.registered.resources.append(
            Resource(args.typ, args.name, args.inputs, args.provider or "", bool(args.custom))
        )
        return f"{args.name}-id", {**dict(_computed(args.typ, args.name)), **args.inputs}

    def call(self, args: mocks.MockCallArgs) -> dict[str, Any]:
        if args.token == "pulumi:pulumi:readStackOutputs":
            return {"outputs": dict(self.deployed)}
        if args.token == "aws:secretsmanager/getSecretVersions:getSecretVersions":
            full = self.filled is None or args.args["secretId"] in self.filled
            version = {"versionId": "1", "versionStages": ["AWSCURRENT"], "createdTime": "", "lastAccessedDate": ""}
            return {"id": "", "arn": "", "name": "", "secretId": "", "versions": [version] if full else []}
        raise AssertionError(f"the program asked {args.token}, which no mock answers")


def run_program(
    name: str,
    config: Mapping[str, str],
    filled: frozenset[str] | None = None,
    deployed: Mapping[str, Any] | None = None,
) -> Registered:
    """Register stack `name`. Raises what the program raises. filled, deployed: as `_Cloud` has them."""
    # Pulumi asks the main thread for its event loop; a test that used `asyncio.run` before this one has taken it away.
    asyncio.set_event_loop(asyncio.new_event_loop())
    cloud = _Cloud(filled, deployed)
    mocks.set_mocks(cloud, project="spillway", stack=name, preview=False)
    pulumi.runtime.set_all_config({f"spillway:{key}": value for key, value in config.items()})
    if (before := stack.get_root_resource()) is not None:
        before.outputs = {}  # those of the test before this one
    awaited(_deploy)()
    root = stack.get_root_resource()
    assert root is not None
    cloud.registered.outputs = dict(_known(root.outputs))
    return cloud.registered


def run_worked_lock(folder: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> tuple[Lock, Registered]:
    """A lock of a folder of environments and what it registers, on the day of its snapshot, inside the network."""
    monkeypatch.setenv("SPILLWAY_ENVIRONMENTS", str(folder))
    monkeypatch.setenv("SPILLWAY_RUNNER", "inside")
    path = folder / f"{name}.lock.json"
    lock = load(path.read_text(), str(path))

    class SnapshotDay(datetime.date):
        """Models that retire later expire no lock here."""

        @classmethod
        def today(cls) -> SnapshotDay:
            return cls.fromisoformat(lock.consulted.snapshot)

    monkeypatch.setattr("infra.inputs.date", SnapshotDay)
    return lock, run_program(name, {})


def _deploy() -> None:
    from infra.program import deploy

    stack.Stack()._finish() if stack.get_root_resource() is None else None
    deploy()


def _known(outputs: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for key, value in outputs.items():
        if isinstance(value, pulumi.Output):
            resolved: list[Any] = []
            awaited(lambda value=value, resolved=resolved: value.apply(resolved.append))()
            yield key, resolved[0]
        else:
            yield key, value


def _computed(type_token: str, name: str) -> Iterator[tuple[str, Any]]:
    """What the cloud would add to a resource of this type."""
    yield "arn", f"arn:aws:mock:us-east-1:123456789012:{name}"
    yield "name", f"{name}-1234567"
    if type_token.endswith(":Cluster"):
        yield "endpoint", "https://eks.example"
        yield "certificateAuthority", {"data": "Y2VydA=="}
    if type_token.endswith(":VpcEndpoint"):
        yield "cidrBlocks", ["52.216.0.0/15", "16.15.176.0/20", "3.5.0.0/19"]
    if type_token.endswith(":LaunchTemplate"):
        yield "latestVersion", 1
    if type_token.endswith(":Bucket"):
        yield "bucket", f"{name}-1234567"
    if type_token.endswith(":NodeGroup"):
        yield "nodeGroupName", f"{name}-1234567"
