"""Two clusters that are there already, told by different labels, and one environment with its lock for each of them."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

from planner.decision.answer.existing_fleet import Machines
from planner.decision.candidates.existing import stated_machines
from planner.documents import environment_file
from planner.domain.engine_image import EngineImage
from planner.domain.environment import Environment
from planner.plan.plan import Plan
from planner.words.numbers import dollars
from tests.infra import locks
from twin.nodes.plain import PlainNode

LARGE, SMALL = "rack.4xl40s", "rack.1xl40s"
GROUPS = {"shared": LARGE, "vault": SMALL}
SIZES = {LARGE: (4, 48, 384), SMALL: (1, 8, 48)}
"""GPUs, CPUs and memory (GiB) of the machines."""
OWN_LABEL, OWN_TAINT = "spillway.dev/node-group=vault", "spillway.dev/pool=extraction-1xl40s:NoSchedule"
CATALOG = """
gpu: L40S
quota: G
bare_metal: true
source: inventory
as_of: 2026-10-05
types:
{types}
...
"""
MACHINE = """\
  {name}: {{gpu_count: {gpus}, vcpu: {cpus}, ram_gib: {memory}, allocatable_cpu_m: {cpu_m},
    allocatable_memory_mib: {mib}, max_pods: 110, local_nvme_gb: 0, network_baseline_gbps: 25, network_peak_gbps: 25,
    efa_interfaces: 0, ebs_baseline_mbps: 0, ebs_max_mbps: 0}}"""


@dataclass(frozen=True)
class Site:
    """How the nodes of one cluster are told, and where its weights lie.

    labels: of each machine.
    taints: on all GPU nodes.
    engine: images of the engine.
    """

    labels: dict[str, dict[str, str]]
    taints: tuple[str, ...]
    weights: str
    dns: str = ""
    engine: EngineImage = field(default_factory=EngineImage)

    def nodes(self, set_apart: bool) -> list[PlainNode]:
        """Two nodes for gateways and two of each machine; set_apart: whether those of the vault bear their marks."""
        found = [PlainNode(name=f"cpu-{index}") for index in (1, 2)]
        for name, (gpus, cpus, memory) in SIZES.items():
            apart = set_apart and name == SMALL
            key, _, value = OWN_LABEL.partition("=")
            labels = self.labels[name] | ({key: value} if apart else {})
            taints = (*self.taints, OWN_TAINT) if apart else self.taints
            found += [
                PlainNode(
                    name=f"{name.replace('.', '-')}-{index}",
                    cpus=cpus,
                    memory_mib=memory * 1024,
                    gpus=gpus,
                    labels=labels,
                    taints=taints,
                )
                for index in (1, 2)
            ]
        return found

    def environment_text(self, context: str, **changes: str) -> str:
        """The environment file. changes: further keys of `platform.cluster`."""
        nodes = ", ".join(
            f"{name}: {{labels: {_flow(labels)}, taints: [{', '.join(map(repr, self.taints))}]}}"
            for name, labels in self.labels.items()
        )
        further = "".join(f"\n    {key}: {value}" for key, value in changes.items())
        made = locks.environment_text()
        stated = self.engine.model_dump_json(exclude_none=True)
        images = f"\n  engine: {stated}" if self.engine != EngineImage() else ""
        head, _, rest = made.partition("platform:\n")
        _, _, routes = rest.partition("horizon:")
        return f"""{head}platform:
  region: de
  cluster:
    context: {context}
    network_policies: enforced
    nodes: {{{nodes}}}
    weights: {self.weights}{self.dns}{further}{images}
hardware:
  existing:
    - {{instance_type: {LARGE}, count: 2, usd_per_hour: $4.10, source: books of 2026, as_of: 2026-10-05}}
    - {{instance_type: {SMALL}, count: 2, usd_per_hour: $0.00, source: written off in 2025, as_of: 2026-10-05}}
horizon:{routes}"""


ON_PREMISES = Site(
    labels={
        LARGE: {"nvidia.com/gpu.product": "NVIDIA-L40S", "nvidia.com/gpu.count": "4"},
        SMALL: {"nvidia.com/gpu.product": "NVIDIA-L40S", "nvidia.com/gpu.count": "1"},
    },
    taints=(),
    weights="{bucket: models, endpoint: 'https://minio.example:9000', secret: models, "
    "cidrs: [192.0.2.0/28], port: 9000}",
)
GKE = Site(
    labels={
        LARGE: {"cloud.google.com/gke-accelerator": "nvidia-l40s", "cloud.google.com/gke-nodepool": "four"},
        SMALL: {"cloud.google.com/gke-accelerator": "nvidia-l40s", "cloud.google.com/gke-nodepool": "one"},
    },
    taints=("nvidia.com/gpu=present:NoSchedule",),
    weights="{volume_claim: models}",
    dns="\n    dns: {cidrs: [169.254.20.10/32]}",
)


def environment(site: Site, context: str, **changes: str) -> Environment:
    """The environment of a site."""
    return environment_file.parse(site.environment_text(context, **changes), "prod.yaml")[0]


def plan(site: Site, context: str, **changes: str) -> Plan:
    """The plan of `locks` on the machines of a site."""
    wanted = environment(site, context, **changes)
    made = locks.plan()
    groups = tuple(
        group.model_copy(
            update={
                "instance_type": GROUPS[group.name],
                "zones": (),
                "disk_gb": 0,
                "quota_family": "",
                "existing": group.max_nodes,
            }
        )
        for group in made.node_groups
    )
    entries = stated_machines(wanted.hardware)
    lines = [
        each
        for group, entry in zip(GROUPS, entries, strict=True)
        for each in Machines(entry, entry.count).bill_lines(group)
    ]
    fixed = dollars(sum((line.usd_per_month for line in lines), Decimal(0)))
    cost: dict[str, Any] = {
        "lines": tuple(lines),
        "fixed_usd_per_month": fixed,
        "usd_per_month": fixed,
        "low_usd_per_month": fixed,
        "high_usd_per_month": fixed,
    }
    platform: dict[str, Any] = {
        "region": "de",
        "public_cidrs": (),
        "deploy_role": None,
        "admin_roles": (),
        "cluster": None,
        "existing": wanted.platform.cluster,
        "engine": locks.planned_engine(wanted.platform.engine, made),
    }
    changed = made.model_dump() | {"platform": platform}
    return Plan.model_validate(changed).model_copy(
        update={"node_groups": groups, "cost": made.cost.model_copy(update=cost)}
    )


def write(folder: Path, site: Site, context: str, **changes: str) -> None:
    """Environment, lock and the catalog of own machines as files."""
    machines = folder / "catalog" / "instances"
    machines.mkdir(parents=True, exist_ok=True)
    types = (
        MACHINE.format(name=name, gpus=gpus, cpus=cpus, memory=memory, cpu_m=cpus * 1000 - 200, mib=memory * 900)
        for name, (gpus, cpus, memory) in SIZES.items()
    )
    (machines / "rack.yaml").write_text(CATALOG.format(types="\n".join(types)).lstrip())
    locks.write(folder, plan(site, context, **changes), environment=site.environment_text(context, **changes))


def _flow(labels: dict[str, str]) -> str:
    return "{" + ", ".join(f"{key}: '{value}'" for key, value in labels.items()) + "}"
