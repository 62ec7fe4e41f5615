"""The batch of the compiled engine: who holds a place, and which blocks of the KV cache are taken.

A step is composed here. `make_room` gives every running sequence its next token, and sends the youngest back where the
cache does not suffice. `fill` adds prompts within the token budget, first come, first served; the last one may be cut.
"""

from __future__ import annotations

from typing import Any

from planner.performance.engine.compiling import compiled_part
from planner.performance.engine.events import push

_ENDED = -2


@compiled_part
def blocks(engine: Any, tokens: int) -> int:
    """Round a number of tokens up to whole blocks."""
    return int((tokens + engine.block_tokens - 1) // engine.block_tokens * engine.block_tokens)


@compiled_part
def cache_bytes(engine: Any, growing: int, windowed: int, sequences: int) -> float:
    """Return the bytes that so many tokens and sequences take."""
    taken = growing * engine.growing_bytes + windowed * engine.windowed_bytes + sequences * engine.constant_bytes
    return float(taken)


@compiled_part
def make_room(engine: Any, slots: Any, waiting: Any, phases: Any) -> bool:
    """Take the next token of all sequences that decode; return whether one had to be sent back before.

    The youngest are sent back until the cache can hold the others.
    """
    preempted = False
    phase = engine.steps % engine.block_tokens
    while engine.running > engine.leaving:
        growing = engine.growing + engine.block_tokens * phases[0, phase]
        windowed = engine.windowed + engine.block_tokens * phases[1, phase]
        if engine.partial >= 0:
            slot = slots[engine.partial]
            chunk = min(engine.max_num_batched_tokens - engine.decoding, slot.prompt + slot.made - slot.computed)
            before, after = blocks(engine, slot.computed), blocks(engine, slot.computed + chunk)
            growing += after - before
            windowed += min(after, engine.window_tokens) - min(before, engine.window_tokens)
        if cache_bytes(engine, growing, windowed, engine.running) <= engine.budget_bytes:
            break
        _preempt(engine, slots, waiting, phases)
        preempted = True
    engine.growing += engine.block_tokens * phases[0, phase]
    engine.windowed += engine.block_tokens * phases[1, phase]
    return preempted


@compiled_part
def fill(engine: Any, slots: Any, waiting: Any, may_enter: bool) -> tuple[float, float]:
    """Add prompts to the step. Return (tokens, tokens × the mean context to which each of them attends)."""
    budget = engine.max_num_batched_tokens - engine.decoding
    tokens, pairs = 0.0, 0.0
    index = engine.partial
    while budget > 0:
        if index < 0 and may_enter:
            index = _enter(engine, slots, waiting, budget)
        if index < 0:
            break
        slot = slots[index]
        left = slot.prompt + slot.made - slot.computed
        chunk = min(budget, left)
        before, after = blocks(engine, slot.computed), blocks(engine, slot.computed + chunk)
        engine.growing += after - before
        engine.windowed += min(after, engine.window_tokens) - min(before, engine.window_tokens)
        pairs += chunk * (slot.computed + chunk / 2.0)
        tokens += chunk
        budget -= chunk
        slot.computed += chunk
        engine.partial = index
        if chunk == left:
            slot.next = engine.finishing_list
            engine.finishing_list = index
            engine.partial = index = -1
    return tokens, pairs


@compiled_part
def is_known(engine: Any, waiting: Any) -> bool:
    """Return whether the head of the queue has arrived by the time at which the next step is composed."""
    head = waiting[engine.head]
    return bool(not engine.async_scheduling or head.arrival_ms <= engine.known_ms)


@compiled_part
def start_decoding(engine: Any, slots: Any, events: Any, phases: Any, index: int) -> None:
    """Let a sequence whose prompt is in the cache join those that take a token in each step."""
    slot = slots[index]
    phase = (engine.steps - slot.computed) % engine.block_tokens
    slot.joined = engine.steps
    slot.ends = engine.steps + slot.output - slot.made
    engine.decoding += 1
    engine.context += slot.computed
    phases[0, phase] += 1
    push(engine, slots, events, slot.ends, index)
    if slot.computed < engine.window_tokens:
        engine.narrow += 1
        phases[1, phase] += 1
        slot.widens = engine.steps + engine.window_tokens - slot.computed
        if slot.widens < slot.ends:
            push(engine, slots, events, slot.widens, index)


@compiled_part
def close_window(engine: Any, slots: Any, phases: Any, index: int) -> None:
    """Note that the window of a sequence is full: from now on it takes no more of that kind of cache."""
    slot = slots[index]
    phases[1, (slot.joined - slot.computed) % engine.block_tokens] -= 1
    engine.narrow -= 1
    slot.widens = -1


@compiled_part
def stop_decoding(engine: Any, slots: Any, phases: Any, index: int) -> None:
    """Let a sequence take no more tokens; it keeps its place and its cache."""
    slot = slots[index]
    phases[0, (slot.joined - slot.computed) % engine.block_tokens] -= 1
    if slot.widens >= 0:
        close_window(engine, slots, phases, index)
    slot.computed += engine.steps - slot.joined
    slot.ends = -1
    engine.decoding -= 1
    engine.context -= slot.computed


@compiled_part
def finish(engine: Any, slots: Any, index: int, finished: Any) -> None:
    """Report a sequence that has made its last token.

    Its place is free at once or, with asynchronous scheduling, when the next step is composed.
    """
    slot = slots[index]
    entry = finished[engine.finished]
    entry.number = slot.number
    entry.arrival_ms = slot.arrival_ms
    entry.first_ms = slot.first_ms
    entry.last_ms = engine.now_ms
    entry.prompt = slot.prompt
    entry.output = slot.output
    entry.preemptions = slot.preemptions
    engine.finished += 1
    if engine.clients >= 0:
        engine.clients += 1
    slot.ends = _ENDED
    slot.next = engine.leaving_list
    engine.leaving_list = index
    engine.leaving += 1
    if not engine.async_scheduling:
        release(engine, slots)


@compiled_part
def release(engine: Any, slots: Any) -> None:
    """Take the place and the cache of the sequences that have ended."""
    while engine.leaving > 0:
        index = int(engine.leaving_list)
        engine.leaving_list = slots[index].next
        engine.leaving -= 1
        _leave(engine, slots, index)


@compiled_part
def _enter(engine: Any, slots: Any, waiting: Any, budget: int) -> int:
    """Give the head of the queue a place and return it; return −1 without a free place or without cache for its
    prompt."""
    if engine.waiting == 0 or engine.running >= engine.max_num_seqs or not is_known(engine, waiting):
        return -1
    entry = waiting[engine.head]
    needed = entry.prompt + entry.made
    if not engine.whole_prompt:
        needed = min(needed, entry.cached + budget)
    held = blocks(engine, needed)
    growing = engine.growing + held - entry.shared
    windowed = engine.windowed + min(held, engine.window_tokens)
    if cache_bytes(engine, growing, windowed, engine.running + 1) > engine.budget_bytes:
        return -1
    index = int(engine.free_list)
    slot = slots[index]
    engine.free_list = slot.next
    slot.number = entry.number
    slot.arrival_ms = entry.arrival_ms
    slot.first_ms = entry.first_ms
    slot.prompt = entry.prompt
    slot.output = entry.output
    slot.made = entry.made
    slot.preemptions = entry.preemptions
    slot.cached = entry.cached
    slot.shared = entry.shared
    slot.computed = entry.cached
    engine.growing += entry.cached - entry.shared
    engine.windowed += min(entry.cached, engine.window_tokens)
    slot.ends = slot.widens = -1
    slot.older, slot.younger = engine.youngest, -1
    if engine.youngest >= 0:
        slots[engine.youngest].younger = index
    engine.youngest = index
    engine.running += 1
    engine.head = (engine.head + 1) % len(waiting)
    engine.waiting -= 1
    return index


@compiled_part
def _preempt(engine: Any, slots: Any, waiting: Any, phases: Any) -> None:
    """Send the youngest sequence back to the head of the queue.

    It loses its cache and keeps the tokens that it has made, which are computed again. Only the prefix that it shares
    with all others is still there.
    """
    index = engine.youngest
    while slots[index].ends == _ENDED:
        index = slots[index].older
    slot = slots[index]
    if index == engine.partial:
        engine.partial = -1
    else:
        slot.made += engine.steps - slot.joined
        stop_decoding(engine, slots, phases, index)
    engine.recomputed_tokens += slot.computed - slot.shared
    engine.preemptions += 1
    engine.head = (engine.head - 1) % len(waiting)
    engine.waiting += 1
    entry = waiting[engine.head]
    entry.number = slot.number
    entry.arrival_ms = slot.arrival_ms
    entry.first_ms = slot.first_ms
    entry.prompt = slot.prompt
    entry.output = slot.output
    entry.made = slot.made
    entry.preemptions = slot.preemptions + 1
    entry.cached = entry.shared = slot.shared
    _leave(engine, slots, index)


@compiled_part
def _leave(engine: Any, slots: Any, index: int) -> None:
    """Free the cache and the slot, and close the gap in the order of admission."""
    slot = slots[index]
    held = blocks(engine, slot.computed)
    engine.growing -= held - slot.shared
    engine.windowed -= min(held, engine.window_tokens)
    older, younger = slot.older, slot.younger
    if older >= 0:
        slots[older].younger = younger
    if younger >= 0:
        slots[younger].older = older
    else:
        engine.youngest = older
    slot.next = engine.free_list
    engine.free_list = index
    engine.running -= 1
