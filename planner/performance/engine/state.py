"""What the compiled engine remembers between two steps, as flat records that hold no Python object.

A request is in one place at a time: in the chunk of requests to come, in the ring of waiting requests, in a slot of the
batch, or among the finished ones. Tokens of KV cache are counted in whole blocks when they are taken. There are three
kinds of cache: it grows with the context, it is held up to a window, or it is constant for a sequence.
"""

from __future__ import annotations

import numpy as np

REQUEST = np.dtype([("arrival_ms", "f8"), ("prompt", "i8"), ("output", "i8"), ("cached", "i8")], align=True)
"""A request to come. Only an open stream reads `arrival_ms`. `cached`: tokens at its start that the cache has already.
"""

WAITING = np.dtype(
    [
        ("number", "i8"),
        ("arrival_ms", "f8"),
        ("first_ms", "f8"),  # nan before the first token
        ("prompt", "i8"),
        ("output", "i8"),
        ("made", "i8"),  # tokens made before a preemption, computed again with the prompt
        ("preemptions", "i8"),
        ("cached", "i8"),  # tokens that the cache has when it enters, in whole blocks
        ("shared", "i8"),  # those of them that are held once for all sequences
    ],
    align=True,
)
"""A request that waits for a place in the batch."""

SLOT = np.dtype(
    [
        *WAITING.descr,
        ("computed", "i8"),  # tokens in the cache: while prefilling, now; while decoding, at `joined`
        ("joined", "i8"),  # step after which it decodes
        ("ends", "i8"),  # step after which it is complete; −1 while it does not decode, −2 when it is
        ("widens", "i8"),  # step after which its window is full; −1 once it is
        ("older", "i8"),
        ("younger", "i8"),  # neighbours in order of admission; −1 at the ends
        ("next", "i8"),  # in the list that it is in: free, finishing or leaving
    ],
    align=True,
)
"""A place in the batch, with the request that holds it."""

FINISHED = np.dtype(
    [
        ("number", "i8"),
        ("arrival_ms", "f8"),
        ("first_ms", "f8"),
        ("last_ms", "f8"),
        ("prompt", "i8"),
        ("output", "i8"),
        ("preemptions", "i8"),
    ],
    align=True,
)
"""A request that has its last token."""

ENGINE = np.dtype(
    [
        # what it is told
        ("max_num_seqs", "i8"),
        ("max_num_batched_tokens", "i8"),
        ("block_tokens", "i8"),
        ("max_num_queued_reqs", "i8"),
        ("max_num_queued_tokens", "i8"),
        ("async_scheduling", "i8"),  # 1: a step is composed when the one before it begins
        ("whole_prompt", "i8"),  # 1: a prompt is admitted only if all of it fits; 0: its first chunk
        ("budget_bytes", "f8"),
        ("growing_bytes", "f8"),
        ("windowed_bytes", "f8"),
        ("window_tokens", "i8"),  # in whole blocks
        ("constant_bytes", "f8"),
        ("shared_tokens", "i8"),  # prefix of all prompts, in whole blocks; the budget is without it
        # where it is
        ("now_ms", "f8"),
        ("known_ms", "f8"),  # when the next step is composed, with asynchronous scheduling
        ("steps", "i8"),
        ("closing", "i8"),  # 1: a request that arrives at this very moment counts
        ("clients", "i8"),  # closed loop: clients about to send; −1 in an open stream
        ("taken", "i8"),  # requests read from the present chunk
        ("finished", "i8"),  # entries of the present buffer
        # the queue: a ring from `head` on
        ("head", "i8"),
        ("waiting", "i8"),
        ("backlog", "i8"),  # tokens of whole prompts before their first token
        # the batch
        ("running", "i8"),
        ("leaving", "i8"),  # ended sequences among them that still hold place and cache
        ("decoding", "i8"),
        ("context", "i8"),  # tokens in the cache of the decoding sequences
        ("narrow", "i8"),  # decoding sequences whose window is not full
        ("youngest", "i8"),
        ("partial", "i8"),  # slot of the prompt that the token budget has cut; −1 without one
        ("free_list", "i8"),
        ("finishing_list", "i8"),  # prompts that the step just done has completed
        ("leaving_list", "i8"),
        ("events", "i8"),
        # the cache: tokens taken, in whole blocks, without the shared prefix
        ("growing", "i8"),
        ("windowed", "i8"),
        # what it has counted
        ("arrived", "i8"),
        ("refused_full", "i8"),
        ("refused_long", "i8"),
        ("preemptions", "i8"),
        ("prefill_tokens", "i8"),
        ("decode_tokens", "i8"),
        ("recomputed_tokens", "i8"),
        ("most_running", "i8"),
        ("most_bytes", "f8"),
        ("busy_ms", "f8"),
        ("present_ms", "f8"),  # ∫ requests in the engine dt
        ("queued_ms", "f8"),  # ∫ requests waiting dt
    ],
    align=True,
)
"""One engine: its options, where it stands, its queue, its batch, its cache, and what it has counted."""
