"""LoRA adapters: small matrices beside the weights of a base model, which change its answers for one task.

An engine holds the base once and several adapters beside it, and each request names the one that it wants. So routes
with different adapters of one base can share a pool. An adapter stands in the team's own catalog alone.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from planner.domain.models import WEIGHTS_ADDRESS

MAX_LORA_RANKS = (1, 8, 16, 32, 64, 128, 256, 320, 512)
"""The values that vLLM takes for `--max-lora-rank` (its `MaxLoRARanks`, read in 0.14 and in the parser of 0.33)."""
_NAME = re.compile(r"[a-z0-9](?:[a-z0-9._-]{0,61}[a-z0-9])?")
"""The form of an adapter's name. It becomes the name of a folder, of a model on the wire, and a part of arguments."""


@dataclass(frozen=True, kw_only=True)
class Adapter:
    """One LoRA adapter in PEFT's format, for any or all of the linear layers of its base.

    key: name in accept lists, and the model name that the engine is asked for.
    base: key of the model that it was trained on.
    weights: where its files lie, `s3://BUCKET/PREFIX`; `adapter_config.json` is directly below.
    rank: the largest rank of its matrices, `r` in its configuration.
    source, as_of: where these facts were read, and the day that the source states.
    note: what else a reader should know.
    """

    key: str
    base: str
    weights: str
    rank: int
    source: str
    as_of: str
    note: str = ""

    def malformed(self) -> Iterator[tuple[tuple[str | int, ...], str]]:
        """Yield (place, what is wrong) for each column that cannot be used."""
        if not _NAME.fullmatch(self.key):
            yield (), f"{self.key!r} is no name of an adapter: write up to 63 of a-z, 0-9, `.`, `_` and `-`"
        if not WEIGHTS_ADDRESS.fullmatch(self.weights):
            yield ("weights",), f"{self.weights!r} is no place of weights: write s3://BUCKET/PREFIX"
        if not 1 <= self.rank <= MAX_LORA_RANKS[-1]:
            yield ("rank",), f"the engine takes no adapter of rank {self.rank}: it is 1 to {MAX_LORA_RANKS[-1]}"


def max_lora_rank(adapters: Iterable[Adapter]) -> int:
    """Return the least rank that the engine can be started with and that holds all adapters; 0 without any."""
    largest = max((adapter.rank for adapter in adapters), default=0)
    return next(rank for rank in MAX_LORA_RANKS if rank >= largest) if largest else 0
