"""A small script by hand: a hybrid chat route and a restricted extraction route, each with a pool of its own."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, Literal

from planner.documents.rehearsal import PoolCast, RehearsalStage, RoutePromise, Script
from planner.documents.scenes import Drain, Plot, Scene
from planner.domain.arrivals import all_arrivals, arrivals
from planner.domain.workload import Mix

SPEED = 5.0
"""Two busy cores keep up with it: all scripts stay below 30 requests per wall second."""
CHART = Drain()
PRICE = (Decimal("0.40"), Decimal("1.60"))
API = "openai.gpt-4.1-mini"
CHAT = Mix(input_tokens=(400.0, 1200.0, 3000.0), output_tokens=(60.0, 150.0, 300.0), weights=(0.4, 0.4, 0.2))
EXTRACTION = Mix(input_tokens=(800.0, 2500.0), output_tokens=(80.0, 150.0), weights=(0.5, 0.5))

POOLS = ("pool-chat", "pool-extraction")
Privacy = Literal["internal", "restricted"]
PRIVACY: Mapping[str, Privacy] = {"chat": "internal", "extraction": "restricted"}


def clock(pool: str) -> dict[str, Any]:
    """A replica that decodes at 30 ms a step, prefills at 0.05 ms a token, and holds 32 sequences."""
    return {
        "version": "1.0",
        "pool": pool,
        "model": pool,
        "max_model_len": 8192,
        "max_num_seqs": 32,
        "max_num_batched_tokens": 2048,
        "kv_tokens": 200_000,
        "max_num_queued_reqs": 40,
        "max_num_queued_tokens": 40_000,
        "step": {
            "dense_read_ms": 24.0,
            "dense_compute_ms_per_token": 0.05,
            "expert_read_ms": 0.0,
            "expert_compute_ms_per_token": 0.0,
            "expert_hit_fraction": 1.0,
            "kv_read_ms_per_token": 0.0001,
            "attention_ms_per_token_pair": 0.0,
            "overhead_ms": 3.0,
            "overhead_ms_per_sequence": 0.0,
            "comm_ms_per_token": 0.01,
            "comm_ms_per_step": 1.0,
        },
    }


def script(
    duration_s: float = 60.0,
    slow_down: float = 1.0,
    kill: str | None = None,
    extraction_rule: Privacy = "restricted",
    chat_per_second: float = 3.0,
    extraction_per_second: float = 1.5,
    speed: float = SPEED,
) -> Script:
    """The stage. `extraction_rule` is what the policy says of that route; its bodies are restricted in any case."""
    promises = tuple(
        RoutePromise(
            name=name,
            privacy=privacy,
            ttft_base_ms=800.0,
            ttft_per_1k_input_ms=200.0,
            tpot_ms=50.0,
            e2e_ms=math.inf,
            bytes_per_token=4.0,
            share=1.0,
            spill_share=0.0,
            usd_per_mtok={API: PRICE},
        )
        for name, privacy in PRIVACY.items()
    )
    return Script(
        environment="small",
        level="peak",
        speed=speed,
        duration_s=duration_s,
        pools=tuple(PoolCast(name, clock(name), 1, 1) for name in POOLS),
        routes=promises,
        arrivals=all_arrivals(
            [
                arrivals(CHAT, "chat", chat_per_second, duration_s, 1),
                arrivals(EXTRACTION, "extraction", extraction_per_second, duration_s, 1),
            ]
        ),
        policy=lambda stage: policy(stage, extraction_rule, speed),
        offers={
            "version": "1.0",
            "providers": {
                "openai": {
                    "models": {
                        "gpt-4.1-mini": {
                            "usd_per_mtok": {"input": str(PRICE[0]), "output": str(PRICE[1])},
                            "context_tokens": 1_047_576,
                            "ttft_ms": 500,
                            "tpot_ms": 10,
                        }
                    }
                }
            },
        },
        key_names=("OPENAI_API_KEY",),
        kill=kill,
        slow_down=slow_down,
        stream_interval=32,
        fixed_usd_per_hour=Decimal("10"),
        api_usd_per_hour=Decimal("0"),
    )


def played(sizes: Sequence[int], scene_s: float, drain: Drain = CHART, **changes: Any) -> Script:
    """The same stage while replicas of `pool-chat` come and go: so many in each scene. `changes` are those of `script`.

    Answers are as long as at most 300 tokens take, 9 s and more.
    """
    phases = ("before", "between", "after")[: len(sizes)]
    staged = script(duration_s=scene_s * len(sizes), **changes)
    scenes = tuple(
        Scene(
            phase=phase,
            begins_ms=index * scene_s * 1000,
            level="peak",
            promised=True,
            replicas={"pool-chat": size, "pool-extraction": 1},
            planned_replicas={"pool-chat": size, "pool-extraction": 1},
            shares=dict.fromkeys(PRIVACY, 1.0),
            spill_shares=dict.fromkeys(PRIVACY, 0.0),
            nodes_usd_per_hour=Decimal(size),
        )
        for index, (phase, size) in enumerate(zip(phases, sizes, strict=True))
    )
    plot = Plot(
        story="chat comes and goes", scenes=scenes, warm_s={"pool-chat": 60.0}, starting_usd=Decimal(1), drain=drain
    )
    return dataclasses.replace(staged, plot=plot)


def _place(name: str, stage: RehearsalStage) -> dict[str, Any]:
    """Where the pool is: at fixed endpoints, or behind its name in the cluster."""
    if name in stage.replicas:
        return {"endpoints": list(stage.replicas[name])}
    return {"address": f"vllm-{name}.serving.svc.cluster.local:8000"}


def policy(stage: RehearsalStage, extraction: Privacy, speed: float) -> Mapping[str, Any]:
    """The gateway's document for the stage, durations on the clock of `speed`."""

    def route(pool: str, privacy: Privacy) -> dict[str, Any]:
        restricted = privacy == "restricted"
        return {
            "privacy": privacy,
            "bytes_per_token": 4.0,
            "bands": [{"max_input_tokens": None, "weights": {pool: 1.0}}],
            "fallback": [] if restricted else [API],
            "overflow": "refuse" if restricted else "api",
            "spill_after_ms": round(2_500 / speed),
            "deadline_ms": round(60_000 / speed),
            "queue_ms": round(10_000 / speed),
        }

    return {
        "version": "1.0",
        "environment": "small",
        "lock_digest": "sha256:" + "0" * 64,
        "pools": {
            name: {"model": name, "max_in_flight": 40, "max_model_len": 8192, **_place(name, stage)} for name in POOLS
        },
        "apis": {
            API: {
                "provider": "openai",
                "protocol": "openai",
                "base_url": f"{stage.api_base}/openai/v1",
                "model": "gpt-4.1-mini",
                "api_key_env": "OPENAI_API_KEY",
                "usd_per_mtok": {"input": str(PRICE[0]), "output": str(PRICE[1])},
                "context_tokens": 1_047_576,
            }
        },
        "routes": {"chat": route("pool-chat", "internal"), "extraction": route("pool-extraction", extraction)},
    }
