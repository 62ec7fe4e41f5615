"""Which layer of a model is of which kind, from the many ways in which configurations say it.

A list of words for each layer is the plainest way (`layer_types`, `layers_block_type`). Older files have a pattern, a
period, lists of indices, or nothing but a window, and then the class knows which layers it is for.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from planner.documents.model_config.families import Family
from planner.documents.model_config.keys import WHOLE, Keys

Kind = Literal["full", "sliding", "linear", "none"]
FULL: Kind = "full"
SLIDING: Kind = "sliding"
LINEAR: Kind = "linear"
NONE: Kind = "none"
MOST_LAYERS = 1000
"""Layers of the deepest model that is read; a larger number is a damaged file."""

_WORDS: dict[str, Kind] = {
    "full_attention": "full",
    "attention": "full",
    "full": "full",
    "chunked_attention": "full",  # the engine caches it whole
    "deepseek_sparse_attention": "full",
    "indexed_attention": "full",
    "*": "full",
    "sliding_attention": "sliding",
    "sliding": "sliding",
    "linear_attention": "linear",
    "mamba": "linear",
    "kda": "linear",
    "M": "linear",
    "moe": "none",
    "mlp": "none",
    "E": "none",
    "-": "none",
}
_LISTS = ("layer_types", "layers_block_type", "block_types")
_NUMBER = ("num_hidden_layers", "n_layer", "num_layers", "n_layers")


@dataclass(frozen=True)
class LayerKinds:
    """The layers of a model.

    kinds: kind of each layer.
    words: word of each layer, where the file has a list of them; else empty.
    window: tokens that sliding layers see; None without such layers.
    """

    kinds: tuple[Kind, ...]
    words: tuple[str, ...]
    window: int | None

    def number(self, kind: Kind) -> int:
        """Return the number of layers of a kind."""
        return self.kinds.count(kind)


def layer_kinds(keys: Keys, family: Family, context: int) -> LayerKinds:
    """Read the kinds of all layers. A window that is no smaller than the `context` bounds nothing."""
    words = _listed(keys)
    number = len(words) if words and not keys.holds(*_NUMBER) else keys.need(*_NUMBER)
    if number > MOST_LAYERS:
        keys.wrong(_NUMBER[0], f"the model has {number:,} layers, and {MOST_LAYERS:,} are the most that is read")
        return LayerKinds((FULL,), (), None)
    if words and len(words) != number:
        name = next(name for name in (*_LISTS, "hybrid_override_pattern") if keys.holds(name))
        keys.contradict(name, f"`{name}` has {len(words)} layers, and the model has {number}")
        return LayerKinds((FULL,) * number, (), None)
    kinds = _of_words(keys, words) if words else _stated(keys, family, number)
    window = keys.count("sliding_window", "sliding_window_size", least=0)
    if window is None and "sliding" in kinds:
        window = family.window
        keys.notes.assume(f"`sliding_window` is not there: the class of the model has {window}")
    if "sliding" in kinds and window is None:
        keys.note("CFG002", "layers slide, and `sliding_window` is missing", ())
    if not window or window >= context:
        kinds = tuple(FULL if kind == "sliding" else kind for kind in kinds)
    return LayerKinds(kinds, tuple(words), window if "sliding" in kinds else None)


@dataclass(frozen=True)
class PrunedBlock:
    """One layer of a model that a search has pruned (DeciLM, Nemotron Super).

    attention_group: query heads that share keys and values; None where the layer has no attention.
    multiple: inner width of the network as DeciLM states it; None where the layer has no network.
    """

    attention_group: int | None
    multiple: float | None

    def intermediate(self, hidden: int) -> int:
        """Return the inner width of the network: two thirds of the multiple, in whole steps of 256."""
        return -(-int(2 * (self.multiple or 0) * hidden / 3) // 256) * 256


def pruned_blocks(keys: Keys) -> tuple[PrunedBlock, ...]:
    """Read `block_configs`, the layers of a pruned model one by one."""
    blocks: list[PrunedBlock] = []
    listed = keys.plain("block_configs")
    if not isinstance(listed, list):
        keys.wrong("block_configs", "`block_configs` is no list of layers")
        return ()
    for block in listed:
        attention, network = (block.get(part) if isinstance(block, dict) else None for part in ("attention", "ffn"))
        if not isinstance(attention, dict) or not isinstance(network, dict):
            keys.wrong("block_configs", "a layer of `block_configs` has no `attention` or no `ffn`")
            return ()
        if attention.get("replace_with_linear") or network.get("replace_with_linear"):
            keys.lacks("block_configs", "layers with a single product, which our catalog cannot say")
        group, multiple = attention.get("n_heads_in_group"), network.get("ffn_mult")
        plain = isinstance(group, int | None) and isinstance(multiple, int | float | None)
        if not plain or (multiple or 0) > 1e6:
            keys.wrong("block_configs", "a layer of `block_configs` has sizes that are no numbers")
            return ()
        blocks.append(
            PrunedBlock(None if attention.get("no_op") else group, None if network.get("no_op") else multiple)
        )
    return tuple(blocks)


def _listed(keys: Keys) -> list[str]:
    if keys.holds("hybrid_override_pattern"):
        return list(keys.word("hybrid_override_pattern") or "")
    return keys.words(*_LISTS) or []


def _of_words(keys: Keys, words: Sequence[str]) -> tuple[Kind, ...]:
    name = next(name for name in ("hybrid_override_pattern", *_LISTS) if keys.holds(name))
    for word in dict.fromkeys(word for word in words if word not in _WORDS):
        keys.lacks(name, f"layers of the kind `{word}` are not in our performance model")
    return tuple(_WORDS.get(word, FULL) for word in words)


def _stated(keys: Keys, family: Family, number: int) -> tuple[Kind, ...]:
    """Read the kinds where no list names them."""
    if keys.holds("block_configs"):
        return tuple(NONE if block.attention_group is None else FULL for block in pruned_blocks(keys))
    if (pattern := keys.numbers("hybrid_layer_pattern")) is not None:
        if len(pattern) != number:
            message = f"`hybrid_layer_pattern` has {len(pattern)} layers, and the model has {number}"
            keys.contradict("hybrid_layer_pattern", message)
        return tuple(SLIDING if step else FULL for step in pattern)
    if family.layers == "parallel":
        return (FULL,) * number
    if family.layers == "hybrid":
        return _hybrid(keys, number)
    return _sliding(keys, family, number)


def _hybrid(keys: Keys, number: int) -> tuple[Kind, ...]:
    """Read which layers of a hybrid have full attention."""
    if (linear := keys.part("linear_attn_config")) is not None:
        full = linear.numbers("full_attn_layers")
        if full is None:
            linear.note("CFG002", "`full_attn_layers` is missing", ())
        return _at(number, [layer - 1 for layer in full or ()])
    if (indices := keys.numbers("attn_layer_indices")) is not None:
        return _at(number, indices)
    period = keys.count("full_attention_interval", "layer_group_size")
    if period is None:
        message = "nothing says which layers have attention: `layer_types` is missing"
        keys.note("CFG002", message, (), WHOLE)
        return (FULL,) * number
    return _at(number, range(period - 1, number, period))


def _at(number: int, full: Sequence[int]) -> tuple[Kind, ...]:
    places = set(full)
    return tuple(FULL if layer in places else LINEAR for layer in range(number))


def _sliding(keys: Keys, family: Family, number: int) -> tuple[Kind, ...]:
    """Read which layers slide, by the class of the model."""
    pattern = keys.plain("sliding_window_pattern", "_sliding_window_pattern")
    if isinstance(pattern, str) and (not pattern or set(pattern) - {"L", "G"}):
        name = next(name for name in ("sliding_window_pattern", "_sliding_window_pattern") if keys.holds(name))
        keys.wrong(name, f"`{name}` is {pattern[:60]!r}, which is no row of L (local) and G (global)")
        return (FULL,) * number
    if isinstance(pattern, str):
        return tuple(SLIDING if pattern[layer % len(pattern)] == "L" else FULL for layer in range(number))
    if family.windows == "listed" and keys.holds("sliding_window"):
        keys.note("CFG002", "layers slide, and nothing says which: `layer_types` is missing", (), WHOLE)
    switched_off = not keys.flag("use_sliding_window", default=True)
    null = "sliding_window" in keys.value and keys.value["sliding_window"] is None
    if switched_off or null or family.windows in ("none", "listed"):
        return (FULL,) * number
    if isinstance(family.windows, int):
        period = keys.count("sliding_window_pattern", "_sliding_window_pattern")
        if period is None:
            period = family.windows
            keys.notes.assume(f"nothing says which layers slide: in this class all but each {period}. do")
        return tuple(FULL if (layer + 1) % period == 0 else SLIDING for layer in range(number))
    if family.windows == "from-layer":
        if not keys.flag("use_sliding_window") or not keys.holds("sliding_window"):
            return (FULL,) * number
        first = keys.count("max_window_layers", least=0)
        if first is None:
            keys.note("CFG002", "windows are switched on, and `max_window_layers` is missing", ())
        return tuple(SLIDING if layer >= (first or 0) else FULL for layer in range(number))
    slides = keys.holds("sliding_window") or family.window is not None
    if not slides and "sliding_window" not in keys.value:
        keys.notes.assume("`sliding_window` is not there: all layers see the whole context")
    return (SLIDING if slides else FULL,) * number
