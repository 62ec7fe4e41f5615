"""A configuration → the shape of the model, its context and its format, with everything that could not be told.

The parts are read one after the other, and each notes what is wrong. At the end either all problems are raised at once,
or the shape is whole.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from planner.documents.model_config.attention import (
    Heads,
    compressed_attention,
    grouped_heads,
    latent_attention,
    linear_attention,
    sparse_indexer,
)
from planner.documents.model_config.config_json import JsonFile
from planner.documents.model_config.context import max_context
from planner.documents.model_config.experts import Networks, networks
from planner.documents.model_config.families import FAMILIES, Family, family_name
from planner.documents.model_config.keys import Keys, Notes
from planner.documents.model_config.layers import LayerKinds, layer_kinds
from planner.documents.model_config.specials import LOOKED_UP, special_block, special_weights
from planner.documents.model_config.stored_format import Stored, stored_format
from planner.documents.model_config.towers import unread_senses, vision
from planner.documents.model_config.unsupported import refusals
from planner.domain.architecture import Architecture
from planner.performance.parameters import Block, WeightCounts, count_parts
from planner.words.diagnostics import Problems

_TEXT = ("text_config", "language_config", "llm_config")
_VOCABULARY = ("vocab_size", "padded_vocab_size")
_HIDDEN = ("hidden_size", "n_embd", "d_model")
_BYTES = 2
"""Bytes of one number of the KV cache."""
_NO_FLOAT16 = frozenset({"gemma2", "gemma3", "gemma4", "glm4", "plamo2"})
"""Families that vLLM refuses in fp16."""


@dataclass(frozen=True, kw_only=True)
class Derived:
    """What a configuration says of its model.

    family: name of its family.
    architecture: its shape.
    block: what its layers have beside their projections.
    max_context: tokens of prompt and answer together.
    stored: how its weights are stored.
    predicting_layers: layers that predict further tokens, which are not served.
    unread: keys of parts whose weights are not counted, like `audio_config`.
    overflows_fp16: whether the engine refuses it in fp16.
    model_class: the class by which the engine runs it; None where the configuration names none.
    assumed: what followed from the class of the model, as sentences.
    """

    family: str
    architecture: Architecture
    block: Block
    max_context: int
    stored: Stored
    predicting_layers: int
    unread: tuple[str, ...]
    overflows_fp16: bool
    model_class: str | None
    assumed: tuple[str, ...]

    @property
    def counts(self) -> WeightCounts:
        """Weights by what they do, without those that only this family has."""
        return count_parts(self.architecture, self.block)


def derive(config: JsonFile, quantization: JsonFile | None = None) -> Derived:
    """Read a configuration. Raises `Problems` with everything that is wrong or missing.

    quantization: `hf_quant_config.json`, where the repository has one.
    """
    notes = Notes()
    root = Keys(config, config.value, (), notes)
    keys = _text_part(root)
    name = family_name(_word(keys, "model_type") or _word(root, "model_type"), _classes(root, keys))
    refusals(root, keys, name)
    if notes.problems or name is None:
        raise Problems(dict.fromkeys(notes.problems))
    family = FAMILIES[name]
    if keys is not root:
        keys = replace(keys, defaults=family.defaults)
    beside = Keys(quantization, quantization.value, (), notes) if quantization is not None else None
    derived = _derived(name, family, root, keys, beside)
    if notes.problems:
        raise Problems(dict.fromkeys(notes.problems))
    return derived


def _derived(name: str, family: Family, root: Keys, keys: Keys, quantization: Keys | None) -> Derived:
    context = max_context(keys, name)
    hidden = keys.need(*_HIDDEN)
    layers = layer_kinds(keys, family, context)
    feed_forward = networks(keys, family, name, layers, hidden)
    shape = _attention(name, family, keys, layers, feed_forward, hidden)
    shape = replace(shape, tied_embeddings=_tied(root, keys, family), vocab=keys.need(*_VOCABULARY))
    block = special_block(name, keys, _block(family, keys, feed_forward, layers, name), shape)
    further = special_weights(name, keys, shape, layers)
    shape = replace(shape, looked_up=further.pop(LOOKED_UP, 0))
    if keys.notes.problems:
        shape = replace(shape, params_total=0)
    else:
        total = count_parts(shape, block).total + sum(further.values())
        active = total - shape.looked_up - (0 if shape.tied_embeddings else shape.vocab * hidden)
        experts = shape.experts
        idle = (experts.experts - experts.experts_per_token) * shape.params_per_expert if experts else 0
        shape = replace(shape, params_total=total, params_active=active - idle * shape.moe_layers)
    shape = replace(shape, vision=vision(root, keys, hidden))
    return Derived(
        family=name,
        architecture=shape,
        block=block,
        max_context=context,
        stored=stored_format(keys, root, quantization, shape),
        predicting_layers=_predicting(keys),
        unread=tuple(unread_senses(root, keys)),
        overflows_fp16=name in _NO_FLOAT16,
        model_class=next(iter(_classes(root, keys)), None),
        assumed=tuple(keys.notes.assumed),
    )


def _text_part(root: Keys) -> Keys:
    """Return the part that speaks of the text model."""
    place = root.part("thinker_config") or root
    inner = place.part(*_TEXT)
    return inner if inner is not None else place


def _word(keys: Keys, name: str) -> str | None:
    value = keys.plain(name)
    return value if isinstance(value, str) else None


def _classes(root: Keys, keys: Keys) -> list[str]:
    """Return the classes that name the text model."""
    named = [*(root.words("architectures") or ()), *(keys.words("architectures") or ())]
    return [name for name in named if isinstance(name, str)]


def _tied(root: Keys, keys: Keys, family: Family) -> bool:
    """Return whether the head is the embedding: what the text model says, else the whole, else the class."""
    for part in (keys, root):
        if part.plain("tie_word_embeddings") is not None:
            return part.flag("tie_word_embeddings")
    keys.notes.assume(
        f"`tie_word_embeddings` is not there: in this class the head is {'' if family.tied else 'not '}the embedding"
    )
    return family.tied


def _block(family: Family, keys: Keys, feed_forward: Networks, layers: LayerKinds, name: str) -> Block:
    """Return what the layers have, by the class and by the keys that change it."""
    biases = set(family.block.biases)
    for key, products in family.bias_keys.items():
        if keys.holds(key):
            biases = (biases | products) if keys.flag(key) else (biases - products)
    block = replace(family.block, biases=frozenset(biases))
    if family.norm_key is not None and keys.holds(family.norm_key[0]):
        block = replace(block, query_norm=family.norm_key[1] if keys.flag(family.norm_key[0]) else "none")
    elif family.norm_key is not None and family.block.query_norm == "none":
        keys.notes.assume(f"`{family.norm_key[0]}` is not there: queries and keys have no norm")
    if keys.plain("topk_method") is not None:
        block = replace(block, router_bias=keys.plain("topk_method") == "noaux_tc")
    if feed_forward.dense != len(layers.kinds) - (_routed(feed_forward, layers)):
        block = replace(block, dense_networks=feed_forward.dense)
    return block


def _routed(feed_forward: Networks, layers: LayerKinds) -> int:
    return len(layers.kinds) - feed_forward.experts.dense_layers if feed_forward.experts else 0


def _attention(
    name: str, family: Family, keys: Keys, layers: LayerKinds, feed_forward: Networks, hidden: int
) -> Architecture:
    """Return the shape with its attention; totals, vocabulary and vision come later."""
    number, full, sliding = len(layers.kinds), layers.number("full"), layers.number("sliding")
    linear_layers = number if family.layers == "parallel" else layers.number("linear")
    linear = linear_attention(keys, name, hidden) if linear_layers else None
    state = linear.value_heads * linear.value_head_dim * linear.key_head_dim if linear else 0
    common = Architecture(
        params_total=0,
        params_active=0,
        layers=number,
        hidden=hidden,
        heads=1,
        kv_heads=1,
        head_dim=1,
        attention="MHA",
        full_layers=full,
        sliding_layers=sliding,
        sliding_window=layers.window,
        linear_layers=linear_layers,
        linear_state_elements=state,
        intermediate=feed_forward.intermediate,
        vocab=1,
        tied_embeddings=False,
        kv_bytes_per_token_growing=0,
        kv_bytes_per_token_windowed=0,
        experts=feed_forward.experts,
        linear=linear,
        matrices=family.matrices,
    )
    if family.layers == "compressed":
        return _compressed(common, keys)
    absent = "kv_lora_rank" not in keys.value and bool(keys.plain("qk_rope_head_dim"))
    if (keys.holds("kv_lora_rank") or absent) and keys.plain("use_mla") is not False:
        return _latent(common, keys)
    return _grouped(common, grouped_heads(keys, family, hidden), keys, layers)


def _latent(common: Architecture, keys: Keys) -> Architecture:
    latent = latent_attention(keys)
    heads = keys.need("num_attention_heads")
    return replace(
        common,
        heads=heads,
        kv_heads=keys.count("num_key_value_heads") or heads,
        head_dim=latent.qk_nope_head_dim + latent.qk_rope_head_dim,
        attention="MLA",
        latent=latent,
        indexer=sparse_indexer(keys, common.layers),
        kv_bytes_per_token_growing=common.full_layers * (latent.kv_lora_rank + latent.qk_rope_head_dim) * _BYTES,
    )


def _compressed(common: Architecture, keys: Keys) -> Architecture:
    compressed = compressed_attention(keys, common.layers)
    width, indexer = keys.need("head_dim"), sparse_indexer(keys, common.layers)
    whole = compressed.sparse_layers + compressed.heavy_layers
    entries = compressed.sparse_layers / compressed.sparse_ratio + compressed.heavy_layers / compressed.heavy_ratio
    return replace(
        common,
        heads=keys.need("num_attention_heads"),
        kv_heads=1,
        head_dim=width,
        attention="CSA",
        full_layers=whole,
        sliding_layers=common.layers - whole,
        sliding_window=keys.need("sliding_window"),
        compressed=compressed,
        indexer=replace(indexer, layers=compressed.sparse_layers) if indexer else None,
        kv_bytes_per_token_growing=int(entries * width * _BYTES),
        kv_bytes_per_token_windowed=common.layers * width * _BYTES,
    )


def _grouped(common: Architecture, heads: Heads, keys: Keys, layers: LayerKinds) -> Architecture:
    caching = layers.kinds[: len(layers.kinds) - heads.shared]
    full_kv, full_dim = heads.full_kv_heads or heads.kv_heads, heads.full_head_dim or heads.head_dim
    sliding_bytes = heads.kv_heads * (heads.head_dim + heads.value_dim) * _BYTES
    value_dim = heads.value_dim if heads.full_head_dim is None else full_dim
    return replace(
        common,
        heads=heads.heads,
        kv_heads=heads.kv_heads,
        head_dim=heads.head_dim,
        attention=heads.name,
        indexer=sparse_indexer(keys, common.layers),
        full_kv_heads=heads.full_kv_heads,
        full_head_dim=heads.full_head_dim,
        kv_bytes_per_token_growing=caching.count("full") * full_kv * (full_dim + value_dim) * _BYTES,
        kv_bytes_per_token_windowed=caching.count("sliding") * sliding_bytes,
    )


def _predicting(keys: Keys) -> int:
    """Return the layers that predict further tokens, as the file counts them."""
    names = ("num_nextn_predict_layers", "mtp_num_hidden_layers", "num_mtp_modules", "mtp_num_layers")
    return next((number for name in names if (number := keys.count(name, least=0)) is not None), 0)
