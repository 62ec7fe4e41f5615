"""What several decisions know together: capacities that were simulated or screened before, by their question.

Decisions about environments that differ in one thing ask mostly the same questions. Each is answered once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from planner.performance.capacity import Capacity, CapacityQuestion, NoCapacity, capacities
from planner.performance.capacity_search import CapacitiesByDigest
from planner.performance.lengths import Lengths
from planner.words.numbers import six_digits

_Key = tuple[object, ...]


@dataclass(frozen=True)
class Known:
    """The answers of former questions. They are added to, and never changed.

    simulated: capacities from the step simulator, by digest.
    """

    simulated: CapacitiesByDigest = field(default_factory=dict)
    _screened: dict[_Key, Capacity | NoCapacity] = field(default_factory=dict)

    def screen(self, questions: Sequence[CapacityQuestion]) -> list[Capacity | NoCapacity]:
        """Return the closed form's answers, in the order of the questions."""
        keys = [_key(question) for question in questions]
        new = {k: q for k, q in zip(keys, questions, strict=True) if k not in self._screened}
        if new:
            calm = [replace(question, burst_ratio=1.0) for question in new.values()]
            self._screened.update(zip(new, capacities(calm), strict=True))
        return [_in_bursts(self._screened[k], q.burst_ratio) for k, q in zip(keys, questions, strict=True)]


def _in_bursts(answer: Capacity | NoCapacity, ratio: float) -> Capacity | NoCapacity:
    """Return the answer for arrivals whose highest minute has `ratio` times the planned rate."""
    if isinstance(answer, NoCapacity) or ratio <= 1.0:
        return answer
    rate = six_digits(answer.requests_per_second / ratio)
    return replace(answer, requests_per_second=rate, low=rate, high=rate)


def _key(question: CapacityQuestion) -> _Key:
    """Return all on which the answer to a question depends, but for the bursts."""
    q = question
    return (
        q.clock,
        q.memory,
        _lengths_key(q.lengths),
        q.target,
        q.max_num_seqs,
        q.max_num_batched_tokens,
        q.first_token_overhead_ms,
        q.provenance,
        q.reuse,
    )


def _lengths_key(lengths: Lengths) -> _Key:
    return (
        lengths.inputs.tobytes(),
        lengths.input_weights.tobytes(),
        lengths.decode_steps.tobytes(),
        lengths.decode_weights.tobytes(),
        lengths.decode_inputs.tobytes(),
        lengths.mean_input,
        lengths.mean_output,
        lengths.mean_decode_steps,
        lengths.mean_context,
        lengths.mean_residence,
    )
