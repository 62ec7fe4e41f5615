"""The longest prompt with its answer that a model takes, as the engine derives it from the configuration.

The engine takes the smallest of the lengths that the file states, then multiplies it where the positions are scaled:
YaRN counts from its original length, and only where the file switches it on. A card that names a longer context needs
another configuration.
"""

from __future__ import annotations

from planner.documents.model_config.keys import Keys

_LENGTHS = (
    "max_position_embeddings",
    "n_positions",
    "max_seq_len",
    "seq_length",
    "max_target_positions",
    "max_sequence_length",
    "max_seq_length",
    "seq_len",
    "n_ctx",
)
_COUNTED_IN = frozenset({"su", "longrope", "llama3", "default", "mrope", "proportional", "gptj", "dynamic_alpha"})
"""Kinds of scaled positions whose factor is in the stated length already."""


def max_context(keys: Keys, family: str) -> int:
    """Return the tokens of prompt and answer together."""
    lengths = [length for name in _LENGTHS if (length := keys.count(name)) is not None]
    tokenizer_length = keys.count("model_max_length")
    if tokenizer_length is not None:
        stated = tokenizer_length  # Cohere's models state the trained length here and a shorter one beside it
    elif lengths:
        stated = min(lengths)
    else:
        stated = keys.need(*_LENGTHS)
    scaling = keys.part("rope_scaling", "rope_parameters")
    if scaling is None or family == "gemma3":  # whose stated length has the factor in it
        return stated
    kind = scaling.word("rope_type", "type") or "default"
    factor = scaling.plain("factor")
    if kind in _COUNTED_IN or factor is None:
        return stated
    if isinstance(factor, bool) or not isinstance(factor, int | float) or not 0 < factor <= 1e6:
        scaling.wrong("factor", f"`factor` is {factor!r}, which is no number above zero")
        return stated
    if kind == "yarn":
        stated = scaling.need("original_max_position_embeddings")
    return int(stated * factor)
