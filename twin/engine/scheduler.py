"""Continuous batching as vLLM's V1 scheduler does it, in virtual milliseconds. The module is pure: no clock and no I/O.

Each engine step takes, in this order:

- one token of every decoding sequence;
- prefill chunks of admitted sequences, first come first served, within `max_num_batched_tokens`;
- waiting sequences, while `max_num_seqs` and the KV cache allow. A prompt's whole KV is set aside on admission, which
  is vLLM's `scheduler_reserve_full_isl`, on by default.

If the decoding sequences outgrow the KV cache, the one admitted last is preempted: its KV is freed, and it prefills
again, answer included, from the head of the queue. The step in which a prefill ends yields that sequence's first token.

Left out are prefix caching, block granularity (vLLM rounds KV up to 16 tokens), speculative decoding and priorities.

Steps of an unchanged batch cost O(1): sequences remember the step at which they joined, so that nothing is counted per
sequence and step. What must be reported, and when, stands in a heap that is keyed by step number.
"""

from __future__ import annotations

import heapq
from collections import deque
from dataclasses import dataclass, field
from enum import Enum

from twin.engine.clock import EngineClock


class Rejection(Enum):
    """A rejection says why a request was turned away before any byte. Its value is vLLM's metric label."""

    QUEUED_REQUESTS = "max_num_queued_reqs"
    QUEUED_TOKENS = "max_num_queued_tokens"


@dataclass(frozen=True, slots=True)
class Emission:
    """An emission is what became visible of a sequence at the end of a step.

    at_ms: end of the step, virtual milliseconds.
    tokens: tokens since the last emission.
    finished: whether it is the last one.
    """

    sequence: Sequence
    at_ms: float
    tokens: int
    finished: bool


@dataclass(eq=False, slots=True, kw_only=True)
class Sequence:
    """A sequence is one request inside the engine. Times are virtual milliseconds, None until they happened.

    stream_interval: tokens that one emission gathers after the first.
    prefill_left: tokens that still have to be prefilled.
    emitted: tokens reported so far.
    gone: whether it has finished or was cancelled.
    """

    prompt_tokens: int
    output_tokens: int
    stream_interval: int
    arrived_ms: float
    scheduled_ms: float | None = None
    first_token_ms: float | None = None
    finished_ms: float | None = None
    generated: int = 0
    """Tokens generated up to the last emission or preemption."""
    prefill_left: int = 0
    kv_held: int = 0
    """KV tokens while prefilling; while decoding, those at `joined_step`, and one more for each step since."""
    joined_step: int = -1
    """The step after which it began to decode; −1 while it waits or prefills."""
    emitted: int = 0
    ticket: int = 0
    """Number of its valid entry among what is due. Older entries are void."""
    gone: bool = False


@dataclass(slots=True)
class _Step:
    """The step in progress has chunks to prefill and a time at which it ends."""

    ends_ms: float
    chunks: list[tuple[Sequence, int]] = field(default_factory=list)


class Scheduler:
    """A scheduler runs one replica's batch.

    Call `advance(now)` before `submit` or `cancel` at that time; `next_ms` says when to return. `slow_down` stretches
    every step that is planned from then on; 1 is the clock file's own time.
    """

    def __init__(self, clock: EngineClock, slow_down: float = 1.0) -> None:
        self.clock = clock
        self.slow_down = slow_down
        self.now_ms = 0.0
        self.steps = 0
        self.preemptions = 0
        self.generated_tokens = 0

        self._waiting: deque[Sequence] = deque()
        self._running: dict[Sequence, None] = {}  # ordered by admission: the last is the first to be preempted
        self._prefilling: dict[Sequence, None] = {}
        self._decoding = 0
        self._context_tokens = 0  # KV read by the decoding sequences
        self._reserved_tokens = 0  # KV set aside for the prefilling ones
        self._prefill_backlog = 0  # whole prompts of requests still in prefill or waiting
        self._due: list[tuple[int, int, Sequence]] = []
        self._ticket = 0
        self._step: _Step | None = None

    @property
    def running(self) -> int:
        """Return the number of sequences in the batch, prefilling or decoding."""
        return len(self._running)

    @property
    def waiting(self) -> int:
        """Return the number of sequences that are accepted and not in the batch."""
        return len(self._waiting)

    @property
    def kv_tokens_used(self) -> int:
        """Return the tokens of KV cache that are held or set aside."""
        return self._context_tokens + self._reserved_tokens

    def submit(
        self, prompt_tokens: int, output_tokens: int, at_ms: float, stream_interval: int = 1
    ) -> Sequence | Rejection:
        """Queue a request that arrives at `at_ms`, or say which queue limit turns it away.

        `stream_interval` is how many tokens one emission gathers after the first. Lengths must be at least 1 and
        together fit `max_model_len`; the server has checked that.
        """
        clock = self.clock
        if clock.max_num_queued_reqs is not None and self.running + self.waiting >= clock.max_num_queued_reqs:
            return Rejection.QUEUED_REQUESTS
        if clock.max_num_queued_tokens is not None and self._prefill_backlog >= clock.max_num_queued_tokens:
            return Rejection.QUEUED_TOKENS
        sequence = Sequence(
            prompt_tokens=prompt_tokens,
            output_tokens=output_tokens,
            stream_interval=stream_interval,
            arrived_ms=at_ms,
        )
        self._waiting.append(sequence)
        self._prefill_backlog += prompt_tokens
        if self._step is None:
            self.now_ms = max(self.now_ms, at_ms)
            self._plan_step()
        return sequence

    def cancel(self, sequence: Sequence) -> None:
        """Forget a request whose client has gone. The step in progress keeps its length, as on a GPU."""
        if sequence.gone:
            return
        sequence.gone = True
        if sequence in self._running:
            self._leave_batch(sequence)
        else:
            self._waiting.remove(sequence)
        if sequence.first_token_ms is None:
            self._prefill_backlog -= sequence.prompt_tokens

    def advance(self, until_ms: float) -> list[Emission]:
        """Run every step that ends at or before `until_ms`, and return the tokens that became visible, in order of
        time."""
        emissions: list[Emission] = []
        while self._step is not None and self._step.ends_ms <= until_ms:
            self._finish_step(self._step, emissions)
            self._plan_step()
        if self._step is None:
            self.now_ms = max(self.now_ms, until_ms)
        return emissions

    def next_ms(self) -> float | None:
        """Return a time at which `advance` is worth calling: the next emission or change of batch. The answer is None
        when idle."""
        step = self._step
        if step is None:
            return None
        due = self._first_due()
        if step.chunks or due is None or self._can_admit():
            return step.ends_ms
        steps_to_go = due - self.steps
        if self._decoding:  # stop early where the KV cache would overflow: the batch changes there
            steps_to_go = min(steps_to_go, (self.clock.kv_tokens - self.kv_tokens_used) // self._decoding)
        ends_ms, context = step.ends_ms, self._context_tokens
        coefficients, slow_down = self.clock.step, self.slow_down
        for _ in range(steps_to_go - 1):
            context += self._decoding
            ends_ms += slow_down * coefficients.step_ms(self._decoding, context)
        return ends_ms

    # -- one step ------------------------------------------------------------------------------------------------------

    def _plan_step(self) -> None:
        """Choose the next step's batch at `now_ms`, or go idle."""
        preempted = self._make_room_for_decode()
        chunks: list[tuple[Sequence, int]] = []
        if self._prefilling or self._waiting:
            budget = self.clock.max_num_batched_tokens - self._decoding
            for sequence in self._prefilling:
                if budget == 0:
                    break
                chunk = min(budget, sequence.prefill_left)
                chunks.append((sequence, chunk))
                budget -= chunk
            while budget and not preempted and self._can_admit():
                sequence = self._admit()
                chunk = min(budget, sequence.prefill_left)
                chunks.append((sequence, chunk))
                budget -= chunk
        if not chunks and not self._decoding:
            self._step = None
            return
        duration_ms = self.slow_down * self._duration_ms(chunks)
        self._step = _Step(self.now_ms + duration_ms, chunks)

    def _duration_ms(self, chunks: list[tuple[Sequence, int]]) -> float:
        if not chunks:
            return self.clock.step.step_ms(self._decoding, self._context_tokens)
        tokens = sum(chunk for _, chunk in chunks)
        # A chunk's tokens attend to what was prefilled before and, causally, to half of the chunk itself.
        pairs = sum(chunk * (sequence.kv_held - sequence.prefill_left + chunk / 2) for sequence, chunk in chunks)
        return self.clock.step.step_ms(self._decoding, self._context_tokens, tokens, pairs / tokens)

    def _finish_step(self, step: _Step, emissions: list[Emission]) -> None:
        self.now_ms = step.ends_ms
        self.steps += 1
        self._context_tokens += self._decoding
        for sequence, chunk in step.chunks:
            if sequence.gone:
                continue
            sequence.prefill_left -= chunk
            if sequence.prefill_left == 0:
                self._start_decoding(sequence)
        while (due := self._first_due()) is not None and due <= self.steps:
            _, _, sequence = heapq.heappop(self._due)
            emissions.append(self._emit(sequence))

    def _emit(self, sequence: Sequence) -> Emission:
        generated = sequence.generated + self.steps - sequence.joined_step
        tokens, sequence.emitted = generated - sequence.emitted, generated
        self.generated_tokens += tokens
        finished = generated >= sequence.output_tokens
        if finished:
            sequence.finished_ms = self.now_ms
            self._leave_batch(sequence)
            sequence.gone = True
        else:
            self._schedule_emission(sequence)
        return Emission(sequence, self.now_ms, tokens, finished)

    # -- membership ----------------------------------------------------------------------------------------------------

    def _can_admit(self) -> bool:
        """Tell whether the head of the queue fits the batch and the KV cache.

        Its whole prompt must fit the cache beside a decode step.
        """
        if not self._waiting or len(self._running) >= self.clock.max_num_seqs:
            return False
        head = self._waiting[0]
        needed = head.prompt_tokens + head.generated
        return self.kv_tokens_used + self._decoding + needed <= self.clock.kv_tokens

    def _admit(self) -> Sequence:
        sequence = self._waiting.popleft()
        sequence.prefill_left = sequence.kv_held = sequence.prompt_tokens + sequence.generated
        if sequence.scheduled_ms is None:
            sequence.scheduled_ms = self.now_ms
        self._reserved_tokens += sequence.kv_held
        self._running[sequence] = None
        self._prefilling[sequence] = None
        return sequence

    def _start_decoding(self, sequence: Sequence) -> None:
        """Let a sequence decode. The step that ends a prefill also samples a token: the first, or the next after a
        preemption."""
        del self._prefilling[sequence]
        self._reserved_tokens -= sequence.kv_held
        self._context_tokens += sequence.kv_held
        self._decoding += 1
        sequence.generated += 1
        sequence.joined_step = self.steps
        if sequence.first_token_ms is None:
            sequence.first_token_ms = self.now_ms
            self._prefill_backlog -= sequence.prompt_tokens
            self._push(self.steps, sequence)
        else:
            self._schedule_emission(sequence)

    def _leave_batch(self, sequence: Sequence) -> None:
        del self._running[sequence]
        if sequence in self._prefilling:
            del self._prefilling[sequence]
            self._reserved_tokens -= sequence.kv_held
        else:
            self._decoding -= 1
            self._context_tokens -= sequence.kv_held + self.steps - sequence.joined_step

    def _make_room_for_decode(self) -> bool:
        """Preempt, last admitted first, until every decoding sequence can write one more token of KV."""
        preempted = False
        while self.kv_tokens_used + self._decoding > self.clock.kv_tokens:
            victim = next(reversed(self._running))
            if victim.joined_step >= 0:
                victim_generated = victim.generated + self.steps - victim.joined_step
                self._leave_batch(victim)
                victim.generated, victim.joined_step = victim_generated, -1
            else:
                self._leave_batch(victim)

            self.preemptions += 1
            self._waiting.appendleft(victim)
            preempted = True
        return preempted

    # -- what is due when ----------------------------------------------------------------------------------------------

    def _schedule_emission(self, sequence: Sequence) -> None:
        """Report the sequence after its interval, or at the answer's end if that comes first."""
        at_tokens = min(sequence.emitted + sequence.stream_interval, sequence.output_tokens)
        self._push(sequence.joined_step + max(0, at_tokens - sequence.generated), sequence)

    def _push(self, step: int, sequence: Sequence) -> None:
        self._ticket += 1
        sequence.ticket = self._ticket
        heapq.heappush(self._due, (step, self._ticket, sequence))

    def _first_due(self) -> int | None:
        """Return the step number of the next emission. Entries of sequences that left or were preempted since are
        dropped."""
        while self._due:
            step, ticket, sequence = self._due[0]
            if ticket == sequence.ticket and not sequence.gone and sequence.joined_step >= 0:
                return step
            heapq.heappop(self._due)
        return None
