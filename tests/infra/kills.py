"""An environment on the twin whose runs are killed again and again: while it comes up, is read anew, and goes.

It is the whole program, with every type that it registers, the real Kubernetes provider and the real control plane; or
the AWS half alone, for tests that need no cluster. A kill ends the engine and all that it started, with no warning, a
drawn moment after the engine has begun a drawn number of steps.
"""

from __future__ import annotations

import contextlib
import json
import random
import threading
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from kubernetes import config
from kubernetes.dynamic import DynamicClient
from kubernetes.dynamic.exceptions import ApiException

from tests.engine import COMMAND_LIMIT_S, Engine, Outcome, kill, kind_and_name, stage
from tests.infra import locks
from tests.infra.checkout import checkout, published
from tests.infra.variants import everything
from tests.tools import require_tool
from twin.autoscaling.manifests import define
from twin.aws import existing, faults
from twin.cluster import RunningCluster

AWS_HALF = """
import pulumi
import infra.on_amazon as program
from infra.program import deploy


class Nothing(pulumi.ComponentResource):
    def __init__(self, name, args=None, opts=None):
        super().__init__(f"spillway:test:{type(self).__name__}", name, None, None)
        self.address = pulumi.Output.from_input(name)
        self.releases = [self.address]

    def of(self, pool):
        return []


program.in_cluster = lambda cluster, platform: None
for part in ("PlatformLayer", "WeightsCopies", "ServingPool", "GatewayRelease"):
    setattr(program, part, type(part, (Nothing,), {}))
deploy()
"""
SECONDS_OF_A_MINUTE = "0.1"
LONGEST_DELAY_S = 0.4
"""Most seconds from the beginning of a step to the kill. Most orders to the twin take less."""
AFTERLIFE = {"aws:kms/key:Key"}
"""What AWS keeps of a destroyed environment: the key, pending deletion."""
LATE = {"kind": "lag", "seconds": 3600}
"""The list by tags goes on showing what is gone."""
MOST_RUNS = 20
MOST_READ = 120
"""Most resources that a `refresh` reads before it is killed."""
EACH = {
    "aws:eks/nodeGroup:NodeGroup": ("system", "gpu-shared", "gpu-vault"),
    "aws:route53/record:Record": ("*-address", "*-certificate"),
}
"""Names of what each must be lost once, by type: resources that are found in different ways, all groups of machines."""
OWNER = "spillway-prod"
_WORK = frozenset({"create", "update", "delete", "import", "create-replacement", "delete-replaced"})
_STEPS = {"up": _WORK, "destroy": _WORK, "refresh": frozenset({"refresh"})}


@dataclass
class Survival:
    """What became of the environment.

    kills: after how many steps each run was killed, by its verb.
    told: what runs said of strays, in order.
    last: the run that came to its end.
    again: a preview after it.
    names: how often AWS holds each type and name.
    in_cluster: how many objects of the environment stand in the cluster.
    unknown: what AWS or the cluster holds and the state does not know.
    read: the `refresh` that came to its end.
    gone: the `destroy` that came to its end.
    left: what AWS and the cluster hold after it.
    """

    kills: dict[str, list[int]] = field(default_factory=dict)
    told: list[str] = field(default_factory=list)
    last: Outcome | None = None
    again: Outcome | None = None
    names: Counter[tuple[str, str]] = field(default_factory=Counter)
    in_cluster: int = 0
    unknown: set[tuple[str, str]] = field(default_factory=set)
    read: Outcome | None = None
    gone: Outcome | None = None
    left: dict[str, list[str]] = field(default_factory=dict)


@dataclass(frozen=True)
class Kills:
    """How many runs of each verb are killed, and after how many steps at most."""

    up: int
    refresh: int = 0
    destroy: int = 0
    most_steps: int = 12


def aws_half(folder: Path) -> Engine:
    """The AWS half of the program on a stage of its own, with its lock written."""
    root = _aws_half_only(checkout(folder / "checkout"))
    locks.write(root / "environments", locks.plan())
    engine = published(Engine(stage(folder / "stage"), root, "prod", {"SPILLWAY_RUNNER": "inside"}))
    engine.extra["SPILLWAY_TWIN_MINUTE"] = SECONDS_OF_A_MINUTE
    return engine


def whole(folder: Path, cluster: RunningCluster | None) -> Engine:
    """Everything that the program registers on a stage of its own; without a cluster, the AWS half of it.

    Its lock is written, its secrets are made and have values. The list by tags is late.
    """
    root = checkout(folder / "checkout")
    if cluster is None:
        _aws_half_only(root)
    place = stage(folder / "stage", cluster=cluster.folder if cluster else None)
    engine = Engine(place, root, "prod", {"SPILLWAY_RUNNER": "inside"})
    engine.extra["SPILLWAY_TWIN_MINUTE"] = SECONDS_OF_A_MINUTE
    for key, value in {**locks.IMAGES, "keda": "true"}.items():
        engine.configure(key, value)
    if cluster is not None:
        define(cluster.client(), require_tool("keda-operator").parent / "crds")
    zone = existing.provide(engine.account, "us-east-1", zones=["example.com"])["example.com"]
    locks.write(root / "environments", everything(hosted_zone=zone, boundary=None))
    secrets = engine.up()
    assert secrets.status == 0, secrets.output
    named = engine.outputs()["waiting_for"]
    assert named
    existing.fill(engine.account, "us-east-1", dict.fromkeys(named, "a value"))
    faults.put(engine.account, [LATE])
    return engine


def _aws_half_only(root: Path) -> Path:
    (root / "__main__.py").unlink()
    (root / "__main__.py").write_text(AWS_HALF)
    return root


def lose(engine: Engine, types: Iterable[str], found: Survival) -> set[str]:
    """Bring the environment up while AWS's answer to the first order of each of these types gets lost.

    What a kill leaves is the same, but here it is certain to be left, of each type. The answer is the types whose
    answer was lost.
    """
    wanted = [{"kind": "lost", "type": token, "name": name} for token in sorted(types) for name in EACH.get(token, "*")]
    faults.put(engine.account, [LATE, *wanted])
    left = wanted
    for _ in range(MOST_RUNS):
        outcome = engine.up("--continue-on-error")
        found.told += [line for line in outcome.diagnostics if "DEP08" in line]
        before, left = left, [one for one in faults.in_force(engine.account.folder) if one["kind"] == "lost"]
        if len(left) == len(before):
            break
    faults.put(engine.account, [LATE])
    return {*types} - {one["type"] for one in left}


def survive(engine: Engine, cluster: RunningCluster | None, seed: int, kills: Kills) -> Survival:
    """Bring the environment up through these kills, look at it, read it anew and destroy it through others."""
    drawn, found = random.Random(seed), Survival()
    _strike(engine, "up", kills.up, kills.most_steps, drawn, found)
    found.last = engine.up()
    found.told += [line for line in found.last.diagnostics if "DEP08" in line]
    found.again = engine.preview()
    held = [(token, record.name) for token, record in _held(engine)]
    found.names = Counter(held)
    standing = {*objects(cluster)} if cluster else set()
    found.in_cluster, found.unknown = len(standing), _unknown(engine, standing, held)
    if kills.refresh:
        _strike(engine, "refresh", kills.refresh, MOST_READ, drawn, found)
        found.read = engine.refresh()
    _strike(engine, "destroy", kills.destroy, kills.most_steps, drawn, found)
    found.gone = engine.destroy()
    left: dict[str, list[str]] = {}
    for token, record in _held(engine):
        left.setdefault(token, []).append(record.name)
    for kind, name in objects(cluster) if cluster else ():
        left.setdefault(kind, []).append(name)
    found.left = {kind: sorted(names) for kind, names in sorted(left.items())}
    return found


def objects(cluster: RunningCluster) -> Iterator[tuple[str, str]]:
    """Every object of the cluster that has fields of the environment: its kind and name."""
    client = DynamicClient(config.new_client_from_config(str(cluster.kubeconfig)))
    for kind in client.resources.search():
        if "list" not in (kind.verbs or ()) or kind.kind.endswith("List"):
            continue
        with contextlib.suppress(ApiException):
            for item in client.get(kind).items:
                managers = item.to_dict()["metadata"].get("managedFields") or ()
                if any(entry["manager"] == OWNER for entry in managers):
                    yield kind.kind, item.metadata.name


def _held(engine: Engine) -> Iterator[tuple[str, Any]]:
    for token, records in engine.account.load().records.items():
        for record in records.values():
            yield token, record


def _unknown(engine: Engine, standing: set[tuple[str, str]], held: list[tuple[str, str]]) -> set[tuple[str, str]]:
    """What AWS holds, or what stands in the cluster, beside the state's resources."""
    resources = engine.stack_export()["deployment"].get("resources", ())
    at_aws = {(item["type"], item["urn"].rsplit("::", 1)[-1]) for item in resources}
    in_cluster = {tuple(kind_and_name(item["urn"]).split(" ", 1)) for item in resources}
    return (set(held) - at_aws) | (standing - in_cluster)


def _strike(engine: Engine, verb: str, kills: int, most_steps: int, drawn: random.Random, found: Survival) -> None:
    """Kill this many runs of a verb, or as many as it takes until one is over before."""
    for _ in range(kills):
        steps, delay = drawn.randint(1, most_steps), drawn.uniform(0, LONGEST_DELAY_S)
        if not _killed(engine, verb, steps, delay, found):
            return
        found.kills.setdefault(verb, []).append(steps)
        engine.cancel()


def _killed(engine: Engine, verb: str, steps: int, delay: float, found: Survival) -> bool:
    """Start a run and kill it after this many steps; False where it has ended before."""
    running = engine.start(verb, "--yes", "--skip-preview", "--json")
    limit = threading.Timer(COMMAND_LIMIT_S, running.kill)
    limit.start()
    lines, begun = [], 0
    try:
        assert running.stdout is not None
        for line in running.stdout:
            lines.append(line)
            begun += _begins(line, verb)
            if begun >= steps:
                time.sleep(delay)
                break
        ended = begun < steps and running.wait() is not None
    finally:
        limit.cancel()
        kill(running)
    found.told += [message for message in map(_message, lines) if "DEP08" in message]
    if ended and running.returncode != 0:
        said = "".join(message for message in map(_message, lines))
        raise AssertionError(f"`{verb}` after a kill ended with {running.returncode}:\n{said}")
    return not ended


def _begins(line: str, verb: str) -> bool:
    if '"resourcePreEvent"' not in line:
        return False
    return bool(json.loads(line)["resourcePreEvent"]["metadata"]["op"] in _STEPS[verb])


def _message(line: str) -> str:
    if '"diagnosticEvent"' not in line:
        return ""
    with contextlib.suppress(ValueError):
        return str(json.loads(line)["diagnosticEvent"]["message"])
    return ""
