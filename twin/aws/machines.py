"""Which quota an EC2 instance counts against, and which zones offer its type.

The source is the public list of EC2 offerings that moto ships (`ec2:DescribeInstanceTypeOfferings`, recorded by its
maintainers). Quota codes are AWS's own; quotas count vCPUs. Sizes of the types are in `twin.nodes.instance_types`.
"""

from __future__ import annotations

import gzip
import importlib.util
import json
from functools import lru_cache
from pathlib import Path


def offering_zones(instance_type: str, region: str) -> frozenset[str]:
    """Return the ids of the region's zones that offer the type; there may be none."""
    return frozenset(row["Location"] for row in _offerings(region) if row["InstanceType"] == instance_type)


def quota_code(instance_type: str, capacity_type: str) -> str:
    """Return the service quota that instances of the type count against.

    `capacity_type` is spelled as EKS spells it.
    """
    family = instance_type.split(".")[0]
    spot = capacity_type == "SPOT"
    if family.startswith(("g", "vt")):
        return "L-3819A6DF" if spot else "L-DB2E81BA"
    if family.startswith("p5"):
        return "L-C4BD4855" if spot else "L-417A185B"
    if family.startswith("p"):
        return "L-7212CCBC" if spot else "L-417A185B"
    return "L-34B43A08" if spot else "L-1216C47A"


@lru_cache(maxsize=8)
def _offerings(region: str) -> list[dict[str, str]]:
    moto = importlib.util.find_spec("moto")
    assert moto is not None
    assert moto.origin is not None
    offerings = Path(moto.origin).parent / "ec2" / "resources" / "instance_type_offerings" / "availability-zone-id"
    path = offerings / f"{region}.json.gz"
    if not path.is_file():
        return []
    rows: list[dict[str, str]] = json.loads(gzip.decompress(path.read_bytes()))
    return rows
