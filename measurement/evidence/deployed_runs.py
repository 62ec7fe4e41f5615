"""A published run on its GPU: the step, the memory and the limits with which the simulator runs it.

A run that no engine could have served has no prediction, and the reason is named.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import cast

from measurement.evidence.engines import batch_limit, memory_share, step_tokens
from measurement.evidence.published import PublishedRun, Unpredictable
from planner.domain.models import Model, Quantization, WeightFormat
from planner.domain.offerings import Gpu
from planner.performance.memory import MemoryFit, NoFit, cache_bytes, memory_fit, weights_bytes
from planner.performance.precision import Unsupported, support
from planner.performance.roofline import IdealStep, ideal_step

WIDENED = frozenset({"nvfp4", "mxfp4", "fp8-block", "int8"})
"""Formats that weight-only kernels run on every GPU from Ampere on, whether or not the catalog lists them for it."""
AMPERE = 8.0
"""Compute capability of the first GPUs of NVIDIA's Ampere generation."""
HELD_ALL = "fixed_concurrency"
"""Regime of a run whose source says that no request waited for cache. Its engine held all clients in some way."""
MOST_MEMORY = 0.95
"""Share of a GPU's memory that weights may take when the memory model refuses a deployment that was measured."""
SMALLEST_CACHE = 2.5
"""Requests of the longest length that the KV cache holds at least. A run that was measured did work somehow."""
NODE_GPUS = 8
"""GPUs that one engine may span, because links between nodes are not modelled."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeployedRun:
    """A run with everything that the simulator needs to know beside the clock.

    ideal: the step at the peaks of the datasheet.
    engines: independent copies of the engine.
    places: sequences that one engine runs at a time, by its own limit and, without a closed loop, by its cache.
    kv_tokens: tokens that the KV cache of one engine holds.
    step_tokens: tokens of one step at most.
    assumed: what the run does not state and the figure rests on, in words.
    """

    run: PublishedRun
    ideal: IdealStep
    engines: int
    places: int
    kv_tokens: float
    step_tokens: int
    assumed: tuple[str, ...]


def deployed_run(run: PublishedRun, model: Model, gpu: Gpu) -> DeployedRun | Unpredictable:
    """The run on its GPU, or the reason why it has no prediction."""
    longest = run.input_tokens + run.output_tokens
    if round(longest * run.length_high) > model.max_context:
        asked = f"{model.key} takes at most {model.max_context} tokens of context"
        reason = f"{asked}, {longest * run.length_high:.0f} are asked for"
        return Unpredictable(run.id, reason, "check input_tokens and output_tokens")
    assumed = list(run.assumed)
    widened = _widened_gpu(run, gpu, assumed)
    sizes = _parallel_sizes(run, model, assumed)
    if isinstance(widened, Unpredictable):
        return widened
    if isinstance(sizes, Unpredictable):
        return sizes
    gpu, (ranks, engines, experts) = widened, sizes
    copies = max(1, experts // ranks)
    if run.eager:
        assumed.append("CUDA graphs")
    quantization = stored_quantization(model, run.dense, run.experts)
    places = copies * float(run.max_num_seqs or batch_limit(run.engine, gpu, run.engine_version, run.date))
    utilization = run.gpu_memory_utilization or memory_share(run.engine)
    fit = memory_fit(
        model,
        quantization,
        gpu,
        tensor_parallel_size=ranks,
        expert_parallel_size=experts,
        max_num_seqs=64,
        max_model_len=1,
        kv_format=run.kv,
        gpu_memory_utilization=utilization,
    )
    weights = weights_bytes(model, quantization, ranks, experts)
    if isinstance(fit, NoFit) and (run.is_all_at_once or weights > MOST_MEMORY * gpu.memory_bytes):
        return Unpredictable(run.id, f"by the memory model {fit.reason}", "check weight_dtype, gpu and gpus")
    context = run.input_tokens + run.output_tokens / 2.0
    kv_tokens = math.inf
    beside = copies * (utilization * gpu.memory_bytes - weights) / sum(cache_bytes(model.architecture, ranks, run.kv))
    if run.regime != HELD_ALL:
        kv_tokens = max(SMALLEST_CACHE * longest, fit.kv_tokens(context) if isinstance(fit, MemoryFit) else beside)
    if run.concurrency is None or (run.engine != "vllm" and kv_tokens < math.inf):
        each = longest if run.engine == "trt-llm" else context  # TensorRT-LLM reserves the whole answer
        held = fit.sequences(each) if isinstance(fit, MemoryFit) else min(kv_tokens, max(beside, 0.0)) / each
        places, kv_tokens = max(1.0, min(places, held)), math.inf  # as many as fit on average, so nobody is preempted
    ideal = ideal_step(
        model.architecture,
        quantization,
        gpu,
        ranks,
        kv_format=run.kv,
        context_tokens=float(round(context)),
        expert_parallel_size=experts,
    )
    default = step_tokens(run.engine, gpu, run.engine_version, run.date, run.offline)
    tokens = copies * int(run.max_num_batched_tokens or default)
    return DeployedRun(
        run=run,
        ideal=ideal,
        engines=engines,
        places=int(places),
        kv_tokens=kv_tokens,
        step_tokens=tokens,
        assumed=tuple(assumed),
    )


def stored_quantization(model: Model, dense: str, experts: str) -> Quantization:
    """How the weights are stored in these formats.

    Where the catalog knows the model's checkpoint in the experts' format, its recipe holds.
    """
    recipe = model.precision(experts)
    if recipe and (recipe.dense == dense or recipe.kept):
        return recipe
    return Quantization(experts, cast(WeightFormat, dense), cast(WeightFormat, experts), None)


def _widened_gpu(run: PublishedRun, gpu: Gpu, assumed: list[str]) -> Gpu | Unpredictable:
    """The GPU with the run's formats, which it may widen to 16 bit. What that assumes is added to `assumed`."""
    for form in dict.fromkeys((run.dense, run.experts)):
        way = support(form, gpu)
        if isinstance(way, Unsupported):
            if form not in WIDENED or float(gpu.compute_capability) < AMPERE:
                return Unpredictable(run.id, way.reason, "check weight_dtype and gpu")
            gpu = replace(gpu, formats={**gpu.formats, form: "weight-only"})
            assumed.append(f"{form} widened to 16 bit")
    return gpu


def _parallel_sizes(run: PublishedRun, model: Model, assumed: list[str]) -> tuple[int, int, int] | Unpredictable:
    """(GPUs that attention is cut among, copies of the engine, GPUs that share out whole experts; 1 where none do).

    What that assumes is added to `assumed`.
    """
    ranks, engines, experts = run.tensor_parallel_size, run.data_parallel_size, run.expert_parallel_size
    if model.architecture.experts is None:
        experts = 1
    if run.attention_data_parallel and experts > 1 and experts == ranks:
        ranks = 1  # TensorRT-LLM and SGLang count the copies of the attention inside TP
    if experts > ranks:
        engines = 1
    if model.architecture.heads % ranks:
        heads = f"{model.key} has {model.architecture.heads} attention heads"
        return Unpredictable(run.id, f"{heads}, which TP {ranks} does not divide", "check gpus and flags")
    if max(ranks, experts) > NODE_GPUS:
        reason = f"one engine over {max(ranks, experts)} GPUs spans several nodes, which are not modelled"
        return Unpredictable(run.id, reason, "check gpus and flags")
    if experts > 1 and model.architecture.experts and model.architecture.experts.experts < experts:
        assumed.append("experts cut among the GPUs")
        experts = 1
    return ranks, engines, experts
