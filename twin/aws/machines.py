"""Facts about EC2 instance types: vCPUs, memory, GPUs, the quota they count against and the zones that offer them.

Source: the public EC2 descriptions and offerings that moto ships (`ec2:DescribeInstanceTypes`,
`ec2:DescribeInstanceTypeOfferings`, recorded by its maintainers). Quota codes are AWS's own.
"""

from __future__ import annotations

import gzip
import json
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from typing import Any


@dataclass(frozen=True)
class Machine:
    """One instance type."""

    instance_type: str
    vcpus: int
    memory_mib: int
    gpus: int
    architecture: str


def machine(instance_type: str) -> Machine | None:
    """The instance type, or None when EC2 has no such type."""
    found = _descriptions().get(instance_type)
    if found is None:
        return None
    return Machine(
        instance_type=instance_type,
        vcpus=found["VCpuInfo"]["DefaultVCpus"],
        memory_mib=found["MemoryInfo"]["SizeInMiB"],
        gpus=sum(gpu["Count"] for gpu in found.get("GpuInfo", {}).get("Gpus", ())),
        architecture=found["ProcessorInfo"]["SupportedArchitectures"][0],
    )


def offering_zones(instance_type: str, region: str) -> frozenset[str]:
    """Zone ids of the region that offer the type; empty when none does."""
    return frozenset(row["Location"] for row in _offerings(region) if row["InstanceType"] == instance_type)


def quota_code(instance_type: str, capacity_type: str) -> str:
    """The service quota (in vCPUs) that instances of the type count against; `capacity_type` as EKS spells it."""
    family = instance_type.split(".")[0]
    spot = capacity_type == "SPOT"
    if family.startswith(("g", "vt")):
        return "L-3819A6DF" if spot else "L-DB2E81BA"
    if family.startswith("p5"):
        return "L-C4BD4855" if spot else "L-417A185B"
    if family.startswith("p"):
        return "L-7212CCBC" if spot else "L-417A185B"
    return "L-34B43A08" if spot else "L-1216C47A"


@lru_cache(maxsize=1)
def _descriptions() -> dict[str, Any]:
    found: dict[str, Any] = _resource("instance_types.json.gz")
    return found


@lru_cache(maxsize=8)
def _offerings(region: str) -> list[dict[str, str]]:
    try:
        found: list[dict[str, str]] = _resource(f"instance_type_offerings/availability-zone-id/{region}.json.gz")
    except FileNotFoundError:
        return []
    return found


def _resource(name: str) -> Any:
    path = files("moto.ec2").joinpath("resources").joinpath(*name.split("/"))
    return json.loads(gzip.decompress(path.read_bytes()))
