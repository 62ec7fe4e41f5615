"""What of a prompt the KV cache of a replica has already: the prefix of all prompts, and the history of a session.

vLLM keeps the blocks of finished requests until it needs their room, and does not compute again what it finds at the
start of a prompt. A prompt of S tokens starts with the P tokens that all prompts share. A session sent the share h of
the other tokens before, and the replica still has them with the probability f:

    tokens found       = P + h·(S − P)  with probability f,  else P
    tokens computed    = S − tokens found; each attends to all tokens before it
    KV of a sequence   = S − P + output; the P tokens are held once for all sequences

    f     = room / replicas
    room  = min(1, left / (starts · pause · (S − P + output)))
    room  = found(left · rate of the trace / starts) / found(∞)       where a trace tells what caches find

- *replicas*: the gateway has no affinity. It draws a replica at random, so that a session comes back to the replica
  that has its history once in as many times as there are replicas. Copies of the attention within a replica have caches
  of their own and count as replicas here.
- *left* are the tokens of KV cache that a full batch leaves, and *starts* the requests/s that a full batch starts, as
  if it computed no prompts. Both make the room smaller than it is. A replica that serves a part of a trace remembers as
  many seconds of it as a cache of the whole trace that is larger by as much as the trace is faster.

Three things are left out, each of which would make hits more frequent or cheaper: affinity, attention that reads the
shared prefix once for a whole batch (cascade attention), and histories that two sessions have in common. The first
request after a start computes the prefix; that is one prompt in the life of a replica, and is not counted. Models with
linear attention keep a state and not tokens, which vLLM can take up at few points only: nothing is found for them.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from planner.domain.prompts import RepeatedPrompts
from planner.performance.lengths import Lengths
from planner.performance.memory import MemoryFit
from planner.performance.step_time import StepClock
from planner.words.arrays import Floats
from planner.words.numbers import six_digits


@dataclass(frozen=True, slots=True)
class CachedPrompts:
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


NOTHING_CACHED = CachedPrompts()
"""Every prompt is new."""


def with_reuse(lengths: Lengths, reuse: CachedPrompts) -> Lengths:
    """Return the same mix with the tokens of each prompt that need not be computed.

    Each point of the inputs becomes two where histories are found for a part of the requests: the percentiles of TTFT
    depend on those whose history is gone.
    """
    if reuse == NOTHING_CACHED:
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


def cached_prompts(
    memory: MemoryFit, clock: StepClock, lengths: Lengths, max_num_seqs: int, repeated: RepeatedPrompts, replicas: float
) -> CachedPrompts:
    """Return what a replica finds of the prompts of a mix.

    replicas: number of replicas among which the requests of a session are spread.
    """
    if memory.state_bytes > 0.0 or not (repeated.shared_tokens or repeated.session_share):
        return NOTHING_CACHED
    shared = int(repeated.shared_tokens)
    if not repeated.session_share:
        return CachedPrompts(shared)
    left, starts_per_ms = _full_batch(memory, clock, lengths, max_num_seqs, shared)
    if repeated.curve:
        tokens, shares = zip((0, 0.0), *repeated.curve, strict=True)
        room = float(np.interp(left * repeated.requests_per_ms / starts_per_ms, tokens, shares))
        room /= repeated.session_share
    else:
        kept = max(lengths.mean_input + lengths.mean_output - shared, 1.0)
        room = left / max(starts_per_ms * repeated.pause_ms * kept, 1.0)
    found = six_digits(min(1.0, room) / max(replicas * memory.copies, 1.0))
    return CachedPrompts(shared, repeated.session_share, found) if found else CachedPrompts(shared)


def _full_batch(
    memory: MemoryFit, clock: StepClock, lengths: Lengths, max_num_seqs: int, shared: int
) -> tuple[float, float]:
    """Return the tokens of KV cache that a full batch leaves, and the requests that it starts in a ms."""
    fits = memory.sequences(lengths.mean_context, shared)
    places = max(1.0, min(float(max_num_seqs), fits))
    left = max(0.0, fits - places) * max(lengths.mean_context - shared, 1.0)
    step = clock.step_ms(places, places * lengths.mean_context)
    return left, places / (max(lengths.mean_decode_steps, 1.0) * step)
