"""Candidates: what could be chosen, by catalog keys and by the names under which a reader looks for it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from planner.domain.route import KvCacheDtype
from planner.performance.parallelism import Parallelism

LORA = "lora"
"""Word in names for a replica that holds LoRA adapters."""


@dataclass(frozen=True)
class Candidate:
    """A candidate is what could be chosen, by its catalog keys. A field that does not apply is empty, or 0.

    model: open-weight model.
    quantization: format of its weights.
    gpu: GPU of its replicas.
    tensor_parallel_size, data_parallel_size, enable_expert_parallel: how they share the model (`Parallelism`).
    instance_type: machine that carries it.
    api: hosted model, `PROVIDER/SLUG`; a provider alone where all that it hosts fell.
    max_num_seqs: batch cap, where the same replica could also run with another one.
    tenancy: `solo` or `private` where its nodes hold nothing else, `batch` where work that may wait fills it, as
    `candidates.shapes` means them.
    kv_cache_dtype: form of its KV cache.
    drafter: word of what proposes its tokens, like `mtp1`.
    adapters: names of the LoRA adapters that it holds.
    """

    model: str = ""
    quantization: str = ""
    gpu: str = ""
    tensor_parallel_size: int = 0
    instance_type: str = ""
    api: str = ""
    max_num_seqs: int = 0
    tenancy: str = ""
    kv_cache_dtype: KvCacheDtype = "auto"
    data_parallel_size: int = 1
    enable_expert_parallel: bool = False
    drafter: str = ""
    adapters: tuple[str, ...] = ()

    @property
    def parallelism(self) -> Parallelism:
        """Return how the GPUs of one replica share the model; it has no GPU where none applies."""
        return Parallelism(self.tensor_parallel_size, self.data_parallel_size, self.enable_expert_parallel)

    @property
    def names(self) -> tuple[str, ...]:
        """Return all names that a reader may look for."""
        lora = (LORA, *self.adapters) if self.adapters else ()
        ways = (self.parallelism.word, cache_word(self.kv_cache_dtype), self.drafter, *lora)
        own = (self.model, self.quantization, self.gpu, self.instance_type, self.api, *ways)
        return tuple(name for name in own if name)


def cache_word(kv_cache_dtype: KvCacheDtype) -> str:
    """Return the word for the form of a KV cache in names, like `kv-fp8`; it is empty for `auto`."""
    return "" if kv_cache_dtype == "auto" else f"kv-{kv_cache_dtype}"


def names_all(candidate: Candidate, words: Sequence[str]) -> bool:
    """Say whether each word is a whole part of some name of the candidate: `L4` is part of `L4` and not of `L40S`."""
    patterns = [re.compile(rf"(?<![a-z0-9]){re.escape(word.lower())}(?![a-z0-9])") for word in words]
    return all(any(pattern.search(name.lower()) for name in candidate.names) for pattern in patterns)
