"""Facts from the raw tables: GPUs, instance types, models, providers and their models, as rows of the catalog."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from tools.catalog import selection as choose
from tools.catalog.cards import CARDS, DATA_SHEET, FRACTIONS, SIBLINGS, Card
from tools.catalog.chosen_apis import APIS, BATCHES, FEATURES, HIPAA, PROMPT_CACHING, PROVIDERS, RENAMES, RESIDENCY
from tools.catalog.chosen_models import MODELS, REASONING, SAME_SHAPE, tokens_of
from tools.catalog.lifecycle_rows import lifecycles
from tools.catalog.model_shapes import CODE, shape_of
from tools.catalog.raw_tables import TODAY, Fact, RawRow, api_source, raw_apis, source_text, table, whole
from tools.catalog.yaml_text import OneLine


def gpus(raw: Path) -> Iterator[Fact]:
    """GPUs, with the formats that they run: those of the raw table, then their siblings."""
    rows = {row["gpu"]: row for row in table(raw, "gpus.csv")}
    found = {card.key: _gpu(card, rows[card.raw]) for card in CARDS}
    for other in SIBLINGS:
        names = {"spellings": list(other.spellings), "runtime_names": list(other.runtime_names), "note": other.note}
        named = {"key": other.key, "name": other.runtime_names[0]}
        source = {"source": f"{DATA_SHEET}; the rest as {other.like}"}
        row = found[other.like] | named | names | source | other.differs
        row.pop("assumed_for", None)
        found[other.key] = row | {"tflops": OneLine(row["tflops"])}
    yield from found.values()


def _gpu(card: Card, row: RawRow) -> Fact:
    formats = {name: level for name, column in _SUPPORT.items() if (level := _support(row[column]))}
    formats["fp16"] = "native"
    if level := _support(row["fp8_w8a8"]) or ("weight-only" if row["fp8_w8a16_marlin"].startswith("yes") else None):
        formats["fp8"] = level
    if card.block_fp8:
        formats["fp8-block"] = "native"
    reported = card.reported_mib or whole(row["mem_mib_nvidia_smi"] or row["mem_mib_ec2_api"])
    measured = card.measured_gib
    speeds = {dtype: row[f"{dtype}_{unit}_dense"] for dtype, unit in _SPEEDS}
    return {
        "key": card.key,
        "name": "NVIDIA " + row["gpu"],
        "spellings": list(card.spellings),
        "runtime_names": list(card.runtime_names),
        **({"assumed_for": list(card.assumed_for)} if card.assumed_for else {}),
        "architecture": row["architecture"].split(" (")[0],
        "compute_capability": row["compute_capability"],
        "memory_gb": whole(row["mem_gb_datasheet"]),
        "memory_reported_mib": reported,
        "memory_bytes": round(measured * 2**30) if measured else reported * 2**20 * 993 // 1000,
        "memory_provenance": "measured" if measured else "analytic",
        "bandwidth_gb_per_s": whole(row["mem_bw_gb_s"]),
        "tflops": OneLine({dtype: float(speed) for dtype, speed in speeds.items() if speed}),
        "link": card.link,
        "link_gb_per_s": whole(row["gpu_link_gb_s_bidir"]),
        "pcie_gb_per_s": whole(row["pcie_gb_s_per_dir"]),
        "tdp_watt": whole(row["tdp_w"]),
        "formats": dict(sorted(formats.items())),
        "source": source_text(row["source"]),
        "as_of": TODAY,
        **({"note": card.note} if card.note else {}),
    }


_SUPPORT = {name: name for name in ("awq", "bf16", "gptq", "mxfp4", "nvfp4")} | {"int8": "int8_w8a8"}
_SPEEDS = (("bf16", "tflops"), ("fp16", "tflops"), ("fp8", "tflops"), ("int8", "tops"), ("fp4", "tflops"))


def _support(text: str) -> str | None:
    """`yes …` and `native` → native; `weight-only …` and `storage only …` → weight-only; else None."""
    if text.startswith("yes") or text == "native":
        return "native"
    return "weight-only" if text.startswith(("weight-only", "no native (weight-only")) else None


def instances(raw: Path) -> Iterator[Fact]:
    """Instance types of the chosen families."""
    gpu_keys = {card.rented: card.key for card in CARDS if card.rented}
    for row in table(raw, "aws_gpu_instances.csv"):
        if row["family"] not in choose.FAMILIES:
            continue
        yield {
            "key": row["instance_type"],
            "family": row["family"],
            "gpu": FRACTIONS.get(row["gpu_partition"]) or gpu_keys[row["accelerator"]],
            "gpu_count": whole(row["accel_count"]),
            "vcpu": whole(row["vcpu"]),
            "ram_gib": float(row["ram_gib"]),
            "allocatable_cpu_m": whole(row["k8s_alloc_cpu_m"]),
            "allocatable_memory_mib": whole(row["k8s_alloc_mem_mi"]),
            "max_pods": whole(row["k8s_max_pods"]),
            "local_nvme_gb": whole(row["local_nvme_gb"]),
            "network_baseline_gbps": float(row["network_baseline_gbps"]),
            "network_peak_gbps": float(row["network_peak_gbps"]),
            "efa_interfaces": whole(row["efa_max_interfaces"]),
            "ebs_baseline_mbps": whole(row["ebs_baseline_mbps"]),
            "ebs_max_mbps": whole(row["ebs_max_mbps"]),
            "bare_metal": row["instance_type"].endswith(".metal"),
            "quota": {"L-DB2E81BA": "G", "L-417A185B": "P"}[row["quota_on_demand"]],
            "source": source_text(row["hw_source"]),
            "as_of": "2026-07-11",
        }


def models(raw: Path) -> Iterator[Fact]:
    """Open-weight models under their accept-list names."""
    rows = {row["name"]: row for row in table(raw, "models.csv")}
    for key, (name, instruct) in MODELS.items():
        row, more = rows[name], shape_of(key)
        named = more.get("row", {})
        base = "shape read from the base checkpoint" if instruct else ""
        notes = [named["note"] if "note" in named else row["params_note"].split(";")[0], base]
        native = named.get("native") or _native(row["native_dtype"])
        others = {"awq": None, "fp8": "at-load", "gptq": None} if native in ("bf16", "fp16") else {}
        yield {
            "key": key,
            "hf_id": instruct or row["hf_id"],
            "revision": None,
            "native": native,
            "quantizations": OneLine(sorted((others | named.get("quantizations", {})).items())),
            **({"recipes": recipes} if (recipes := named.get("recipes")) else {}),
            "max_context": whole(row["max_context"]),
            "architecture": _architecture(row, more.get("architecture", {})),
            "licence": row["license"] or None,
            "licence_limits": row["license_limits"],
            "openness": "truly-open" if "data" in row["openness"] else "open-weights",
            "released": row["released"],
            "source": "; ".join(filter(None, _model_sources(row, more))),
            "as_of": TODAY,
            **({"note": note} if (note := "; ".join(filter(None, notes))) else {}),
            **({"not_served": why} if (why := named.get("not_served")) else {}),
            **({"same_shape": SAME_SHAPE[key]} if key in SAME_SHAPE else {}),
            **({"tokens": tokens} if (tokens := tokens_of(key)) else {}),
        }


def _model_sources(row: RawRow, more: Fact) -> Iterable[str]:
    """Of the raw table's columns, of those that join them, and of named checkpoints."""
    named = more.get("row", {})
    yield named.get("source") or source_text(row["arch_source"])
    yield CODE if "architecture" in more and CODE.split()[0] not in row["arch_source"] else ""
    yield named.get("also", "")


def _native(dtype: str) -> str:
    for start, form in _NATIVE:
        if dtype.startswith(start):
            return form
    raise ValueError(dtype)


_NATIVE = (
    ("bfloat16", "bf16"),
    ("float16", "fp16"),
    ("float32 ckpt (run bf16)", "bf16"),
    ("mxfp4", "mxfp4"),
    ("int4 (QAT", "int4-qat"),
    ("fp8", "fp8-block"),
)


def _architecture(row: RawRow, more: Fact) -> Fact:
    state = re.search(r"(\d+) heads x (\d+) x (\d+)", row["linear_state_note"])
    shape: Fact = {
        "params_total": whole(row["params_total"]),
        "params_active": whole(row["params_active"]),
        "layers": whole(row["layers"]),
        "hidden": whole(row["hidden"]),
        "heads": whole(row["heads"]),
        "kv_heads": whole(row["kv_heads"]),
        "head_dim": whole(row["head_dim"]),
        "attention": row["attn_type"].split()[0],
        "full_layers": whole(row["full_attn_layers"]),
        "sliding_layers": whole(row["swa_layers"]),
        "sliding_window": whole(row["sliding_window"]) or None,
        "linear_layers": whole(row["linear_attn_layers"]),
        "linear_state_elements": int(state[1]) * int(state[2]) * int(state[3]) if state else 0,
        "intermediate": whole(row["intermediate"]),
        "vocab": whole(row["vocab"]),
        "tied_embeddings": row["tied"] == "True",
        "kv_bytes_per_token_growing": whole(row["kv_bytes_per_token_bf16_growing"]),
        "kv_bytes_per_token_windowed": whole(row["kv_bytes_per_token_bf16_windowed"]),
    }
    if row["experts"]:
        shape["experts"] = {
            "experts": whole(row["experts"]),
            "experts_per_token": whole(row["experts_per_token"]),
            "expert_intermediate": whole(row["moe_intermediate"]),
            "shared_intermediate": whole(row["shared_expert_intermediate"]),
            "dense_layers": whole(row["dense_layers"]),
        }
    if row["kv_lora_rank"]:
        ranks = ("q_lora_rank", "kv_lora_rank", "qk_nope_head_dim", "qk_rope_head_dim", "v_head_dim")
        shape["latent"] = {rank: whole(row[rank]) for rank in ranks}
    for column, value in more.items():
        shape[column] = shape[column] | value if isinstance(shape.get(column), dict) else value
    return shape


def providers(raw: Path) -> Iterator[Fact]:
    """API providers with their data policy."""
    policies = {row["provider"]: row for row in table(raw, "api_policies.csv")}
    for key, (name, policy, address, _) in PROVIDERS.items():
        row = policies[policy]
        trains = row["trains_on_api_data"]
        verified = row["as_of"] != "-" and not re.search(r"unverified|not verified", trains)
        source = row["source"] if row["as_of"] != "-" else "no policy was found"
        dated = row["as_of"] if re.fullmatch(r"\d{4}(-\d{2}){0,2}", row["as_of"]) else TODAY
        yield {
            "key": key,
            "name": name,
            "base_url": address,
            "protocol": "openai",
            "api_key_variable": f"{key.upper()}_API_KEY",
            "renames": OneLine(RENAMES.get(key, {})),
            "features": FEATURES,
            "trains_on_data": (not trains.startswith("no") if verified else None),
            "retention": row["default_retention"],
            "zero_retention": row["zero_retention_option"] if row["as_of"] != "-" else "unverified",
            "hipaa": HIPAA.get(key),
            "residency": RESIDENCY.get(key),
            "source": source + "; address: provider's API reference",
            "as_of": dated,
            **({"prompt_caching": PROMPT_CACHING[key]} if key in PROMPT_CACHING else {}),
            **({"batches": BATCHES[key]} if key in BATCHES else {}),
        }


def apis(raw: Path) -> Iterator[Fact]:
    """Hosted models; wire ids must be in the raw table."""
    rows, ends = raw_apis(raw), lifecycles(raw)
    for provider, chosen in APIS.items():
        for slug, wire in chosen.items():
            row = rows[provider, wire]
            retires, snapshot = _retirement(row, provider, wire, rows)
            end, lifecycle = ends.get((provider, slug), (retires, None))
            features = {
                "batch": row["batch_output_usd_per_mtok"],
                "json-schema": row["supports_response_schema"] == "True",
                "prompt-caching": row["supports_prompt_caching"] == "True",
                "tools": row["supports_function_calling"] == "True",
                "vision": row["supports_vision"] == "True",
            }
            long_context = re.search(r"_above_(\d+)k_tokens", row["long_context_rates"])
            yield {
                "key": f"{provider}/{slug}",
                "provider": provider,
                "slug": slug,
                "wire_model": wire,
                "hosts": slug if slug in MODELS else None,
                "context_tokens": whole(row["context_tokens"]) or None,
                "max_output_tokens": whole(row["max_output_tokens"]) or None,
                "long_context_above": int(long_context[1]) * 1000 if long_context else None,
                "features": sorted(name for name, has in features.items() if has),
                "reasoning": _reasons(row, slug),
                "retires": end,
                **({"lifecycle": lifecycle} if lifecycle else {}),
                "status": "listed" if row["status"] == "listed" else "delisted",
                "source": api_source(row).source,
                "as_of": api_source(row).as_of,
                **({"note": f"retires with {snapshot}, which it points to"} if snapshot else {}),
            }


def _retirement(
    row: RawRow, provider: str, wire: str, rows: dict[tuple[str, str], RawRow]
) -> tuple[str | None, str | None]:
    """(last day, the snapshot that says so): an alias without a date takes the last of its dated snapshots'."""
    if row["deprecation_date"]:
        return row["deprecation_date"], None
    dated = re.compile(re.escape(wire) + r"-\d{4}-?\d{2}-?\d{2}$")
    ends = [
        (other["deprecation_date"], name)
        for (at, name), other in rows.items()
        if at == provider and dated.fullmatch(name) and other["deprecation_date"]
    ]
    return max(ends) if ends else (None, None)


def _reasons(row: RawRow, slug: str) -> bool | None:
    """Whether it may think first: the price list marks models that do; for hosted copies their makers' word counts."""
    if slug in MODELS:
        return slug in REASONING
    return row["supports_reasoning"] == "True" if row["status"] == "listed" else None
