"""LoRA adapters in an engine: the memory of their slots, the time that they add to a step, and which models take them.

vLLM allocates `max_loras` slots of `max_lora_rank` for every linear layer of the model when it starts, in 16 bit,
whatever the adapters really hold:

    A = rank × (inputs of the layer)        whole on each rank, but cut where the layer's own inputs are cut
    B = (outputs of the layer) × rank       cut by TP, but whole where the layer's outputs are whole

The projections to queries, keys, values, gate and up are cut by their outputs, and those of the attention's output and
down by their inputs: each keeps one of its two matrices whole (vLLM's `fully_sharded_loras` is off by default; read in
`vllm/lora/layers` at commits 0163de2 and 01235a4). Embedding and output head have slots in some classes of models; they
are counted for all. So what an adapter really adapts makes no difference, and none is taken to adapt less.

A step with adapters takes `SLOWER` times as long, for requests to the base as well. That is what vLLM's own benchmark
says of Llama 2 7B on one A100: 11.45 requests/s, and 7.60 with adapters of rank 8, with one slot and with four (pull
request 11267, 2024-12-17). Requests to the base alone took 23 s in place of 15 s where slots were there (issue 10898,
2024-12-04). Later kernels are faster; no run with and without them on one GPU says by how much, so that all capacities
with adapters are `analytic`.
"""

from __future__ import annotations

from planner.domain.architecture import Architecture
from planner.domain.models import Drafter, Model, Quantization
from planner.performance.precision import Unsupported

SLOWER = 1.5
"""Step time with adapters ÷ without."""
SLOWER_SOURCE = "vllm-project/vllm pull request 11267, 2024-12-17"
"""Where `SLOWER` was read, and its day."""
_BYTES = 2.0


def unplanned_adapters(model: Model, quantization: Quantization, drafter: Drafter | None) -> Unsupported | None:
    """Return why plans use no adapters with a model in this precision and with this drafter; None if they do."""
    shape, name = model.architecture, f"{model.key} with adapters"
    if shape.experts is not None:
        return Unsupported(f"{name} is not planned: the engine would keep a slot of every adapter for every expert")
    if shape.latent or shape.compressed or shape.linear or shape.indexer or shape.looked_up:
        return Unsupported(f"{name} is not planned: no published run shows adapters beside its kind of attention")
    if quantization.dense == "nvfp4":
        return Unsupported(f"{name} is not planned in {quantization.name}: no published run shows both")
    if drafter is not None:
        return Unsupported(f"{name} is not planned with the drafter `{drafter.word}`: no published run shows both")
    return None


def adapter_bytes(shape: Architecture, max_loras: int, max_lora_rank: int, tensor_parallel_size: int) -> float:
    """Return the bytes of all slots on each GPU."""
    attending = [
        (shape.full_layers, shape.full_kv_heads or shape.kv_heads, shape.full_head_dim or shape.head_dim),
        (shape.sliding_layers, shape.kv_heads, shape.head_dim),
    ]
    whole = cut = 0.0
    for layers, kv_heads, head_dim in attending:
        whole += layers * 4 * shape.hidden
        cut += layers * 2 * shape.heads * head_dim
        # Where there are fewer heads than ranks, each rank keeps a whole one.
        cut += layers * 2 * max(kv_heads, tensor_parallel_size) * head_dim
    whole += shape.layers * shape.matrices * shape.hidden
    cut += shape.layers * shape.matrices * shape.intermediate
    whole += 2 * (shape.vocab + shape.hidden)
    return _BYTES * max_loras * max_lora_rank * (whole + cut / tensor_parallel_size)
