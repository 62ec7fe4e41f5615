"""vLLM's V1 scheduler, compiled: `advance` serves requests until it needs something from outside.

Each step goes as in the engine:

    1  Every decoding sequence takes one token, and a block of KV cache where its last block is full. A prompt that was
       cut goes on. If the cache does not suffice, the youngest in the batch loses its cache and goes back to the head
       of the queue, until the others fit.
    2  Unless a sequence was sent back, waiting requests enter, first come, first served, while a place, the token
       budget (`max_num_batched_tokens`) and the cache allow it. The last prompt may be cut.
    3  The clock says how long the step took. Each prompt that it completed has one more token, the first.

With asynchronous scheduling a step is composed when the step before it begins. A request that arrives in between enters
one step later, and a sequence that ends in between keeps its place and its cache until then. If nothing is left to
compose, the engine waits for the result.

Steps that only decode are taken in one go, up to the next event, the next arrival that could enter, or the next
overflow of the cache; their time is the exact sum of the clock. So a step costs nothing for each sequence. No object is
made and nothing is allocated here: the arrays belong to `simulator` and `closed_loops`.
"""

from __future__ import annotations

import math
from typing import Any

from planner.performance.engine.batch import (
    blocks,
    cache_bytes,
    close_window,
    fill,
    finish,
    is_known,
    make_room,
    release,
    start_decoding,
    stop_decoding,
)
from planner.performance.engine.compiled_step import decode_run_ms, step_ms
from planner.performance.engine.compiling import compiled, compiled_part
from planner.performance.engine.events import pop_due, steps_to_next
from planner.performance.engine.gaps import count_gaps

DONE, MORE_REQUESTS, WAITING_FULL, FINISHED_FULL = 0, 1, 2, 3
"""Reasons for which `advance` returns. After each of them but the first it can go on where it was."""


@compiled
def prepare(engines: Any, slots: Any, phases: Any, clients: int) -> None:
    """Make an empty engine at time 0 of a record that holds its options. clients: −1 in an open stream."""
    engine = engines[0]
    engine.clients = clients
    engine.youngest = engine.partial = engine.finishing_list = engine.leaving_list = -1
    for i in range(len(slots)):
        slots[i].next = i + 1
        slots[i].ends = -1
    slots[len(slots) - 1].next = -1
    phases[:] = 0


@compiled
def advance(
    engines: Any,
    requests: Any,
    last: bool,
    waiting: Any,
    slots: Any,
    events: Any,
    phases: Any,
    finished: Any,
    gaps: Any,
    clock: Any,
) -> int:
    """Serve until all is done or something runs out, and return which of the codes above it is.

    engines: one record of `state.ENGINE`.
    requests: the present chunk, records of `state.REQUEST`.
    last: whether no chunk follows it.
    waiting, slots, finished: records of `state.WAITING`, `state.SLOT` and `state.FINISHED`.
    events: the heap of `events`, with room for at least twice as many events as there are slots.
    phases: number of decoding sequences, and of those with an open window, by the step modulo a block at which they
    take a block, shape (2, block_tokens).
    gaps: counts of `gaps.count_gaps`, shape (BINS,).
    clock: vector of `compiled_step.clock_vector`.
    """
    engine = engines[0]
    while True:
        # The step just done: who arrived while it ran, what it brought, who arrives at its very end.
        engine.closing = 0
        reason = _arrive(engine, requests, last, waiting)
        if reason != DONE:
            return reason
        if engine.finished + engine.running > len(finished):
            return FINISHED_FULL
        _harvest(engine, slots, events, phases, finished)
        engine.closing = 1
        reason = _arrive(engine, requests, last, waiting)
        if reason != DONE:
            return reason
        if engine.waiting == 0 and engine.running == engine.leaving:
            release(engine, slots)
            if engine.taken == len(requests):
                return DONE
            engine.now_ms = engine.known_ms = requests[engine.taken].arrival_ms
            continue
        # The next one.
        while True:
            preempted = make_room(engine, slots, waiting, phases)
            tokens, pairs = fill(engine, slots, waiting, not preempted)
            if tokens + engine.decoding > 0:
                break
            release(engine, slots)
            engine.known_ms = engine.now_ms
        changing = engine.waiting > 0 and (preempted or engine.leaving > 0 or not is_known(engine, waiting))
        release(engine, slots)
        steps = 1
        if tokens > 0:
            ms = step_ms(clock, engine.decoding, engine.context, tokens, pairs / tokens)
        else:
            if not changing:
                steps = _run(engine, requests, slots, events, phases, clock)
            ms = decode_run_ms(clock, engine.decoding, engine.context, steps)
        engine.known_ms = engine.now_ms  # of many steps the first: who could enter has come in the last, if at all
        engine.now_ms += ms
        if engine.decoding > 0:
            count_gaps(gaps, ms / steps, engine.decoding * steps)
        engine.busy_ms += ms
        engine.present_ms += (engine.waiting + engine.running) * ms
        engine.queued_ms += engine.waiting * ms
        engine.steps += steps
        engine.context += engine.decoding * steps
        engine.decode_tokens += engine.decoding * steps
        engine.prefill_tokens += int(tokens)
        engine.most_running = max(engine.most_running, engine.running)
        taken = cache_bytes(engine, engine.growing, engine.windowed, engine.running)
        engine.most_bytes = max(engine.most_bytes, taken)


@compiled_part
def _arrive(engine: Any, requests: Any, last: bool, waiting: Any) -> int:
    """Queue or refuse the requests that arrived before now, or until now when the step is closed."""
    now = engine.now_ms
    while True:
        if engine.clients == 0 or (engine.clients > 0 and not engine.closing):
            return DONE
        if engine.taken == len(requests):
            return DONE if last else MORE_REQUESTS
        if engine.waiting + engine.running >= len(waiting):
            return WAITING_FULL
        request = requests[engine.taken]
        arrival = now
        if engine.clients < 0:
            arrival = request.arrival_ms
            if arrival > now or (arrival == now and not engine.closing):
                return DONE
        engine.taken += 1
        number = engine.arrived
        engine.arrived += 1
        cached = min(request.cached, request.prompt - 1) // engine.block_tokens * engine.block_tokens
        shared = min(cached, engine.shared_tokens)
        held = blocks(engine, request.prompt + request.output - 1)
        windowed = min(held, engine.window_tokens)
        if (
            held - shared
        ) * engine.growing_bytes + windowed * engine.windowed_bytes > engine.budget_bytes - engine.constant_bytes:
            engine.refused_long += 1
            continue
        present = engine.waiting + engine.running - engine.leaving
        if present >= engine.max_num_queued_reqs or engine.backlog >= engine.max_num_queued_tokens:
            engine.refused_full += 1
            continue
        if engine.clients > 0:
            engine.clients -= 1
        entry = waiting[(engine.head + engine.waiting) % len(waiting)]
        entry.number = number
        entry.arrival_ms = arrival
        entry.first_ms = math.nan
        entry.prompt = request.prompt
        entry.output = request.output
        entry.made = entry.preemptions = 0
        entry.cached = cached
        entry.shared = shared
        engine.waiting += 1
        engine.backlog += request.prompt
        engine.present_ms += now - arrival
        engine.queued_ms += now - arrival


@compiled_part
def _harvest(engine: Any, slots: Any, events: Any, phases: Any, finished: Any) -> None:
    """Note what the step has brought: last tokens, full windows, first tokens."""
    index = pop_due(engine, slots, events)
    while index >= 0:
        if slots[index].widens == engine.steps:
            close_window(engine, slots, phases, index)
        if slots[index].ends == engine.steps:
            stop_decoding(engine, slots, phases, index)
            finish(engine, slots, index, finished)
        index = pop_due(engine, slots, events)
    while engine.finishing_list >= 0:
        index = int(engine.finishing_list)
        slot = slots[index]
        engine.finishing_list = slot.next
        slot.made += 1
        if math.isnan(slot.first_ms):
            slot.first_ms = engine.now_ms
            engine.backlog -= slot.prompt
        if slot.made < slot.output:
            start_decoding(engine, slots, events, phases, index)
        else:
            finish(engine, slots, index, finished)


@compiled_part
def _run(engine: Any, requests: Any, slots: Any, events: Any, phases: Any, clock: Any) -> int:
    """Return for how many steps the batch stays as it is, at least one, and take the blocks of all but the first."""
    most = steps_to_next(engine, slots, events)
    free_place = engine.waiting == 0 and engine.running < engine.max_num_seqs
    if engine.clients < 0 and free_place and engine.taken < len(requests):
        most = _steps_until(engine, clock, requests[engine.taken].arrival_ms - engine.now_ms, most)
    return 1 + _take_more(engine, phases, most - 1)


@compiled_part
def _steps_until(engine: Any, clock: Any, ms: float, most: int) -> int:
    """Return the smallest number of decode steps that last `ms` or longer, or `most` if that is smaller."""
    decoding, context = engine.decoding, engine.context
    one = step_ms(clock, decoding, context, 0.0, 0.0)
    if one >= ms:
        return 1
    low, high = 1, most
    if ms < one * most:  # no step is shorter than the first
        high = min(most, int(ms / one) + 1)
    elif decode_run_ms(clock, decoding, context, most) < ms:
        return most
    while high - low > 1:
        middle = (low + high) // 2
        if decode_run_ms(clock, decoding, context, middle) < ms:
            low = middle
        else:
            high = middle
    return high


@compiled_part
def _take_more(engine: Any, phases: Any, steps: int) -> int:
    """Take the blocks of up to `steps` decode steps after the next one, and return how many the cache allows."""
    block = engine.block_tokens
    free = engine.budget_bytes - cache_bytes(engine, engine.growing, engine.windowed, engine.running)
    cycle = block * (engine.decoding * engine.growing_bytes + engine.narrow * engine.windowed_bytes)
    cycles = steps // block
    if cycle * (cycles + 1) > free:
        cycles = min(cycles, int(free / cycle))
    engine.growing += cycles * block * engine.decoding
    engine.windowed += cycles * block * engine.narrow
    allowed = int(cycles * block)
    while allowed < steps:
        phase = (engine.steps + 1 + allowed) % block
        growing, windowed = engine.growing + block * phases[0, phase], engine.windowed + block * phases[1, phase]
        if cache_bytes(engine, growing, windowed, engine.running) > engine.budget_bytes:
            break
        engine.growing, engine.windowed = growing, windowed
        allowed += 1
    return allowed
