"""When something happens in the batch: a heap of (step, slot), packed into one number each.

A sequence that is sent back leaves its entries in the heap. They are void, because the slot no longer names that step.
They are dropped when they reach the top, or when the heap is full.
"""

from __future__ import annotations

from typing import Any

from planner.performance.engine.compiling import compiled_part

_SLOT_BITS = 24


@compiled_part
def push(engine: Any, slots: Any, events: Any, step: int, index: int) -> None:
    """Add an event of a slot."""
    if engine.events == len(events):
        count, engine.events = engine.events, 0
        for i in range(count):
            if _is_true(slots, events[i]):
                _rise(engine, events, events[i])
    _rise(engine, events, step << _SLOT_BITS | index)


@compiled_part
def pop_due(engine: Any, slots: Any, events: Any) -> int:
    """Take a true event that is due by now out of the heap and return its slot; return −1 if there is none."""
    while engine.events > 0 and events[0] >> _SLOT_BITS <= engine.steps:
        key = events[0]
        true = _is_true(slots, key)
        _pop(engine, events)
        if true:
            return int(key & ((1 << _SLOT_BITS) - 1))
    return -1


@compiled_part
def steps_to_next(engine: Any, slots: Any, events: Any) -> int:
    """Return the number of steps up to the next true event. There is one while a sequence decodes."""
    while not _is_true(slots, events[0]):
        _pop(engine, events)
    return int((events[0] >> _SLOT_BITS) - engine.steps)


@compiled_part
def _is_true(slots: Any, key: int) -> bool:
    """Return whether the slot of an event still names its step."""
    slot, step = slots[key & ((1 << _SLOT_BITS) - 1)], key >> _SLOT_BITS
    return bool(slot.ends == step or slot.widens == step)


@compiled_part
def _rise(engine: Any, events: Any, key: int) -> None:
    """Put an event into the heap, from the bottom up."""
    at = engine.events
    engine.events += 1
    while at > 0 and events[(at - 1) >> 1] > key:
        events[at] = events[(at - 1) >> 1]
        at = (at - 1) >> 1
    events[at] = key


@compiled_part
def _pop(engine: Any, events: Any) -> None:
    """Take the first event out of the heap."""
    engine.events -= 1
    key = events[engine.events]
    at = 0
    while True:
        child = 2 * at + 1
        if child >= engine.events:
            break
        if child + 1 < engine.events and events[child + 1] < events[child]:
            child += 1
        if events[child] >= key:
            break
        events[at] = events[child]
        at = child
    events[at] = key
