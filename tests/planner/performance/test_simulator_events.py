"""The heap of events: in order of steps, without those that are void, and never larger than its array."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from numba import njit

from planner.performance.engine.events import pop_due, push, steps_to_next
from planner.performance.engine.state import ENGINE, SLOT

SLOTS = 5


@njit
def driven(engines: Any, slots: Any, events: Any, moves: Any, told: Any) -> int:
    """For each (slot, steps ahead): move the slot's end there, and a step later take what is due. How many it told."""
    count = 0
    for i in range(len(moves)):
        slot, ahead = moves[i]
        slots[slot].ends = engines[0].steps + ahead
        push(engines[0], slots, events, slots[slot].ends, slot)
        engines[0].steps += min(1, steps_to_next(engines[0], slots, events))
        index = pop_due(engines[0], slots, events)
        while index >= 0:
            told[count] = engines[0].steps, index
            slots[index].ends = -1
            count += 1
            index = pop_due(engines[0], slots, events)
    return count


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(st.integers(0, SLOTS - 1), st.integers(1, 60)), min_size=1, max_size=200))
def test_true_events_come_in_order_and_moved_ones_not_at_all(moves: list[tuple[int, int]]) -> None:
    engines, slots, events = np.zeros(1, ENGINE), np.zeros(SLOTS, SLOT), np.full(200, -7)
    slots["ends"] = slots["widens"] = -1
    told = np.zeros((len(moves), 2), np.int64)
    count = driven(engines, slots, events[: 2 * SLOTS], np.array(moves), told)
    expected, ends, step = [], dict[int, int](), 0
    for slot, ahead in moves:
        ends[slot] = step + ahead
        step += min(1, min(ends.values()) - step)
        due = sorted(slot for slot, at in ends.items() if at == step)
        expected += [[step, slot] for slot in due]
        ends = {slot: at for slot, at in ends.items() if at != step}
    assert told[:count].tolist() == expected
    assert np.all(events[2 * SLOTS :] == -7)
