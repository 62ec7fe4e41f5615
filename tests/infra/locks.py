"""An environment with three routes and the lock that answers it, built by hand: small numbers that add up.

Two node groups: `shared` (4 GPUs a node: two replicas of one GPU for chat and one of two GPUs for code) and `vault`
(one GPU a node, restricted, exclusive). Their sizes are the only thing that a test usually turns.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

from planner.documents import environment_file
from planner.documents.judgement import environment_digest
from planner.documents.lock import Consulted, Lock, render, seal
from planner.domain.engine_image import EngineImage
from planner.domain.purchases import COMMITMENTS
from planner.edges.calibration_digests import shipped_digest
from planner.edges.catalog_files import load_catalog
from planner.money.cost import cluster_lines, disk_key, line
from planner.plan.engine import PlannedCanary, PlannedEngine
from planner.plan.fleet import NodeGroup
from planner.plan.ingress import PlannedIngress, PlannedLoadBalancer
from planner.plan.plan import Plan
from planner.plan.platform import ClusterParts, EncryptionKey, LogGroup, ModelBucket, PlannedAlerts, SystemNodes
from planner.words.numbers import dollars

ZONES = ("use1-az4", "use1-az6")
ACCOUNT = "123456789012"
CERTIFICATE = f"arn:aws:acm:us-east-1:{ACCOUNT}:certificate/1"
HOURS = 730
IMAGES = {
    "gatewayImage": f"registry.example/spillway-gateway:1.0@sha256:{'1' * 64}",
    "engineImage": f"vllm/vllm-openai:v0.33.0@sha256:{'2' * 64}",
    "weightsImage": f"registry.example/spillway-weights:1.0@sha256:{'3' * 64}",
}
"""Settings of a stack whose images are pinned, as a protected one must have them."""
PUBLISHED = {key: IMAGES[key] for key in ("gatewayImage", "weightsImage")}
"""Settings of a stack for which the project's own images are published: no stack runs pods without them."""
CLUSTER = ClusterParts(
    system_nodes=SystemNodes(instance_type="m6a.large", nodes=2, disk_gb=30),
    nat_zones=ZONES[:1],
    keys=(EncryptionKey(name="secrets", deletion_days=30),),
    log_groups=(
        LogGroup(name="control-plane", retention_days=90, gb_per_month=12),
        LogGroup(name="network-flows", retention_days=30, gb_per_month=8),
    ),
    model_bucket=ModelBucket(weights_gb=100, old_version_days=30),
)
ALERTS = PlannedAlerts(emails=("platform@acme.example",), sns=None, tags_active=False)
COMMITMENT = {each.key: each for each in COMMITMENTS}
"""Commitments by their keys."""
HOURLY = {"g6e.12xlarge": Decimal("10.49264"), "g6e.xlarge": Decimal("1.861")}
SUPPLIED = CLUSTER.model_copy(
    update={"secrets": ("OPENAI_API_KEY", "client-keys", "docker-hub"), "mirrored_images_gb": Decimal(12)}
)
"""Parts of a cluster with keys in AWS Secrets Manager and images in the account's registry."""
CLOCK = {
    "dense_read_ms": 20,
    "dense_compute_ms_per_token": "0.05",
    "expert_read_ms": 0,
    "expert_compute_ms_per_token": 0,
    "expert_hit_fraction": 0,
    "kv_read_ms_per_token": "0.0001",
    "attention_ms_per_token_pair": "0.000001",
    "overhead_ms": 2,
    "overhead_ms_per_sequence": 0,
    "comm_ms_per_token": 0,
    "comm_ms_per_step": 0,
}


def environment_text(
    extraction_rate: float = 2,
    public_cidrs: tuple[str, ...] = (),
    routes: tuple[str, ...] = ("chat", "code", "extraction"),
    purchase: str = "",
    elastic: bool = False,
) -> str:
    """The environment file. `extraction_rate` is the line that scales the restricted pool.

    purchase: ways of buying that the team allows, as a flow mapping.
    elastic: whether nodes may be given back.
    """
    declared = {
        "chat": _route(8, "internal"),
        "code": _route(2, "internal"),
        "extraction": _route(extraction_rate, "restricted"),
    }
    lines = "\n".join(f"  {name}: {declared[name]}" for name in routes)
    return f"""\
version: 1
platform:
  account: "{ACCOUNT}"
  region: us-east-1
  zones: [{", ".join(ZONES)}]
  nat: single
  endpoint: {{public_cidrs: [{", ".join(f'"{cidr}"' for cidr in public_cidrs)}]}}
  roles:
    deploy: arn:aws:iam::{ACCOUNT}:role/deploy
    admin: [arn:aws:iam::{ACCOUNT}:role/platform]
horizon: {{start: 2026-12-01}}
{f"purchase: {purchase}" if purchase else ""}
{"elastic: {G: true}" if elastic else ""}
routes:
{lines}
"""


def _route(rate: float, data: str) -> str:
    tokens = "{input: {mean: 500, p95: 1500}, output: {mean: 100, p95: 300}}"
    slo = "{ttft_p95: 2s, tpot_p95: 80ms}"
    quality = "{accept: [gpt-oss-20b, gpt-6-luna], source: own evaluation, date: 2026-11-01}"
    traffic = f"{{requests_per_second: {{mean: {rate}}}}}"
    return f"{{traffic: {traffic}, tokens: {tokens}, slo: {slo}, data: {data}, quality: {quality}}}"


def plan(
    shared_nodes: int = 2,
    vault_nodes: int = 2,
    cluster: ClusterParts = CLUSTER,
    disk_gb: int = 200,
    spot: int = 0,
    committed: Mapping[str, int] | None = None,
    **changes: Any,
) -> Plan:
    """The plan. disk_gb: of each GPU node. `changes` replaces whole parts, given as plain values.

    spot: nodes of `shared` that are spot.
    committed: nodes of `vault` that a commitment covers, by its key.
    """
    groups = [
        _group("shared", "g6e.12xlarge", 4, 48, 384, shared_nodes, {"chat-1xl40s": 2, "code-2xl40s": 1}),
        _group("vault", "g6e.xlarge", 1, 4, 32, vault_nodes, {"extraction-1xl40s": 1}, exclusive=True),
    ]
    groups[0]["spot"], groups[1]["committed"] = spot, dict(committed or {})
    lines = [entry for group in groups for entry in _machines(group)]
    prices = load_catalog().prices
    disk = prices.price(disk_key("us-east-1"))
    assert disk is not None
    built, _ = cluster_lines("us-east-1", cluster, prices)
    for group in groups:
        group["disk_gb"] = disk_gb
        built += (line("root volumes", group["name"], "fixed", group["max_nodes"] * disk_gb, disk),)
    lines += [entry.model_dump() | {"usd_per_month": entry.usd_per_month} for entry in built]
    fixed = sum((entry["usd_per_month"] for entry in lines), Decimal(0))
    parts: dict[str, Any] = {
        "platform": {
            "account": ACCOUNT,
            "region": "us-east-1",
            "zones": ZONES,
            "cidr": "10.64.0.0/16",
            "public_cidrs": (),
            "deploy_role": f"arn:aws:iam::{ACCOUNT}:role/deploy",
            "admin_roles": (f"arn:aws:iam::{ACCOUNT}:role/platform",),
            "kubernetes": "1.36",
            "cluster": cluster,
        },
        "levels": [
            {
                "name": "peak",
                "hours": HOURS,
                "mean_requests_per_second": {"chat": 8, "code": 2, "extraction": 2},
                "planned_requests_per_second": {"chat": 8, "code": 2, "extraction": 2},
            }
        ],
        "node_groups": groups,
        "pools": [
            _pool("chat-1xl40s", "acme/chat-8b", "shared", "internal", "chat", 1, 2 * shared_nodes),
            _pool("code-2xl40s", "acme/code-32b", "shared", "internal", "code", 2, shared_nodes),
            _pool("extraction-1xl40s", "acme/extract-7b", "vault", "restricted", "extraction", 1, vault_nodes),
        ],
        "routes": [
            _route_plan("chat", "internal", "chat-1xl40s", ("openai/gpt-6-luna",)),
            _route_plan("code", "internal", "code-2xl40s", ()),
            _route_plan("extraction", "restricted", "extraction-1xl40s", ()),
        ],
        "apis": [_api()],
        "cost": {
            "lines": lines,
            "fixed_usd_per_month": fixed,
            "usage_usd_per_month": 0,
            "usd_per_month": fixed,
            "low_usd_per_month": fixed,
            "high_usd_per_month": fixed,
        },
        "verdicts": [{"name": "slo", "state": "pass", "message": "met"}],
        "baselines": [],
        "runners_up": [],
        "break_even": [],
        "omitted": [],
        "solver": {
            "status": "optimal",
            "gap": 0,
            "bound_usd_per_month": fixed,
            "classes": 3,
            "levels": 1,
            "versions": {},
            "options": {},
        },
    }
    return Plan.model_validate({**parts, **changes})


def text_for(plan: Plan, **options: Any) -> str:
    """The environment file that allows what the plan has: `environment_text` knows the options."""
    return environment_text(**options, elastic=any(group.follows_the_clock for group in plan.node_groups))


def sealed(plan: Plan, name: str = "prod", environment: str | None = None) -> Lock:
    """The plan as the lock of an environment text."""
    parsed, _ = environment_file.parse(environment or text_for(plan), f"{name}.yaml")
    canonical = environment_file.canonical(parsed)
    catalog = load_catalog()
    consulted = Consulted(snapshot=catalog.prices.name, calibration="", facts=(), prices=(), traces={}, calibrations={})
    digests = {
        "environment": environment_digest(canonical, consulted.traces),
        "facts": catalog.facts_digest(consulted.facts),
        "prices": catalog.prices_digest(consulted.prices),
        "calibration": shipped_digest(),
    }
    return seal(name, canonical, consulted, digests, plan, "0.1.0")


def write(folder: Path, plan: Plan, name: str = "prod", environment: str | None = None) -> Path:
    """Environment and lock as files; the path of the lock."""
    text = environment or text_for(plan)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{name}.yaml").write_text(text)
    path = folder / f"{name}.lock.json"
    path.write_text(render(sealed(plan, name, text)))
    return path


def group(plan: Plan, name: str) -> NodeGroup:
    """A node group of the plan."""
    return next(group for group in plan.node_groups if group.name == name)


def replaced(plan: Plan, part: str, name: str, /, **changes: Any) -> Plan:
    """The plan with one named entry of a list changed, such as `replaced(plan, "pools", "chat-1xl40s", gpu="L4")`."""
    entries = [entry.model_copy(update=changes) if entry.name == name else entry for entry in getattr(plan, part)]
    return plan.model_copy(update={part: tuple(entries)})


def on_platform(plan: Plan, **changes: Any) -> Plan:
    """The plan on a changed platform."""
    return plan.model_copy(update={"platform": plan.platform.model_copy(update=changes)})


def planned_engine(stated: EngineImage, plan: Plan) -> PlannedEngine | None:
    """The images of an environment in its plan, as the planner writes them."""
    if stated == EngineImage():
        return None
    canary = stated.canary
    replicas = {pool.name: canary.replicas for pool in plan.pools if canary and pool.replicas.max > canary.replicas}
    tried = PlannedCanary(image=canary.image, replicas=replicas) if canary else None
    return PlannedEngine(image=stated.image, canary=tried)


def on_cluster(**changes: Any) -> Plan:
    """The plan with changed parts of its cluster, and the bill of them."""
    return plan(cluster=CLUSTER.model_copy(update=changes))


FROM_INTERNET: dict[str, Any] = {
    "scheme": "internet-facing",
    "cidrs": ["203.0.113.0/24"],
    "certificate": None,
    "hosted_zone": "Z1",
}


def behind_balancer(
    hostname: str | None = "llm.example.com", sizes: Mapping[str, Any] | None = None, **changes: Any
) -> Plan:
    """The plan behind a load balancer: internal with a certificate, unless `changes` say otherwise.

    sizes: arguments of `plan`.
    """
    stated = {"scheme": "internal", "cidrs": ["10.0.0.0/8"], "certificate": CERTIFICATE, **changes}
    public = len(ZONES) if stated["scheme"] == "internet-facing" else 0
    balancer = PlannedLoadBalancer.model_validate({"public_addresses": public, "capacity_units": 1, **stated})
    cluster = CLUSTER.model_copy(update={"load_balancer": balancer})
    return on_platform(plan(cluster=cluster, **(sizes or {})), ingress=PlannedIngress(hostname=hostname))


def _machines(group: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The lines of a group's machines, one for each way in which they are bought."""
    instance_type, every = group["instance_type"], group["max_nodes"]
    ways = [("spot", "spot", group.get("spot", 0), Decimal("0.4"))]
    ways += [(COMMITMENT[key].words, key, count, Decimal("0.65")) for key, count in group.get("committed", {}).items()]
    plain = every - sum(count for _, _, count, _ in ways)
    ways = [("", "on-demand", plain, Decimal(1)), *ways]
    return [
        {
            "name": f"{instance_type} {words}" if words else f"nodes {group['name']}",
            "component": group["name"],
            "kind": "fixed",
            "quantity": count * HOURS,
            "unit": "hour",
            "unit_price": HOURLY[instance_type] * part,
            "usd_per_month": dollars(count * HOURS * HOURLY[instance_type] * part),
            "price": f"ec2/us-east-1/{instance_type}/{key}",
            "source": "test",
            "as_of": "2026-11-01",
        }
        for words, key, count, part in ways
        if count
    ]


def _group(
    name: str,
    instance_type: str,
    gpus: int,
    vcpus: int,
    memory_gib: int,
    nodes: int,
    replicas: Mapping[str, int],
    exclusive: bool = False,
) -> dict[str, Any]:
    return {
        "name": name,
        "instance_type": instance_type,
        "gpu": "L40S",
        "gpus_per_node": gpus,
        "vcpus_per_node": vcpus,
        "memory_gib_per_node": memory_gib,
        "allocatable_cpu_m": vcpus * 1000 - 200,
        "allocatable_memory_mib": memory_gib * 900,
        "quota_family": "G",
        "capacity_type": "on-demand",
        "zones": ZONES,
        "min_nodes": nodes,
        "max_nodes": nodes,
        "exclusive": exclusive,
        "placement": [{"nodes": nodes, "replicas": dict(replicas)}],
    }


def _pool(name: str, hf_id: str, group: str, privacy: str, route: str, gpus: int, replicas: int) -> dict[str, Any]:
    return {
        "name": name,
        "model": hf_id.rpartition("/")[2],
        "hf_id": hf_id,
        "revision": "0123abc",
        "format": "bf16",
        "gpu": "L40S",
        "node_group": group,
        "privacy": privacy,
        "replicas": {"min": replicas, "max": replicas},
        "engine": {
            "tensor_parallel_size": gpus,
            "max_model_len": 8192,
            "max_num_seqs": 64,
            "max_num_batched_tokens": 8192,
            "max_num_queued_reqs": 8,
            "max_num_queued_tokens": 20000,
            "gpu_memory_utilization": "0.92",
            "quantization": None,
            "dtype": "auto",
        },
        "clock": CLOCK,
        "kv_tokens": 100000,
        "max_in_flight": 72,
        "weights_gib_per_gpu": 15,
        "load_seconds": "90.4",
        "capacity": [
            {
                "route": route,
                "band": 0,
                "requests_per_second": 4,
                "low": 3,
                "high": 5,
                "provenance": "analytic",
                "binding": "tpot",
                "ttft_p95_ms": 900,
                "tpot_p95_ms": 60,
            }
        ],
        "peak_utilization": "0.5",
    }


def _route_plan(name: str, privacy: str, pool: str, fallback: tuple[str, ...]) -> dict[str, Any]:
    return {
        "name": name,
        "task": "chat",
        "privacy": privacy,
        "residency": (),
        "slo": {
            "ttft_p95_base_ms": 2000,
            "ttft_p95_per_1k_input_ms": 0,
            "tpot_p95_ms": 80,
            "availability": "0.999",
        },
        "model": None,
        "bytes_per_token": 4,
        "bands": [
            {
                "max_input_tokens": None,
                "share_of_requests": 1,
                "mean_input_tokens": 500,
                "mean_output_tokens": 100,
                "weights": {pool: 1},
                "api_share": 0,
                "spill_by_level": {"peak": 0},
            }
        ],
        "fallback": fallback,
        "triggers": {"spill_after_ms": 2500, "deadline_ms": 60000, "queue_ms": 10000},
        "spill_share": 0,
        "usd_per_month": 0,
        "usd_per_million_tokens": 0,
        "binding": "tpot",
        "reasons": (),
    }


def _api() -> dict[str, Any]:
    return {
        "name": "openai/gpt-6-luna",
        "provider": "openai",
        "protocol": "openai",
        "model": "gpt-6-luna",
        "base_url": "https://api.openai.com/v1",
        "api_key_env": "OPENAI_API_KEY",
        "supports": ("tools",),
        "renames": {},
        "context_tokens": 1047576,
        "usd_per_million_input_tokens": "0.40",
        "usd_per_million_cached_input_tokens": "0.10",
        "usd_per_million_output_tokens": "1.60",
        "tokens_per_minute": None,
        "requests_per_minute": None,
    }
