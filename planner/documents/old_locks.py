"""Locks of format 1.0 are read as today's: what that format left to the program is written into the plan.

Release 0.1 stated system nodes, disks, keys and logs in the program, and again in the bill. Its values stand here, so
that an old lock still deploys what it deployed then. The file's own digest is judged over what the file holds:
`as_in_file` takes away again what `in_todays_form` added.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

FORMAT_1_0 = "1.0"
DISK_GB = 200
"""Root volume of a GPU node in release 0.1, GB."""
CLUSTER: Mapping[str, Any] = {
    "system_nodes": {"instance_type": "m6a.large", "nodes": 2, "disk_gb": 30},
    "keys": [{"name": "secrets", "deletion_days": 30}],
    "log_groups": [
        {"name": "control-plane", "retention_days": 90, "gb_per_month": "12"},
        {"name": "network-flows", "retention_days": 30, "gb_per_month": "8"},
    ],
    "model_bucket": {"weights_gb": "0", "old_version_days": 30},
}
"""What release 0.1 built beside GPU nodes. It did not know the sizes of checkpoints, and did not bill their storage."""


COLUMNS_SINCE: Mapping[str, frozenset[str]] = {
    "api": frozenset({"lifecycle"}),
    "model": frozenset({"engine_flags", "gated", "licence_terms", "tokens"}),
    "provider": frozenset(
        {
            "api_key_variable",
            "batches",
            "billing",
            "endpoints",
            "features",
            "instead",
            "not_called",
            "note",
            "prompt_caching",
            "protocol",
            "regions",
            "renames",
            "retention_days",
            "stated_models",
            "unread",
            "zero_retention_possible",
        }
    ),
}
"""Columns that catalog rows of a kind gained since release 0.1, which its locks' digests of facts do not cover."""


def keys_of_today(raw: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the keys that a lock of format 1.0 holds and that only later formats have."""
    plan = raw.get("plan")
    if raw.get("format_version") != FORMAT_1_0 or not isinstance(plan, dict):
        return ()
    platform = plan.get("platform")
    parts = (
        ("platform.cluster", isinstance(platform, dict) and "cluster" in platform),
        ("node_groups.disk_gb", any("disk_gb" in group for group in _objects(plan.get("node_groups")))),
        ("apis.protocol", any("protocol" in api for api in _objects(plan.get("apis")))),
    )
    return tuple(name for name, is_there in parts if is_there)


def in_todays_form(raw: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values of a lock with what its format did not write yet. Those of today's format stay as they are.

    Values of the wrong form are passed over, because validation tells of them.
    """
    values = copy.deepcopy(dict(raw))
    plan = values.get("plan")
    if values.get("format_version") != FORMAT_1_0 or not isinstance(plan, dict):
        return values
    platform = plan.get("platform")
    if isinstance(platform, dict):
        zones, nat = platform.get("zones") or [], platform.get("nat")
        zones = [] if nat == "none" else zones[:1] if nat == "single" else zones
        platform["cluster"] = {**CLUSTER, "nat_zones": zones} if plan.get("pools") else None
    for group in _objects(plan.get("node_groups")):
        group["disk_gb"] = DISK_GB
    for api in _objects(plan.get("apis")):
        api["protocol"] = "openai"
    return values


def as_in_file(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values as the file of a lock of format 1.0 holds them."""
    held = copy.deepcopy(dict(values))
    del held["plan"]["platform"]["cluster"]
    for group in held["plan"]["node_groups"]:
        del group["disk_gb"]
    for api in held["plan"]["apis"]:
        del api["protocol"]
    for pool in held["plan"]["pools"]:
        pool.setdefault("adapters", [])  # release 0.1 wrote the key and planned none
    return held


def _objects(values: Any) -> list[dict[str, Any]]:
    return [value for value in values if isinstance(value, dict)] if isinstance(values, list) else []
