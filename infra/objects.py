"""What every Kubernetes object of the program tells the provider: whose its fields are, and how long it may take.

Server-side apply keeps an owner of each field. The owner's name is the environment's, so an object that is missing from
the state (a killed run) is taken up again by its owner. What somebody else changed by hand is put back: what the lock
says goes before it, field by field. Fields that the program does not state (an autoscaler's number of replicas) stay
with whoever sets them.
"""

from __future__ import annotations

from collections.abc import Mapping

import pulumi

from infra.naming import stack_prefix

FIELD_MANAGER = "pulumi.com/patchFieldManager"
FORCE = "pulumi.com/patchForce"
TIMEOUT = "pulumi.com/timeoutSeconds"
"""Without it, the provider waits 10 minutes for a Deployment."""


def owner() -> dict[str, str]:
    """Return the annotations of every object: its fields belong to the environment."""
    return {FIELD_MANAGER: stack_prefix(pulumi.get_stack()), FORCE: "true"}


def patience(seconds: int) -> dict[str, str]:
    """Return the annotation of an object that is awaited: how long it may take to be ready, or gone."""
    return {TIMEOUT: str(seconds)}


def metadata(name: str, namespace: pulumi.Input[str] | None = None, **more: Mapping[str, str]) -> dict[str, object]:
    """Return the metadata of an object of the program's own; `more` are labels."""
    place = {} if namespace is None else {"namespace": namespace}
    return {"name": name, **place, **more, "annotations": owner()}
