"""How long AWS takes: what is made, changed or deleted lasts on a clock, whoever waits for it.

AWS takes an order at once and goes on by itself; the provider only waits, as the real one polls. So a provider that is
killed while it waits leaves at AWS what no state knows, and it becomes ACTIVE all the same.

    SPILLWAY_TWIN_MINUTE   seconds that a minute at AWS lasts here; without it nothing takes time
"""

from __future__ import annotations

import os
import time
from typing import Final

from twin.aws.account import Account, AwsError
from twin.aws.kinds import ResourceKind
from twin.aws.store import ResourceRecord
from twin.provider.wire import Properties

MINUTE_VARIABLE: Final = "SPILLWAY_TWIN_MINUTE"
CLUSTER: Final = "aws:eks/cluster:Cluster"
_BECOMING: Final = {"create": "CREATING", "update": "UPDATING", "delete": "DELETING"}
_NOT_YET: Final = ("endpoint", "certificateAuthority", "identities")
"""Outputs that a cluster has once it is made."""


def begin(record: ResourceRecord, kind: ResourceKind, operation: str) -> None:
    """Let the order last as long as AWS takes for it."""
    seconds = kind.minutes.get(operation, 0.0) * float(os.environ.get(MINUTE_VARIABLE) or 0)
    if seconds:
        record.becoming, record.until = _BECOMING[operation], time.time() + seconds


def wait(record: ResourceRecord) -> None:
    """Return when AWS is done with its last order."""
    time.sleep(max(0.0, record.until - time.time()))


def seen(record: ResourceRecord) -> Properties:
    """Return the outputs as AWS describes them now."""
    status = record.status()
    if status is None or "status" not in record.outputs:
        return record.outputs
    hidden = _NOT_YET if status == _BECOMING["create"] else ()
    return {**{key: value for key, value in record.outputs.items() if key not in hidden}, "status": status}


def require_rest(kind: ResourceKind, record: ResourceRecord, operation: str) -> None:
    """Refuse an order while AWS works on the one before, for the kinds that take one at a time."""
    status = record.status()
    if kind.one_order_at_a_time and status is not None:
        code, noun = "ResourceInUseException", kind.one_order_at_a_time
        past = {"update": "updated", "delete": "deleted"}[operation]
        message = f"{noun} cannot be {past} as it is currently not in Active State ({status})"
        raise AwsError("eks", f"{operation.capitalize()}{noun}", code, message)


def require_active_cluster(aws: Account, operation: str, name: str) -> None:
    """Refuse what needs a cluster that is ready."""
    record = aws.state.records.get(CLUSTER, {}).get(name)
    if record is not None and (status := record.status()) in ("CREATING", "DELETING"):
        message = f"Cluster '{name}' is not in ACTIVE status ({status})"
        raise AwsError("eks", operation, "InvalidRequestException", message)
