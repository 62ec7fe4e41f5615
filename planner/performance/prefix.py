"""What of a prompt the KV cache of a replica has already: the prefix of all prompts, and the history of a session.

vLLM keeps the blocks of finished requests until it needs their room, and does not compute again what it finds at the
start of a prompt. A prompt of S tokens starts with the P tokens that all prompts share. A session sent the share h of
the other tokens before, and the replica still has them with the probability f:

    tokens found       = P + h·(S − P)  with probability f,  else P
    tokens computed    = S − tokens found; each attends to all tokens before it
    KV of a sequence   = S − P + output; the P tokens are held once for all sequences

    f     = room / replicas
    room  = min(1, tokens of KV cache that running sequences leave / tokens that pausing sessions would need)

- *replicas*: the gateway has no affinity. It draws a replica at random, so that a session comes back to the replica
  that has its history once in as many times as there are replicas.
- *room*: the running sequences are counted as a full batch, and the sessions that pause as those that a full batch
  sends into their pause, each with a whole prompt and answer. Both make the room smaller than it is.

Three things are left out, each of which would make hits more frequent or cheaper: affinity, attention that reads the
shared prefix once for a whole batch (cascade attention), and histories that two sessions have in common. The first
request after a start computes the prefix; that is one prompt in the life of a replica, and is not counted. Models with
linear attention keep a state and not tokens, which vLLM can take up at few points only: nothing is found for them.

`replayed_hit_share` is the same question asked of a trace whose prompts are given as block hashes.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from planner.performance.lengths import Lengths
from planner.performance.memory import MemoryFit
from planner.performance.step_time import StepClock
from planner.words.arrays import Floats

Routing = Literal["random", "affinity"]
"""How requests find a replica: by chance, or the one that has the most of their prompt."""


@dataclass(frozen=True, slots=True)
class PrefixReuse:
    """What a replica finds of the prompts of a mix.

    shared_tokens: tokens with which all prompts begin.
    history_share: share of the other tokens of a prompt that its session sent before.
    found_share: share of the requests whose history the replica still has.
    """

    shared_tokens: int = 0
    history_share: float = 0.0
    found_share: float = 0.0

    def cached_tokens(self, prompts: NDArray[np.int64], chance: Floats) -> NDArray[np.int64]:
        """Return the tokens found of each prompt. chance: one number for each prompt, uniform in [0, 1)."""
        shared = np.minimum(self.shared_tokens, prompts)
        history = np.where(chance < self.found_share, self.history_share * (prompts - shared), 0.0)
        return np.asarray(shared + np.floor(history).astype(np.int64), dtype=np.int64)

    @property
    def mean_history_share(self) -> float:
        """Share of the prompt tokens after the prefix that are found, on average."""
        return self.history_share * self.found_share


NO_REUSE = PrefixReuse()
"""Every prompt is new."""


def with_reuse(lengths: Lengths, reuse: PrefixReuse) -> Lengths:
    """Return the same mix with the tokens of each prompt that need not be computed.

    Each point of the inputs becomes two where histories are found for a part of the requests: the percentiles of TTFT
    depend on those whose history is gone.
    """
    if reuse == NO_REUSE:
        return lengths
    shared = np.minimum(float(reuse.shared_tokens), np.maximum(lengths.inputs - 1.0, 0.0))
    found = shared + reuse.history_share * (lengths.inputs - shared) * (lengths.inputs > 1.0)
    decode_shared = np.minimum(float(reuse.shared_tokens), np.maximum(lengths.decode_inputs - 1.0, 0.0))
    decode_cached = decode_shared + reuse.mean_history_share * (lengths.decode_inputs - decode_shared)
    if reuse.mean_history_share in (0.0, reuse.history_share):
        cached = found if reuse.mean_history_share else shared
        return replace(lengths, cached=cached, decode_cached=decode_cached)
    hit, miss = reuse.found_share, 1.0 - reuse.found_share
    return replace(
        lengths,
        inputs=np.concatenate([lengths.inputs, lengths.inputs]),
        input_weights=np.concatenate([lengths.input_weights * hit, lengths.input_weights * miss]),
        cached=np.concatenate([found, shared]),
        decode_cached=decode_cached,
    )


def room_for_histories(
    memory: MemoryFit, clock: StepClock, lengths: Lengths, max_num_seqs: int, shared_tokens: int, pause_ms: float
) -> float:
    """Return the share of the pausing sessions whose history the cache can keep beside a full batch.

    pause_ms: time between an answer and the next request of the same session.
    """
    held = max(lengths.mean_context - shared_tokens, 1.0)
    places = max(1.0, min(float(max_num_seqs), memory.sequences(lengths.mean_context, shared_tokens)))
    fits = memory.sequences(lengths.mean_context, shared_tokens) * held
    left = max(0.0, fits - places * held)
    step = clock.step_ms(places, places * lengths.mean_context)
    started_per_ms = places / (max(lengths.mean_decode_steps, 1.0) * step)
    kept = max(lengths.mean_input + lengths.mean_output - shared_tokens, 1.0)
    return min(1.0, left / max(started_per_ms * pause_ms * kept, 1.0))


def replayed_hit_share(
    prompts: Iterable[Sequence[int]], blocks_of_cache: int, replicas: int, routing: Routing, seed: int = 0
) -> float:
    """Return the share of all blocks of the prompts that are found, when each replica keeps the blocks used last.

    prompts: the block hashes of each prompt, in order of arrival; a hash stands for its block and all before it.
    blocks_of_cache: blocks that one replica keeps; 0: all.
    seed: which random numbers are drawn, for `random`.
    """
    caches: list[OrderedDict[int, None]] = [OrderedDict() for _ in range(replicas)]
    chance = np.random.default_rng(seed)
    asked = found = 0
    for blocks in prompts:
        hits = [_leading(blocks, cache) for cache in caches] if routing == "affinity" else []
        fullest = max(range(replicas), key=lambda k: (hits[k], -len(caches[k]), -k)) if hits else 0
        chosen = fullest if hits and hits[fullest] else int(chance.integers(replicas))
        cache = caches[chosen]
        asked += len(blocks)
        found += hits[chosen] if hits else _leading(blocks, cache)
        _use(cache, blocks, blocks_of_cache)
    return found / asked if asked else 0.0


def _leading(blocks: Sequence[int], cache: OrderedDict[int, None]) -> int:
    """Return the number of blocks at the start of a prompt that a cache has."""
    count = 0
    for block in blocks:
        if block not in cache:
            break
        count += 1
    return count


def _use(cache: OrderedDict[int, None], blocks: Sequence[int], most: int) -> None:
    """Put the blocks of a prompt into a cache as those used last. The last block of a prompt goes before its first."""
    for block in reversed(blocks):
        cache[block] = None
        cache.move_to_end(block)
    while most and len(cache) > most:
        cache.popitem(last=False)
