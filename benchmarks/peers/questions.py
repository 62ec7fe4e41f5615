"""A published run as a question to AIConfigurator, and its answer as the figure that the run reports.

    run → Question | Unpredictable                  Question → answer → PredictedFigure | Unpredictable

The peer is asked for one engine in its aggregated mode, with the formats, lengths and parallel sizes of the row and as
many requests in flight as the row has clients. It takes no version of an engine but those that its release holds, so
that the kernels are those of its default version. It gives means alone: medians are compared with them, other
percentiles are not. Nothing is guessed: a row that the peer has no word for has a reason.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from measurement.evidence.engines import EngineName, batch_limit, step_tokens
from measurement.evidence.predictions import PredictedFigure
from measurement.evidence.published import PublishedRun, Unpredictable
from planner.domain.models import Model
from planner.domain.offerings import Gpu

SYSTEMS = {
    "A100-80GB": "a100_sxm",
    "A100-80GB-PCIe": "a100_pcie",
    "B200": "b200_sxm",
    "B300": "b300_sxm",
    "H100": "h100_sxm",
    "H100-PCIe": "h100_pcie",
    "H200": "h200_sxm",
    "L4": "l4",
    "L40S": "l40s",
    "RTX-PRO-6000": "rtx_pro_6000_server",
}
"""The peer's systems by our GPUs, those without measured kernels too."""
BACKENDS: dict[EngineName, str] = {"vllm": "vllm", "trt-llm": "trtllm", "sglang": "sglang"}
SHAPES = {
    "deepseek-r1-distill-llama-70b": "meta-llama/Meta-Llama-3.1-70B",
    "deepseek-r1-distill-llama-8b": "meta-llama/Meta-Llama-3.1-8B",
    "deepseek-v3-0324": "deepseek-ai/DeepSeek-V3",
    "deepseek-v3.1": "deepseek-ai/DeepSeek-V3",
    "llama-3-70b-instruct": "meta-llama/Meta-Llama-3.1-70B",
    "llama-3-8b-instruct": "meta-llama/Meta-Llama-3.1-8B",
    "llama-3.1-405b-instruct": "meta-llama/Meta-Llama-3.1-405B",
    "llama-3.1-70b-instruct": "meta-llama/Meta-Llama-3.1-70B",
    "llama-3.1-8b-instruct": "meta-llama/Meta-Llama-3.1-8B",
    "llama-3.3-70b-instruct": "meta-llama/Meta-Llama-3.1-70B",
    "mixtral-8x22b-instruct": "mistralai/Mixtral-8x22B-v0.1",
    "mixtral-8x7b-instruct": "mistralai/Mixtral-8x7B-v0.1",
    "nemotron-3-nano-30b-a3b": "nvidia/NVIDIA-Nemotron-3-Nano-30B-A3B-BF16",
    "qwen3-235b-a22b-instruct-2507": "Qwen/Qwen3-235B-A22B",
    "qwen3-235b-a22b-thinking-2507": "Qwen/Qwen3-235B-A22B",
    "qwen3-30b-a3b-instruct-2507": "Qwen/Qwen3-30B-A3B",
}
"""The checkpoint of the same shape that the peer's release holds, where it is another than the catalog's."""
FORMATS: Mapping[str, str] = {
    "bf16": "bfloat16",
    "fp8": "fp8",
    "fp8-block": "fp8_block",
    "nvfp4": "nvfp4",
    "awq": "int4_wo",
    "gptq": "int4_wo",
    "int4-qat": "int4_wo",
}
OWN_FORMAT = "mxfp4"
"""The peer picks the kernel of this format for each GPU by itself, from the checkpoint."""
FULL_STEP = {"trtllm": 8192}
"""Prompt tokens of a step where everything is offered at once, by backend. Elsewhere a step takes one prompt, which is
the peer's default. Of the two, each is what brings the peer nearer to the rows of its kind."""
DEFAULT_MODE = "SILICON"


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What the peer is asked of one engine, in its own words.

    batch: requests in flight on one rank of attention; None for as many as the engine holds.
    batch_limit: sequences that the engine runs at a time at most.
    sequence_tokens: tokens of cache that one sequence takes while the batch is full.
    step_tokens: tokens of one step at most.
    ctx_tokens: prompt tokens of one step.
    memory_share: share of the memory that the row states; None for the engine's default.
    mode: how the peer treats kernels that were not measured.
    """

    model: str
    system: str
    backend: str
    tp_size: int
    attention_dp_size: int
    moe_tp_size: int | None
    moe_ep_size: int | None
    gemm_quant_mode: str
    moe_quant_mode: str | None
    kvcache_quant_mode: str
    isl: int
    osl: int
    batch: int | None
    batch_limit: int
    sequence_tokens: float
    step_tokens: int
    ctx_tokens: int
    memory_share: float | None
    mode: str


def question(run: PublishedRun, model: Model, gpu: Gpu, mode: str = DEFAULT_MODE) -> Question | Unpredictable:
    """The question that a run asks of the peer, or the reason why the peer has no word for it."""
    refused = _refusal(run)
    if refused:
        return Unpredictable(run.id, refused)
    sparse = model.architecture.experts is not None
    copies = engines(run, model)
    attention = run.data_parallel_size // copies
    ranks = run.tensor_parallel_size * attention
    shared_out = sparse and run.expert_parallel_size > 1
    clients = run.concurrency or run.prompts
    limit = int(run.max_num_seqs or batch_limit(run.engine, gpu, run.engine_version, run.date))
    own = max(1, math.ceil(clients / run.data_parallel_size)) if clients else limit
    longest = run.input_tokens + run.output_tokens
    each = longest if run.engine == "trt-llm" else run.input_tokens + run.output_tokens / 2.0
    backend, isl = BACKENDS[run.engine], max(1, round(run.input_tokens))
    usual = FULL_STEP.get(backend) or int(step_tokens(run.engine, gpu, run.engine_version, run.date, run.offline))
    budget = run.max_num_batched_tokens or usual
    return Question(
        model=SHAPES.get(model.key, model.hf_id),
        system=SYSTEMS[run.gpu],
        backend=backend,
        tp_size=run.tensor_parallel_size,
        attention_dp_size=attention,
        moe_tp_size=(1 if shared_out else ranks) if sparse else None,
        moe_ep_size=(ranks if shared_out else 1) if sparse else None,
        gemm_quant_mode=FORMATS[run.dense],
        moe_quant_mode=FORMATS.get(run.experts) if sparse else None,
        kvcache_quant_mode={"bf16": "bfloat16", "fp8": "fp8"}[run.kv],
        isl=isl,
        osl=max(1, round(run.output_tokens)),
        batch=min(limit, own) if run.concurrency else None,
        batch_limit=min(limit, own),
        sequence_tokens=each,
        step_tokens=budget,
        ctx_tokens=max(isl, budget) if run.is_all_at_once and backend in FULL_STEP else isl,
        memory_share=run.gpu_memory_utilization,
        mode=mode,
    )


def engines(run: PublishedRun, model: Model) -> int:
    """Independent copies of the engine. Where experts are shared out, the copies are those of attention alone."""
    together = model.architecture.experts is not None and run.expert_parallel_size > run.tensor_parallel_size
    return 1 if together else run.data_parallel_size


def figure(run: PublishedRun, model: Model, answer: Mapping[str, Any]) -> PredictedFigure | Unpredictable:
    """The figure that the run reports, in its unit, or the reason why the peer gave none. The peer has no interval."""
    if "error" in answer:
        return Unpredictable(run.id, reason(str(answer["error"]), str(answer["message"])))
    asked = run.figure
    if asked.kind == "throughput":
        tokens = {
            "output_rate": run.output_tokens,
            "input_rate": run.input_tokens,
            "total_rate": run.input_tokens + run.output_tokens,
        }.get(asked.quantity, 1.0)
        served = engines(run, model) * float(answer["requests_per_s"])
        value = tokens * served * asked.per_ours / (run.gpus if asked.per_gpu else 1)
    else:
        value = float(answer[f"{asked.kind}_ms"]) * asked.per_ours
        value = 1e3 / value if asked.inverse and value > 0 else value
    if not (math.isfinite(value) and value > 0):
        return Unpredictable(run.id, "it answers with no number above 0")
    return PredictedFigure(run.id, value, value, value, f"kernels of {answer['database']}")


def reason(error: str, message: str) -> str:
    """The reason behind an error of the peer, in words that rows share."""
    if error == "NotInRelease":
        return message
    if message.startswith("OOM") or "out of memory" in message.lower() or "no KV budget" in message:
        return "by its memory model the run does not fit"
    missing = re.search(r"quant|mode|dtype", message.lower())
    if error in ("PerfDataNotAvailableError", "InterpolationDataNotAvailableError", "MissingSystemFlopsError"):
        return "no kernels of this shape or format were measured"
    return f"{error}: {message[:80]}" if not missing else "it refuses this combination of formats"


def _refusal(run: PublishedRun) -> str:
    """Why the peer has no word for a run; empty where it has."""
    if run.engine not in BACKENDS:
        return f"engine {run.engine} is unknown to it"
    if run.gpu not in SYSTEMS:
        return f"GPU {run.gpu} is unknown to it"
    if run.figure.percentile not in (None, 0.5) or (run.figure.quantity == "itl" and run.figure.percentile):
        return "it gives means, and no percentiles of single requests"
    if run.rate_per_s is not None:
        return "it takes requests in flight, and no rate of arrivals"
    if run.is_all_at_once and run.figure.kind != "throughput":
        return "it does not know how long prompts wait that come all at once"
    if run.dense not in FORMATS or (run.experts not in FORMATS and run.experts != OWN_FORMAT):
        return f"format {run.dense} with {run.experts} has no word of its own there"
    return ""
