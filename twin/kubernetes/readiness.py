"""When an object counts as ready: the conditions that the real provider waits for.

Pure functions of the live object; the waiting is elsewhere. A kind without an entry is ready once it exists.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final


@dataclass(frozen=True)
class Readiness:
    """`ready`, or `reason` why not yet; `hopeless` when waiting longer cannot help."""

    ready: bool
    reason: str = ""
    hopeless: bool = False


def readiness_of(live: Mapping[str, Any]) -> Readiness:
    """Whether the object does what it is for."""
    if live.get("metadata", {}).get("annotations", {}).get("pulumi.com/skipAwait") == "true":
        return Readiness(True)
    judge = _JUDGES.get(live.get("kind", ""))
    return judge(live) if judge is not None else Readiness(True)


def _replicas(live: Mapping[str, Any]) -> Readiness:
    wanted = live["spec"].get("replicas", 1)
    status = live.get("status", {})
    if status.get("observedGeneration", 0) < live["metadata"].get("generation", 0):
        return Readiness(False, "its controller has not seen it yet")
    updated, available = status.get("updatedReplicas", 0), status.get("availableReplicas", 0)
    if updated >= wanted and available >= wanted:
        return Readiness(True)
    return Readiness(False, f"{available} of {wanted} replicas are available")


def _daemon_set(live: Mapping[str, Any]) -> Readiness:
    status = live.get("status", {})
    if status.get("observedGeneration", 0) < live["metadata"].get("generation", 0):
        return Readiness(False, "its controller has not seen it yet")
    wanted, ready = status.get("desiredNumberScheduled", 0), status.get("numberReady", 0)
    return Readiness(True) if ready >= wanted else Readiness(False, f"{ready} of {wanted} pods are ready")


def _job(live: Mapping[str, Any]) -> Readiness:
    conditions = {c["type"]: c for c in live.get("status", {}).get("conditions", ()) if c["status"] == "True"}
    if "Complete" in conditions:
        return Readiness(True)
    if "Failed" in conditions:
        return Readiness(False, f"the job failed: {conditions['Failed'].get('message', '')}", hopeless=True)
    return Readiness(False, "the job has not completed")


def _definition(live: Mapping[str, Any]) -> Readiness:
    conditions = {c["type"]: c["status"] for c in live.get("status", {}).get("conditions", ())}
    established = conditions.get("Established") == "True"
    return Readiness(True) if established else Readiness(False, "the definition is not established")


_JUDGES: Final[Mapping[str, Callable[[Mapping[str, Any]], Readiness]]] = {
    "Deployment": _replicas,
    "StatefulSet": _replicas,
    "DaemonSet": _daemon_set,
    "Job": _job,
    "CustomResourceDefinition": _definition,
}
