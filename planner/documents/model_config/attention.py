"""The attention of a model, from its configuration: heads, latent vectors, states, indexers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from planner.documents.model_config.families import Family
from planner.documents.model_config.keys import Keys
from planner.documents.model_config.layers import pruned_blocks
from planner.domain.architecture import CompressedAttention, LatentAttention, LinearAttention, SparseIndexer

_KV_HEADS = ("num_key_value_heads", "num_kv_heads", "n_head_kv", "multi_query_group_num", "kv_n_heads")
_HEAD_DIM = ("head_dim", "attention_head_dim", "kv_channels", "head_size")


@dataclass(frozen=True)
class Heads:
    """The heads of a model's layers.

    heads, kv_heads, head_dim: query heads, key and value heads, and the width of one.
    value_dim: width of one head's values.
    full_kv_heads, full_head_dim: those of full layers where they differ from those of sliding layers; else None.
    shared: layers that read the cache of a layer before them, and have none of their own, at the end of the model.
    """

    heads: int
    kv_heads: int
    head_dim: int
    value_dim: int
    full_kv_heads: int | None = None
    full_head_dim: int | None = None
    shared: int = 0

    @property
    def name(self) -> Literal["MHA", "GQA", "MQA"]:
        """Name of the kind of attention."""
        least = min(self.kv_heads, self.full_kv_heads or self.kv_heads)
        return "MHA" if least == self.heads else "MQA" if least == 1 else "GQA"


def grouped_heads(keys: Keys, family: Family, hidden: int) -> Heads:
    """Read the heads of multi-head, grouped-query or multi-query attention."""
    inner = keys.part("attn_config")
    heads = keys.need("num_attention_heads", "n_head", "n_heads")
    kv_heads = _kv_heads(keys, family, inner or keys, heads)
    head_dim = _head_dim(keys, family, hidden, heads)
    if heads % kv_heads:
        name = next((name for name in _KV_HEADS if keys.holds(name)), "num_attention_heads")
        keys.contradict(name, f"{heads} query heads cannot share {kv_heads} key and value heads evenly")
    sliding_kv, sliding_dim = keys.count("swa_num_key_value_heads"), keys.count("swa_head_dim")
    swa_heads = keys.count("swa_num_attention_heads")
    if swa_heads is not None and swa_heads != heads:
        keys.lacks("swa_num_attention_heads", "sliding layers have another number of query heads than full layers")
    if (sliding_kv is None) != (sliding_dim is None):
        missing = "swa_num_key_value_heads" if sliding_kv is None else "swa_head_dim"
        keys.notes.assume(f"`{missing}` is not there: that of full layers")
    value_dim = keys.count("v_head_dim", least=0) or head_dim
    if sliding_kv or sliding_dim:  # the plain keys speak of the full layers
        small, width = sliding_kv or kv_heads, sliding_dim or head_dim
        full = (kv_heads, head_dim) if (small, width) != (kv_heads, head_dim) else (None, None)
        return Heads(heads, small, width, value_dim, *full)
    full_kv, full_dim = keys.count("num_global_key_value_heads"), keys.count("global_head_dim")
    if full_dim == head_dim and full_kv in (None, kv_heads):
        full_kv = full_dim = None
    shared = keys.count("num_kv_shared_layers", least=0) or 0
    return Heads(heads, kv_heads, head_dim, value_dim, full_kv, full_dim, shared)


def _kv_heads(keys: Keys, family: Family, inner: Keys, heads: int) -> int:
    if keys.holds("block_configs"):
        groups = sorted({block.attention_group for block in pruned_blocks(keys) if block.attention_group})
        if len(groups) != 1 or heads % groups[0]:
            keys.lacks("block_configs", "heads share keys and values in groups of several sizes")
            return heads
        return heads // groups[0]
    if keys.flag("multi_query", default=family.multi_query) and not keys.flag("new_decoder_architecture"):
        return 1
    if keys.plain("multi_query_attention") is False:
        return heads
    if (stated := keys.count(*_KV_HEADS) or inner.count(*_KV_HEADS)) is not None:
        return stated
    if any(name in keys.value for name in _KV_HEADS) or any(name in inner.value for name in _KV_HEADS):
        return heads  # null: as many as query heads
    if (default := keys.defaults.get("num_key_value_heads")) is not None:
        keys.notes.assume(f"`num_key_value_heads` is not there: the class of the model has {default}")
        return int(default)
    keys.notes.assume("`num_key_value_heads` is not there: as many as attention heads")
    return heads


def _head_dim(keys: Keys, family: Family, hidden: int, heads: int) -> int:
    stated = keys.count(*_HEAD_DIM)
    if stated is not None:
        return stated
    if family.head_dim is not None and not any(name in keys.value for name in _HEAD_DIM):
        if family.head_dim * heads != hidden:
            keys.notes.assume(f"`head_dim` is not there: the class of the model has {family.head_dim}")
        return family.head_dim
    if hidden % heads:
        message = f"{heads} heads do not divide the width {hidden}, and no `head_dim` is there"
        keys.contradict("num_attention_heads", message)
    keys.notes.assume(f"`head_dim` is not there: {hidden // heads}, the width of the model ÷ its heads")
    return max(1, hidden // heads)


def latent_attention(keys: Keys) -> LatentAttention:
    """Read the widths of multi-head latent attention."""
    if "q_lora_rank" not in keys.value:
        keys.notes.assume("`q_lora_rank` is not there: queries are not compressed")
    return LatentAttention(
        q_lora_rank=keys.count("q_lora_rank", least=0) or 0,
        kv_lora_rank=keys.need("kv_lora_rank"),
        qk_nope_head_dim=keys.need("qk_nope_head_dim"),
        qk_rope_head_dim=keys.need("qk_rope_head_dim"),
        v_head_dim=keys.need("v_head_dim") if keys.holds("v_head_dim") else _value_width(keys),
    )


def _value_width(keys: Keys) -> int:
    """Return the width of the values where the file leaves it out, as MiniCPM 3 does: hidden ÷ heads."""
    width = keys.need("hidden_size") // keys.need("num_attention_heads")
    keys.notes.assume(f"`v_head_dim` is not there: {width}, the width of the model ÷ its heads")
    return max(1, width)


def linear_attention(keys: Keys, family_name: str, hidden: int) -> LinearAttention:
    """Read the layers that keep a state of constant size."""
    if not any(key in keys.value for key in ("mamba_ssm_dtype", "mamba_ssm_cache_dtype")):
        keys.notes.assume("`mamba_ssm_dtype` is not there: states have the model's own 16 bit")
    state: Literal[2, 4] = 4 if keys.plain("mamba_ssm_dtype", "mamba_ssm_cache_dtype") == "float32" else 2
    if family_name in ("kimi_linear", "bailing_hybrid"):
        inner = keys.part("linear_attn_config") or keys
        heads = inner.need("num_heads") if inner is not keys else keys.need("linear_num_heads")
        width = inner.need("head_dim") if inner is not keys else keys.need("linear_head_dim")
        kernel = inner.need("short_conv_kernel_size", "linear_conv_kernel_dim")
        return LinearAttention("kda", heads, heads, width, width, kernel, 4)
    if keys.holds("linear_num_value_heads", "linear_key_head_dim"):
        return LinearAttention(
            kind="gated-deltanet",
            key_heads=keys.need("linear_num_key_heads"),
            value_heads=keys.need("linear_num_value_heads"),
            key_head_dim=keys.need("linear_key_head_dim"),
            value_head_dim=keys.need("linear_value_head_dim"),
            conv_kernel=keys.need("linear_conv_kernel_dim"),
            state_bytes=state,
        )
    heads = keys.need("mamba_num_heads", "mamba_n_heads")
    return LinearAttention(
        kind="mamba2",
        key_heads=_or_class(keys, ("mamba_n_groups", "n_groups"), 1),
        value_heads=heads,
        key_head_dim=keys.need("ssm_state_size", "mamba_d_state"),
        value_head_dim=_mamba_head_dim(keys, heads, hidden),
        conv_kernel=_or_class(keys, ("mamba_d_conv", "conv_kernel"), 4),
        state_bytes=state,
    )


def _mamba_head_dim(keys: Keys, heads: int, hidden: int) -> int:
    """Return the width of a Mamba head, which may follow from the width of all (`auto`)."""
    stated = None if keys.plain("mamba_d_head") == "auto" else keys.count("mamba_head_dim", "mamba_d_head")
    if stated is not None:
        return stated
    width = _or_class(keys, ("mamba_expand", "expand"), 2) * hidden
    keys.notes.assume(f"the width of a Mamba head is not there: {width} ÷ {heads} heads")
    if width % heads:
        keys.contradict("mamba_n_heads", f"{heads} Mamba heads do not divide their width {width}")
    return max(1, width // heads)


def _or_class(keys: Keys, names: tuple[str, ...], default: int) -> int:
    """Return a number, or that of the class where the file leaves it out."""
    stated = keys.count(*names)
    if stated is None:
        keys.notes.assume(f"`{names[0]}` is not there: the class of the model has {default}")
    return default if stated is None else stated


def sparse_indexer(keys: Keys, layers: int) -> SparseIndexer | None:
    """Read the attention that picks keys; None without."""
    if (sparse := keys.part("sparse_attention_config")) is not None and sparse.flag(
        "use_sparse_attention", default=True
    ):
        which = sparse.numbers("sparse_attention_freq")
        picked = sparse.need("sparse_topk_blocks") * sparse.need("sparse_block_size")
        heads, width = sparse.need("sparse_num_index_heads"), sparse.need("sparse_index_dim")
        return SparseIndexer(heads, width, sum(map(bool, which)) if which is not None else layers, picked)
    if not keys.holds("index_n_heads", "index_topk", "index_head_dim"):
        return None
    kinds = keys.words("indexer_types") or []
    scoring = len([kind for kind in kinds if kind == "full"]) if kinds else layers
    if not kinds and (period := keys.count("index_topk_freq")) is not None and period > 1:
        offset = keys.count("index_skip_topk_offset", least=0) or 0
        scoring = sum(1 for layer in range(layers) if max(layer - offset + 1, 0) % period == 0)
    return SparseIndexer(keys.need("index_n_heads"), keys.need("index_head_dim"), scoring, keys.need("index_topk"))


def compressed_attention(keys: Keys, layers: int) -> CompressedAttention:
    """Read the compressed attention of DeepSeek V4."""
    ratios = keys.numbers("compress_ratios")
    if ratios is None:
        keys.note("CFG002", "`compress_ratios` is missing", (), "take the whole `config.json` of the model")
    elif len(ratios) < layers:
        keys.contradict("compress_ratios", f"`compress_ratios` has {len(ratios)} layers, and the model has {layers}")
    own = (ratios or [])[:layers]  # those after them are of layers that predict further tokens
    used = sorted({ratio for ratio in own if ratio > 0})
    if len(used) != 2:
        if ratios is not None:
            keys.lacks(
                "compress_ratios", f"{len(used)} ratios of compression: our performance model knows models with two"
            )
        used = [1, 1]
    sparse, heavy = used
    return CompressedAttention(
        sparse_layers=own.count(sparse),
        sparse_ratio=sparse,
        heavy_layers=own.count(heavy),
        heavy_ratio=heavy,
        query_rank=keys.need("q_lora_rank"),
        output_groups=keys.need("o_groups"),
        output_rank=keys.need("o_lora_rank"),
        streams=keys.need("hc_mult"),
    )
