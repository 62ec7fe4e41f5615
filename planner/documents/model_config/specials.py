"""What single families have that no other has: other norms by a key, weights beside those that a shape can say.

Weights are returned by name, so that a total stays a sum of named parts. A negative number corrects a part that the
common count makes too large.
"""

from __future__ import annotations

from dataclasses import replace

from planner.documents.model_config.keys import Keys
from planner.documents.model_config.layers import LayerKinds, pruned_blocks
from planner.domain.architecture import Architecture
from planner.performance.parameters import Block

LOOKED_UP = "looked up"
"""Name of the weights of further embeddings, of which a token reads one row."""


def special_block(name: str, keys: Keys, block: Block, shape: Architecture) -> Block:
    """Return the block as the family's own keys change it."""
    match name:
        case "gpt2" | "gpt_bigcode":
            return replace(block, positions=keys.need("n_positions", "n_ctx"))
        case "opt":  # whose table has two positions more than can be used
            return replace(block, positions=keys.need("max_position_embeddings") + 2)
        case "falcon" if not keys.flag("new_decoder_architecture") or keys.plain("num_ln_in_parallel_attn") == 1:
            return replace(block, norms=2) if keys.flag("parallel_attn", default=True) else block
        case "stablelm" if keys.flag("use_parallel_residual"):
            return replace(block, norms=2)
        case "gemma4":
            shared = keys.flag("attention_k_eq_v")
            if shape.experts is None:
                return replace(block, shared_keys=shared)
            return replace(block, norms=8, shared_keys=shared, router_bias=True)
        case "kimi_linear":
            if "mla_use_output_gate" not in keys.value:
                keys.notes.assume("`mla_use_output_gate` is not there: attention has no gate")
            return replace(block, gate=keys.flag("mla_use_output_gate"))
        case "bailing_hybrid":
            return replace(block, gate=True)
        case "mimo_v2_flash":
            return replace(block, value_dim=keys.need("v_head_dim"))
        case "minimax_m2" | "minimax_m3" if keys.holds("use_routing_bias"):
            return replace(block, router_bias=keys.flag("use_routing_bias"))
    return block


def special_weights(name: str, keys: Keys, shape: Architecture, layers: LayerKinds) -> dict[str, int]:
    """Return the weights that only this family has, by name."""
    hidden, linear = shape.hidden, shape.linear
    match name:
        case "apertus":
            return {"activations": 2 * shape.layers}
        case "bailing_hybrid" if linear is not None and shape.latent is not None:
            wide = hidden * linear.keys - linear.key_head_dim * (hidden + linear.keys)
            narrow = hidden * shape.heads * (1 - shape.latent.v_head_dim)
            return {"forget gates": shape.linear_layers * wide, "output gates": shape.full_layers * narrow}
        case "falcon_h1" if linear is not None and not keys.flag("mamba_rms_norm"):
            return {"norms of the states": -shape.linear_layers * linear.values}
        case "gemma4":
            return _gemma4(keys, shape, layers)
        case "mimo_v2_flash":
            sinks = shape.sliding_layers if keys.flag("add_swa_attention_sink_bias") else 0
            sinks += shape.full_layers if keys.flag("add_full_attention_sink_bias") else 0
            return {"sinks": sinks * shape.heads}
        case "nemotron_h" if shape.experts is not None and shape.experts.hidden is not None:
            return {"norms of the experts": -2 * shape.moe_layers * shape.experts.hidden}
        case "nemotron-nas":
            blocks = pruned_blocks(keys)
            networks = [block.intermediate(hidden) for block in blocks if block.multiple is not None]
            narrower = sum(networks) - len(networks) * shape.intermediate
            missing = sum((block.attention_group is None) + (block.multiple is None) for block in blocks)
            return {"narrower networks": 3 * hidden * narrower, "norms of what is pruned": -missing * hidden}
        case "qwen3" if keys.holds("additional_vocab_size"):
            return {"further words": keys.need("additional_vocab_size") * hidden}
        case "step3p7":
            return {"output gates": shape.layers * hidden * shape.heads}
    return {}


def _gemma4(keys: Keys, shape: Architecture, layers: LayerKinds) -> dict[str, int]:
    """Count the per-layer embeddings of the small models, and what their last layers share with earlier ones."""
    hidden, inner = shape.hidden, shape.intermediate
    found: dict[str, int] = {}
    if (width := keys.count("hidden_size_per_layer_input", least=0) or 0) > 0:
        words = keys.need("vocab_size_per_layer_input", "vocab_size")
        found[LOOKED_UP] = words * shape.layers * width
        found["per-layer inputs"] = shape.layers * (2 * hidden * width + hidden) + shape.layers * width * hidden + width
    shared = keys.count("num_kv_shared_layers", least=0) or 0
    if shared:
        last = layers.kinds[len(layers.kinds) - shared :]
        full_kv, full_dim = shape.full_kv_heads or shape.kv_heads, shape.full_head_dim or shape.head_dim
        sliding = 2 * hidden * shape.kv_heads * shape.head_dim + shape.head_dim
        full = 2 * hidden * full_kv * full_dim + full_dim
        found["shared keys and values"] = -(last.count("sliding") * sliding + last.count("full") * full)
        if keys.flag("use_double_wide_mlp"):
            found["double networks"] = shared * shape.matrices * hidden * inner
    return found
