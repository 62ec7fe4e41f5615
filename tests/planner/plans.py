"""A small valid plan and its lock, built by hand, so that every figure can be checked on paper.

Chat (internal, two input bands) runs on one shared node with two replicas of two GPUs and sends a quarter of its short
prompts to an API at peak; extraction (restricted) has two nodes of one replica to itself.

    peak, chat          10/s · 0.8 · 0.75 / 8  +  10/s · 0.2 / 4   = 1.25 of 2 replicas
    peak, extraction    1.5/s / 2                                  = 0.75 of 1 replica left after losing a node
    API, short prompts  8/s · 200 h · 3600 s/h · 0.8 · 0.25        = 1,152,000 requests a month
    logs kept           (12 GB · 90 d + 8 GB · 30 d) / 30.4167 d   = 43.3973 GB-months
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from planner.documents.environment_file import canonical, parse
from planner.documents.judgement import environment_digest
from planner.documents.lock import Consulted, Lock, seal
from planner.domain.catalog import Catalog
from planner.domain.prices import Price
from planner.edges.catalog_files import load_catalog
from planner.money.cost import bill, line
from planner.plan.cost import CostLine
from planner.plan.plan import Plan

CHAT_POOL = "gpt-oss-120b-mxfp4-l40s-2of4"
CHAT_GROUP = "g6e-12xlarge-on-demand"
PRIVATE = "qwen3-32b-fp8-l40s-1of1-private"
"""Name of the restricted pool and of its node group."""
API = "openai/gpt-5.4-mini"
CALIBRATION = "sha256:calibration"
TRACES: dict[str, str] = {}

ENVIRONMENT = """\
version: 1
platform:
  account: "123456789012"
  region: us-east-1
  zones: [use1-az4, use1-az6]
horizon: {start: 2026-12-01, months: 12}
routes:
  chat:
    traffic: {profile: office-hours, timezone: Europe/Berlin, requests_per_second: {mean: 5}}
    tokens: {input: {mean: 1155, p95: 4000}, output: {mean: 211, p95: 451}}
    slo: {ttft_p95: {base: 1200ms, per_1k_input: 300ms}, tpot_p95: 60ms}
    data: internal
    quality: {accept: [gpt-oss-120b, gpt-5.4-mini], source: own evaluation, date: 2026-11-01}
  extraction:
    traffic: {requests_per_second: {mean: 0.8}}
    tokens: {input: {mean: 1800, p95: 4000}, output: {mean: 150, p95: 350}}
    slo: {ttft_p95: 2s, tpot_p95: 80ms}
    data: restricted
    quality: {accept: [qwen3-32b], source: own evaluation, date: 2026-11-01}
api:
  providers:
    openai: {limits: {tpm: 2M, rpm: 5k}}
  monthly_budget: $5000
quotas: {G: 96}
budget: {monthly: $20000}
"""

_PRICES = {
    "ec2/us-east-1/g6e.12xlarge/on-demand": ("hour", "10.49264"),
    "ec2/us-east-1/g6e.2xlarge/on-demand": ("hour", "2.24208"),
    "ec2/us-east-1/m6a.large/on-demand": ("hour", "0.0864"),
    "platform/us-east-1/ebs-gp3-storage": ("GB-month", "0.08"),
    "platform/us-east-1/eks-control-plane": ("hour", "0.10"),
    "platform/us-east-1/kms-key": ("month", "1"),
    "platform/us-east-1/logs-ingest": ("GB", "0.50"),
    "platform/us-east-1/logs-storage": ("GB-month", "0.03"),
    "platform/us-east-1/nat-gateway": ("hour", "0.045"),
    "platform/us-east-1/public-ipv4": ("hour", "0.005"),
    "platform/us-east-1/s3-storage": ("GB-month", "0.023"),
    "api/openai/gpt-5.4-mini/input": ("Mtok", "0.75"),
    "api/openai/gpt-5.4-mini/output": ("Mtok", "4.50"),
}


def plan() -> Plan:
    """The plan: nothing in it contradicts anything else."""
    return Plan.model_validate(_PARTS)


def bent(whole: Plan, changes: Mapping[str, Any]) -> Plan:
    """A plan with some values changed, by path: `{"pools/0/replicas/max": 3}`."""
    return Plan.model_validate(edited(whole.model_dump(mode="json"), changes))


def edited(values: Any, changes: Mapping[str, Any]) -> Any:
    """A copy of plain values with some changed, by path; a path may name a new key, `~` stands for a slash in one."""
    copy = json.loads(json.dumps(values))
    for path, value in changes.items():
        *steps, last = [int(step) if step.isdigit() else step.replace("~", "/") for step in path.split("/")]
        place = copy
        for step in steps:
            place = place[step]
        place[last] = value
    return copy


def lock(
    whole: Plan | None = None, environment: str = ENVIRONMENT, catalog: Catalog | None = None, name: str = "prod"
) -> Lock:
    """The plan sealed as the lock of an environment's text, fresh against the shipped catalog."""
    catalog = catalog or load_catalog()
    parsed, _ = parse(environment, f"environments/{name}.yaml")
    values = canonical(parsed)
    facts = ("api/openai/gpt-5.4-mini", "gpu/L40S", "instance/g6e.12xlarge", "model/gpt-oss-120b", "model/qwen3-32b")
    consulted = Consulted(
        snapshot=catalog.prices.name,
        calibration="2026-11-21",
        facts=facts,
        prices=tuple(sorted(_PRICES)),
        traces=TRACES,
        calibrations={},
    )
    digests = {
        "environment": environment_digest(values, TRACES),
        "facts": catalog.facts_digest(consulted.facts),
        "prices": catalog.prices_digest(consulted.prices),
        "calibration": CALIBRATION,
    }
    return seal(name, values, consulted, digests, whole or plan(), "0.1.0")


def cost_lines() -> tuple[CostLine, ...]:
    """The bill of the plan, line by line."""
    return (
        _line("1 × g6e.12xlarge", CHAT_GROUP, "fixed", 730, "ec2/us-east-1/g6e.12xlarge/on-demand"),
        _line("root volumes", CHAT_GROUP, "fixed", 200, "platform/us-east-1/ebs-gp3-storage"),
        _line("2 × g6e.2xlarge", PRIVATE, "fixed", 1460, "ec2/us-east-1/g6e.2xlarge/on-demand"),
        _line("root volumes", PRIVATE, "fixed", 400, "platform/us-east-1/ebs-gp3-storage"),
        _line("EKS control plane", "platform", "fixed", 730, "platform/us-east-1/eks-control-plane"),
        _line("NAT gateways", "platform", "fixed", 730, "platform/us-east-1/nat-gateway"),
        _line("encryption keys", "platform", "fixed", 1, "platform/us-east-1/kms-key"),
        _line("logs kept", "platform", "fixed", "43.3973", "platform/us-east-1/logs-storage"),
        _line("logs written", "platform", "fixed", 20, "platform/us-east-1/logs-ingest"),
        _line("model weights in the bucket", "platform", "fixed", "98.1", "platform/us-east-1/s3-storage"),
        _line("public addresses of NAT", "platform", "fixed", 730, "platform/us-east-1/public-ipv4"),
        _line("system node volumes", "platform", "fixed", 60, "platform/us-east-1/ebs-gp3-storage"),
        _line("system nodes (2 × m6a.large)", "platform", "fixed", 1460, "ec2/us-east-1/m6a.large/on-demand"),
        _line(f"{API} input tokens", "chat", "usage", 1152, "api/openai/gpt-5.4-mini/input"),
        _line(f"{API} output tokens", "chat", "usage", "230.4", "api/openai/gpt-5.4-mini/output"),
    )


def _line(name: str, component: str, kind: Any, quantity: Any, price: str) -> CostLine:
    unit, usd = _PRICES[price]
    return line(name, component, kind, Decimal(quantity), Price(price, Decimal(usd), unit, "list price", "2026-11-20"))


def _group(
    name: str, instance_type: str, gpus: int, vcpus: int, nodes: int, replicas: dict[str, int]
) -> dict[str, Any]:
    return {
        "name": name,
        "instance_type": instance_type,
        "gpu": "L40S",
        "gpus_per_node": gpus,
        "vcpus_per_node": vcpus,
        "memory_gib_per_node": vcpus * 8,
        "allocatable_cpu_m": vcpus * 1000 - 200,
        "allocatable_memory_mib": vcpus * 7000,
        "quota_family": "G",
        "capacity_type": "on-demand",
        "zones": ["use1-az4", "use1-az6"],
        "min_nodes": nodes,
        "max_nodes": nodes,
        "exclusive": name == PRIVATE,
        "placement": [{"nodes": nodes, "replicas": replicas}],
        "disk_gb": 200,
    }


def _pool(
    name: str,
    model: str,
    hf_id: str,
    weights: str,
    group: str,
    privacy: str,
    gpus: int,
    rates: list[tuple[str, int, str]],
) -> dict[str, Any]:
    return {
        "name": name,
        "model": model,
        "hf_id": hf_id,
        "revision": "0123abc",
        "format": weights,
        "gpu": "L40S",
        "node_group": group,
        "privacy": privacy,
        "replicas": {"min": 2, "max": 2},
        "max_in_flight": 160,
        "engine": {
            "tensor_parallel_size": gpus,
            "max_model_len": 16384,
            "max_num_seqs": 64,
            "max_num_batched_tokens": 8192,
            "max_num_queued_reqs": 96,
            "max_num_queued_tokens": 40000,
            "gpu_memory_utilization": "0.92",
            "quantization": None,
            "dtype": "auto",
        },
        "clock": {
            "dense_read_ms": "6.25",
            "dense_compute_ms_per_token": "0.03",
            "expert_read_ms": "4",
            "expert_compute_ms_per_token": "0.02",
            "expert_hit_fraction": "0.03125",
            "kv_read_ms_per_token": "0.0001",
            "attention_ms_per_token_pair": "0.000001",
            "overhead_ms": "2",
            "overhead_ms_per_sequence": "0.01",
            "comm_ms_per_token": "0.001",
            "comm_ms_per_step": "0.5",
        },
        "kv_tokens": 200_000,
        "weights_gib_per_gpu": "30.5",
        "load_seconds": "90.4",
        "capacity": [
            {
                "route": route,
                "band": band,
                "requests_per_second": rate,
                "low": rate,
                "high": rate,
                "provenance": "analytic",
                "binding": "tpot",
                "ttft_p95_ms": "900",
                "tpot_p95_ms": "55",
            }
            for route, band, rate in rates
        ],
        "peak_utilization": "0.625",
    }


def _band(up_to: int | None, share: str, pool: str, spilled: dict[str, str]) -> dict[str, Any]:
    return {
        "max_input_tokens": up_to,
        "share_of_requests": share,
        "mean_input_tokens": "1000",
        "mean_output_tokens": "200",
        "weights": {pool: "1"},
        "api_share": "0",
        "spill_by_level": spilled,
    }


def _route(name: str, privacy: str, model: str, bands: list[dict[str, Any]], fallback: list[str]) -> dict[str, Any]:
    return {
        "name": name,
        "task": "chat",
        "privacy": privacy,
        "residency": [],
        "slo": {
            "ttft_p95_base_ms": "1200",
            "ttft_p95_per_1k_input_ms": "300",
            "tpot_p95_ms": "60",
            "availability": "0.999",
        },
        "model": model,
        "bytes_per_token": "4",
        "bands": bands,
        "fallback": fallback,
        "triggers": {"spill_after_ms": 2700, "deadline_ms": 120_000, "queue_ms": 0 if fallback else 1800},
        "spill_share": "0.06" if fallback else "0",
        "usd_per_month": "9600.00",
        "usd_per_million_tokens": "0.5",
        "binding": "tpot",
        "reasons": ["because it is the cheapest"],
    }


_BILL = bill(cost_lines())
_COST = _BILL.model_copy(update={"high_usd_per_month": _BILL.usd_per_month + Decimal("1636.72")})

_PARTS: dict[str, Any] = {
    "platform": {
        "account": "123456789012",
        "region": "us-east-1",
        "zones": ["use1-az4", "use1-az6"],
        "cidr": "10.64.0.0/16",
        "public_cidrs": [],
        "deploy_role": None,
        "admin_roles": [],
        "kubernetes": "1.36",
        "cluster": {
            "system_nodes": {"instance_type": "m6a.large", "nodes": 2, "disk_gb": 30},
            "nat_zones": ["use1-az4"],
            "keys": [{"name": "secrets", "deletion_days": 30}],
            "log_groups": [
                {"name": "control-plane", "retention_days": 90, "gb_per_month": "12"},
                {"name": "network-flows", "retention_days": 30, "gb_per_month": "8"},
            ],
            "model_bucket": {"weights_gb": "98.1", "old_version_days": 30},
        },
    },
    "levels": [
        {
            "name": "peak",
            "hours": "200",
            "mean_requests_per_second": {"chat": "8", "extraction": "1.2"},
            "planned_requests_per_second": {"chat": "10", "extraction": "1.5"},
        },
        {
            "name": "trough",
            "hours": "530",
            "mean_requests_per_second": {"chat": "3", "extraction": "0.6"},
            "planned_requests_per_second": {"chat": "4", "extraction": "0.8"},
        },
    ],
    "node_groups": [
        _group(CHAT_GROUP, "g6e.12xlarge", 4, 48, 1, {CHAT_POOL: 2}),
        _group(PRIVATE, "g6e.2xlarge", 1, 8, 2, {PRIVATE: 1}),
    ],
    "pools": [
        _pool(
            CHAT_POOL,
            "gpt-oss-120b",
            "openai/gpt-oss-120b",
            "mxfp4",
            CHAT_GROUP,
            "internal",
            2,
            [("chat", 0, "8"), ("chat", 1, "4")],
        ),
        _pool(PRIVATE, "qwen3-32b", "Qwen/Qwen3-32B", "fp8", PRIVATE, "restricted", 1, [("extraction", 0, "2")]),
    ],
    "routes": [
        _route(
            "chat",
            "internal",
            "gpt-oss-120b",
            [_band(2047, "0.8", CHAT_POOL, {"peak": "0.25"}), _band(None, "0.2", CHAT_POOL, {})],
            [API],
        ),
        _route("extraction", "restricted", "qwen3-32b", [_band(None, "1", PRIVATE, {})], []),
    ],
    "apis": [
        {
            "name": API,
            "provider": "openai",
            "protocol": "openai",
            "model": "gpt-5.4-mini",
            "base_url": "https://api.openai.com/v1",
            "api_key_env": "OPENAI_API_KEY",
            "supports": ["functions", "tools"],
            "renames": {"max_tokens": "max_completion_tokens"},
            "context_tokens": 400_000,
            "usd_per_million_input_tokens": "0.75",
            "usd_per_million_cached_input_tokens": None,
            "usd_per_million_output_tokens": "4.50",
            "tokens_per_minute": 2_000_000,
            "requests_per_minute": 5000,
        }
    ],
    "cost": _COST.model_dump(mode="json"),
    "verdicts": [{"name": "budget", "state": "pass", "message": "within the budget"}],
    "baselines": [{"name": "all API", "usd_per_month": "24000.00", "description": "every route that may"}],
    "runners_up": [{"name": "without g6e.12xlarge", "usd_per_month": None, "description": "does not exist"}],
    "break_even": [
        {
            "scale": "1",
            "usd_per_month": str(_COST.usd_per_month),
            "all_api_usd_per_month": None,
            "gpus": 6,
            "api_share": "0.06",
            "fleet": "1 × g6e.12xlarge + 2 × g6e.2xlarge",
            "routes": {"chat": "hybrid", "extraction": "self-host"},
        }
    ],
    "omitted": [{"reason": "does not fit the GPU's memory", "count": 12}],
    "solver": {
        "status": "best found",
        "gap": "0.01",
        "bound_usd_per_month": "12000.00",
        "classes": 24,
        "levels": 2,
        "versions": {"highs": "1.11.0"},
        "options": {"threads": "1"},
    },
}
