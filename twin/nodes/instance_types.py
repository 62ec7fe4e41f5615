"""What a node of an EC2 instance type offers to pods: CPU, memory, pods and GPUs.

The sizes are EC2's own (DescribeInstanceTypes, in the dump that moto carries). What the node keeps for itself follows
the formulas that EKS and Karpenter publish:

    pods        = interfaces of the default network card × (IPv4 addresses per interface − 1) + 2       (VPC CNI)
    kube CPU    = 6 % of the first core, 1 % of the second, 0.5 % of the next two, 0.25 % of the rest   (EKS AMI)
    kube memory = 255 MiB + 11 MiB × pods;  eviction threshold = 100 MiB                                (EKS AMI)
    capacity    = nominal memory × (1 − 7.5 %): what firmware, hypervisor and kernel keep               (Karpenter)

A managed node group admits at most 110 pods below 30 vCPUs and 250 above, whatever the network would carry. No price,
zone or quota is known here.
"""

from __future__ import annotations

import gzip
import importlib.util
import json
import math
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

_MEMORY_OVERHEAD = 0.075
_EVICTION_MIB = 100
_CPU_RESERVED_BY_CORE = (0.06, 0.01, 0.005, 0.005)
_CPU_RESERVED_BY_FURTHER_CORE = 0.0025


class UnknownInstanceTypeError(KeyError):
    """EC2 has no instance type of this name, or moto's dump does not hold it yet."""


@dataclass(frozen=True, kw_only=True)
class Ec2InstanceType:
    """An EC2 instance type has these sizes."""

    name: str
    vcpus: int
    memory_mib: int
    gpus: int
    architecture: str
    """`amd64` or `arm64`, as Kubernetes spells it."""
    network_pods: int
    """Pods to which the VPC CNI can give an address."""

    @property
    def max_pods(self) -> int:
        """Return the pods that a managed node group admits on a node of this type."""
        return min(self.network_pods, 110 if self.vcpus < 30 else 250)

    @property
    def capacity_memory_mib(self) -> int:
        """Return the memory that the kubelet sees."""
        return self.memory_mib - math.ceil(self.memory_mib * _MEMORY_OVERHEAD)

    @property
    def allocatable_memory_mib(self) -> int:
        """Return the memory left for pods."""
        return self.capacity_memory_mib - (255 + 11 * self.network_pods) - _EVICTION_MIB

    @property
    def allocatable_cpu_millicores(self) -> int:
        """Return the CPU left for pods, in thousandths of a core."""
        further = max(self.vcpus - len(_CPU_RESERVED_BY_CORE), 0)
        reserved_cores = sum(_CPU_RESERVED_BY_CORE[: self.vcpus]) + _CPU_RESERVED_BY_FURTHER_CORE * further
        return self.vcpus * 1000 - round(reserved_cores * 1000)


@lru_cache(maxsize=256)
def describe(name: str) -> Ec2InstanceType:
    """Return the sizes of the instance type `name`.

    Raises UnknownInstanceTypeError for a name that EC2 does not have.
    """
    try:
        entry = _all_types()[name]
    except KeyError:
        raise UnknownInstanceTypeError(f"EC2 has no instance type {name!r} (moto's DescribeInstanceTypes)") from None
    network = entry["NetworkInfo"]
    card = network["NetworkCards"][network.get("DefaultNetworkCardIndex", 0)]
    gpus = entry.get("GpuInfo", {}).get("Gpus", [])
    arm = "arm64" in entry["ProcessorInfo"]["SupportedArchitectures"]
    return Ec2InstanceType(
        name=name,
        vcpus=entry["VCpuInfo"]["DefaultVCpus"],
        memory_mib=entry["MemoryInfo"]["SizeInMiB"],
        # A fraction of a GPU (g6f) is offered to pods as one.
        gpus=sum(math.ceil(gpu["Count"]) for gpu in gpus if gpu["Manufacturer"] == "NVIDIA"),
        architecture="arm64" if arm else "amd64",
        network_pods=card["MaximumNetworkInterfaces"] * (network["Ipv4AddressesPerInterface"] - 1) + 2,
    )


@lru_cache(maxsize=1)
def _all_types() -> dict[str, Any]:
    """Read moto's dump, without importing moto, which takes seconds."""
    spec = importlib.util.find_spec("moto")
    if spec is None or not spec.submodule_search_locations:
        raise ModuleNotFoundError("moto is not installed; it carries EC2's instance types (`make setup-python`)")
    dump = Path(spec.submodule_search_locations[0]) / "ec2" / "resources" / "instance_types.json.gz"
    with gzip.open(dump) as file:
        types: dict[str, Any] = json.load(file)
    return types
