"""What `platform` must say of a cluster that is made, and what of one that is there already.

The module works on the values as they were read, like `contradictions`, which asks it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from planner.words.diagnostics import Problem
from planner.words.spans import Document, Path, mapping_at, value_at

CLUSTER = ("platform", "cluster")
MACHINES: Path = ("hardware", "existing")
NEEDED = {"account": "AWS account id, 12 digits, quoted", "zones": "zone ids like use1-az1, two or more"}
"""Keys of `platform` without which no cluster can be made, each with what to write."""
OF_A_MADE_CLUSTER = (
    *("account", "zones", "nat", "network", "endpoint", "roles", "kubernetes"),
    *("alerts", "images", "secrets", "patches"),
)
"""Keys of `platform` that say how a cluster is made."""


def cluster_problems(document: Document) -> Iterator[Problem]:
    """Yield what is missing or too much in `platform` (ENV002, ENV005)."""
    platform = value_at(document.value, ("platform",))
    if not isinstance(platform, dict):
        return
    if platform.get("cluster") is None:
        for name, hint in NEEDED.items():
            if name not in platform:
                yield Problem("ENV002", f"missing key `platform.{name}`", document.key(("platform",)), hint)
        return
    yield from _too_much(document, platform)
    yield from _machines(document)
    yield from _restricted(document)
    yield from _weights(document)


def _too_much(document: Document, platform: dict[str, Any]) -> Iterator[Problem]:
    """Refuse what would be read by nobody, because the cluster, its network and its machines are there."""
    keys: list[Path] = [("platform", name) for name in OF_A_MADE_CLUSTER if name in platform]
    keys += [("quotas",)] if document.value.get("quotas") else []
    balanced = "load_balancer" in (platform.get("ingress") or {})
    keys += [("platform", "ingress", "load_balancer")] if balanced else []
    for path in keys:
        message = f"`{'.'.join(map(str, path))}` says nothing of a cluster that is there already"
        yield Problem("ENV005", message, document.key(path), "leave it out, or leave out `platform.cluster`")


def _machines(document: Document) -> Iterator[Problem]:
    """Require that each kind of node has a number and a price with its source, and each such machine has labels."""
    nodes = mapping_at(document.value, *CLUSTER, "nodes")
    entries = value_at(document.value, MACHINES)
    listed = [entry for entry in entries if isinstance(entry, dict)] if isinstance(entries, list) else []
    counted = {str(entry.get("instance_type")) for entry in listed}
    own = value_at(document.value, ("purchase", "owned"))  # `references` knows of what machines these are
    for name in nodes if not own else ():
        if str(name) not in counted:
            hint = "add `{instance_type, count, usd_per_hour, source, as_of}` of them to `hardware.existing`"
            where = document.key((*CLUSTER, "nodes", name))
            yield Problem("ENV005", f"nobody says how many nodes of `{name}` there are and what they cost", where, hint)
    for index, entry in enumerate(listed):
        path: Path = (*MACHINES, index)
        name = entry.get("instance_type")
        if isinstance(name, str) and name not in nodes:
            hint = f"add `{name}: {{labels: {{…}}}}` to `platform.cluster.nodes`"
            yield Problem("ENV005", f"nobody says which nodes of the cluster are `{name}`", document.at(path), hint)
        for key in ("source", "as_of"):
            if key not in entry:
                hint = "say where the price was read and on which day; $0.00 too is a price with a source"
                yield Problem("ENV002", f"missing key `hardware.existing.{index}.{key}`", document.at(path), hint)


def _restricted(document: Document) -> Iterator[Problem]:
    """Refuse restricted data on a cluster whose network lets every pod talk to every other."""
    if value_at(document.value, (*CLUSTER, "network_policies")) != "none":
        return
    for name, route in mapping_at(document.value, "routes").items():
        if value_at(route, ("data",)) == "restricted":
            message = f"route `{name}` is restricted, and nothing in this cluster enforces network policies"
            hint = (
                "install a network plug-in that enforces them (Calico, Cilium) and state `network_policies: enforced`"
            )
            yield Problem("ENV005", message, document.key(("routes", name)), hint)


def _weights(document: Document) -> Iterator[Problem]:
    """Require one place of the weights, and the addresses of a store, which are the only ones that pools may reach."""
    path: Path = (*CLUSTER, "weights")
    weights = mapping_at(document.value, *CLUSTER, "weights")
    if "volume_claim" in weights and "bucket" in weights:
        yield Problem("ENV005", "the weights lie on a volume and in a bucket", document.key(path), "leave out one")
    if "bucket" in weights and not weights.get("cidrs"):
        hint = "write the addresses of the store as networks, like [192.0.2.10/32]; pools reach nothing else"
        yield Problem("ENV002", "missing key `platform.cluster.weights.cidrs`", document.key(path), hint)
