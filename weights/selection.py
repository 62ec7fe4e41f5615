"""Which files of a repository engines need: weights as safetensors once, and all else that is no weights."""

from __future__ import annotations

from collections.abc import Iterable
from fnmatch import fnmatchcase

OTHER_FORMATS = ("bin", "ckpt", "gguf", "h5", "msgpack", "onnx", "onnx_data", "ot", "pt", "pth", "tflite")
"""Endings of weights in forms that are not streamed."""
DUPLICATES = "consolidated*.safetensors"
"""Weights of Mistral repositories in a second form. The streamer reads every safetensors file beside the configuration,
so that these would be loaded as well (vLLM's other loaders leave out what the index does not name)."""


def wanted(names: Iterable[str]) -> tuple[str, ...]:
    """Return the names of the files to copy, sorted. Without safetensors beside the configuration there are none."""
    listed = sorted(set(names))
    beside = [name for name in listed if "/" not in name and name.endswith(".safetensors")]
    doubled = {name for name in beside if fnmatchcase(name, DUPLICATES)}
    weights = {name for name in beside if name not in doubled} or doubled
    if not weights:
        return ()
    return tuple(name for name in listed if name in weights or not _is_weights(name))


def _is_weights(name: str) -> bool:
    ending = name.rpartition(".")[2].lower()
    return ending == "safetensors" or ending in OTHER_FORMATS
