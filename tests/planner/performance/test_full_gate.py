"""The gate of a pool in overload: few of the requests behind it miss a target, and what is planned gets through."""

from __future__ import annotations

from dataclasses import replace

from planner.performance.capacity import Capacity, CapacityQuestion, LatencyTarget
from planner.performance.capacity_search import ReplicaTraffic, search
from planner.performance.full_gate import LEAST_EIGHTHS, GatePart, full_gate
from tests.planner.performance.classes import question, traffic

CHAT = "azure-conv-2023"
ASKED: CapacityQuestion = question("gpt-oss-120b", "mxfp4", "H100", 1, CHAT, LatencyTarget(800, 200, 40))
FOUND = search(ASKED, traffic(CHAT))
assert isinstance(FOUND, Capacity)
CAPACITY = FOUND.requests_per_second
IN_FLIGHT = round(FOUND.concurrency)


def part(
    planned: float, asked: CapacityQuestion = ASKED, capacity: float = CAPACITY, mix: ReplicaTraffic | None = None
) -> GatePart:
    return GatePart(asked, mix or traffic(CHAT), planned, capacity)


def test_a_gate_behind_which_targets_are_kept_stays() -> None:
    assert full_gate([part(0.5 * CAPACITY)], 4) == 4


def test_a_gate_behind_which_targets_are_missed_is_lowered() -> None:
    wide = ASKED.max_num_seqs
    assert wide > IN_FLIGHT
    lowered = full_gate([part(0.5 * CAPACITY)], wide)
    assert wide * LEAST_EIGHTHS // 8 <= lowered < wide


def test_a_slower_promise_needs_no_lower_gate() -> None:
    patient = replace(ASKED, target=LatencyTarget(800, 200, 400))
    assert full_gate([part(0.5 * CAPACITY, patient)], IN_FLIGHT) == IN_FLIGHT
    assert full_gate([part(0.5 * CAPACITY)], 2 * IN_FLIGHT) < 2 * IN_FLIGHT


def test_a_gate_is_not_lowered_below_what_is_planned() -> None:
    impossible = replace(ASKED, target=LatencyTarget(800, 200, 0.001))
    assert full_gate([part(0.01 * CAPACITY, impossible)], 64) == 64 * LEAST_EIGHTHS // 8
    assert full_gate([part(1.2 * CAPACITY, impossible)], 64) > 64 * LEAST_EIGHTHS // 8


def test_the_strictest_part_decides() -> None:
    """A tenth of the requests promise a time per token that none keeps behind the first gate."""
    strict = replace(ASKED, target=LatencyTarget(800, 200, 20))
    alone, mixed = [part(0.5 * CAPACITY)], [part(0.45 * CAPACITY), part(0.05 * CAPACITY, strict)]
    assert full_gate(mixed, IN_FLIGHT) < full_gate(alone, IN_FLIGHT)


def test_the_same_question_has_the_same_answer() -> None:
    mixed = [part(0.4 * CAPACITY), part(0.1 * CAPACITY, mix=ReplicaTraffic((4000.0,), (20.0,), (1.0,)))]
    assert full_gate(mixed, 2 * IN_FLIGHT) == full_gate(mixed, 2 * IN_FLIGHT)
