"""The table "Where to add" of ARCHITECTURE: GPUs, machines, models, providers and prices come in by data alone."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from measurement.evidence.published import PublishedRun, RowReader
from measurement.profile.document import parse
from planner.documents.routing import policy
from planner.edges import catalog_files, planning
from planner.edges.catalog_files import load_catalog
from planner.edges.workspace import Workspace
from tests.measurement.profile import profiles

SHIPPED = Path(catalog_files.__file__).parents[1] / "catalog" / "data"
DAY = "prices/2026-11-29"

GPU = """\
name: Acme Z9
spellings: [Z9, ZETA 9]
runtime_names: [ACME Z9 64GB]
architecture: Zeta
compute_capability: '9.0'
memory_gb: 64
memory_reported_mib: 65_000
memory_bytes: 67_680_000_000
memory_provenance: analytic
bandwidth_gb_per_s: 1800
tflops: {bf16: 400.0, fp16: 400.0, fp8: 800.0}
link: pcie4
link_gb_per_s: 0
pcie_gb_per_s: 32
tdp_watt: 300
formats:
  bf16: native
  fp16: native
  fp8: native
source: made up
as_of: 2026-11-21
...
"""
INSTANCES = """\
gpu: Z9
quota: G
bare_metal: false
source: made up
as_of: 2026-11-21
types:
  g9z.2xlarge:
    gpu_count: 1
    vcpu: 8
    ram_gib: 64.0
    allocatable_cpu_m: 7910
    allocatable_memory_mib: 60_000
    max_pods: 58
    local_nvme_gb: 450
    network_baseline_gbps: 5.0
    network_peak_gbps: 20.0
    efa_interfaces: 0
    ebs_baseline_mbps: 2500
    ebs_max_mbps: 5000
    zones:
      us-east-1: [use1-az4, use1-az6]
...
"""
MODEL = """\
hf_id: acme/Acme-Chat-7B
revision: 0123456789abcdef0123456789abcdef01234567
native: bf16
quantizations: {fp8: at-load}
max_context: 32_768
architecture:
  params_total: 7_383_027_712
  params_active: 6_858_739_712
  layers: 32
  hidden: 4096
  heads: 32
  kv_heads: 8
  head_dim: 128
  attention: GQA
  full_layers: 32
  sliding_layers: 0
  sliding_window: null
  linear_layers: 0
  linear_state_elements: 0
  intermediate: 13_000
  vocab: 128_000
  tied_embeddings: false
  kv_bytes_per_token_growing: 131_072
  kv_bytes_per_token_windowed: 0
licence: Apache-2.0
licence_limits: commercial ok
openness: open-weights
released: 2026-11
source: made up
as_of: 2026-11-21
same_shape: [Zenith-7B*]
...
"""
PROVIDER = """\
name: Acme Cloud
base_url: https://api.acme.example/{region}/v1
protocol: openai
api_key_variable: ACME_TOKEN
renames: {max_tokens: max_new_tokens}
features:
  tools: [tools]
trains_on_data: false
retention: none
zero_retention: default
hipaa: null
residency: [us]
source: made up
as_of: 2026-11-21
sources:
  page:
    source: Acme's page of models
    as_of: 2026-11-20
models:
  acme-chat-7b:
    wire_model: acme/chat-7b
    hosts: acme-chat-7b
    context_tokens: 262_144
    max_output_tokens: 8192
    long_context_above: null
    features: [json-schema, tools]
    reasoning: false
    retires: null
    status: listed
    source: page
...
"""
API_PRICES = """\
unit: Mtok
prices:
  acme-chat-7b:
    input: {usd: 20, source: acme}
    output: {usd: 60, source: acme}
...
"""
ENVIRONMENT = """\
version: 1
platform: {account: "123456789012", region: us-east-1, zones: [use1-az4, use1-az6], nat: single}
horizon: {start: 2026-12-01, months: 12}
routes:
  chat:
    task: chat
    traffic: {profile: flat, requests_per_second: {mean: 1}}
    tokens: {input: {mean: 1200, p95: 4000}, output: {mean: 200, p95: 450}}
    slo: {ttft_p95: 2s, tpot_p95: 80ms}
    data: internal
    quality: {accept: [acme-chat-7b], source: a test, date: 2026-12-01}
api: {providers: {acme: {limits: {tpm: 20M, rpm: 50000}}}}
quotas: {G: 64, P: 0}
budget: {monthly: $50000}
"""


@pytest.fixture
def _more_catalog(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The shipped catalog with the made-up files beside its own; two files of prices get a line more."""
    folder = tmp_path / "data"
    shutil.copytree(SHIPPED, folder)
    for path, text in {
        "gpus/Z9.yaml": GPU,
        "instances/g9z.yaml": INSTANCES,
        "models/acme-chat-7b.yaml": MODEL,
        "providers/acme.yaml": PROVIDER,
        f"{DAY}/api/acme.yaml": API_PRICES,
    }.items():
        (folder / path).write_text(text, encoding="utf-8")
    _insert(folder / f"{DAY}/ec2/us-east-1.yaml", "  g9z.2xlarge:\n    on-demand: {usd: 0.9, source: acme}\n")
    _insert(folder / f"{DAY}/sources.yaml", "acme:\n  source: Acme's price list\n  as_of: 2026-11-20\n")
    monkeypatch.setattr(catalog_files, "package_folder", lambda: folder)
    load_catalog.cache_clear()
    yield
    load_catalog.cache_clear()


def _insert(path: Path, lines: str) -> None:
    text = path.read_text(encoding="utf-8")
    path.write_text(text.removesuffix("...\n") + lines + "...\n", encoding="utf-8")


@pytest.mark.usefixtures("_more_catalog")
def test_a_plan_uses_what_was_added(tmp_path: Path) -> None:
    (tmp_path / "made-up.yaml").write_text(ENVIRONMENT, encoding="utf-8")
    lock = planning.plan(Workspace(tmp_path), "made-up").lock
    (pool,) = lock.plan.pools
    assert (pool.model, pool.hf_id, pool.gpu) == ("acme-chat-7b", "acme/Acme-Chat-7B", "Z9")
    assert [group.instance_type for group in lock.plan.node_groups] == ["g9z.2xlarge"]
    assert lock.plan.routes[0].fallback == ("acme/acme-chat-7b",)
    assert {"gpu/Z9", "instance/g9z.2xlarge", "model/acme-chat-7b", "provider/acme"} <= set(lock.consulted.facts)
    spoken = policy(lock)["apis"]["acme.acme-chat-7b"]
    assert (spoken["protocol"], spoken["api_key_env"]) == ("openai", "ACME_TOKEN")
    assert spoken["base_url"] == "https://api.acme.example/us-east-1/v1"
    assert spoken["renames"] == {"max_tokens": "max_new_tokens"}
    assert spoken["supports"] == ["tools"]


@pytest.mark.usefixtures("_more_catalog")
def test_measurements_find_what_was_added_by_its_names() -> None:
    row = {
        "id": "own-1",
        "engine": "vllm 0.33",
        "model": "someone/Zenith-7B-Instruct",
        "weight_dtype": "bf16",
        "gpu": "2x Zeta-9",
        "gpus": "2",
        "input_tokens": "1000",
        "output_tokens": "200",
        "concurrency_or_rate": "8 concurrent",
        "metric": "output tok/s",
    }
    run = RowReader(load_catalog()).read(row)
    assert isinstance(run, PublishedRun), run
    assert (run.model, run.gpu, run.gpus) == ("acme-chat-7b", "Z9", 2)
    profile = parse(profiles.text(gpu="ACME Z9 64GB"), "Z9.json")
    assert profile.catalog_gpu(load_catalog().gpus) is load_catalog().gpus["Z9"]
