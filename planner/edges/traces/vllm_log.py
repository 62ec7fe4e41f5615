"""What vLLM logs of requests with `--enable-log-requests`: their arrival, their prompt's tokens, their answer's.

    INFO 11-16 18:15:46 [logger.py:43] Received request chatcmpl-1: prompt: '…', params: …, prompt_token_ids: [1, 2], …
    DEBUG 11-16 18:15:46 [logger.py:38] Request chatcmpl-1 details: prompt: '…', prompt_token_ids: [1, 2], …
    INFO 11-16 18:15:47 [logger.py:66] Generated response chatcmpl-1: output: '…', output_token_ids: [3], …

Older versions log the tokens with the arrival. Newer ones log them apart at the level DEBUG, so that a log at INFO
tells arrivals alone. Answers are logged with `--enable-log-outputs`. A request waits ten minutes for
its other lines. The dates have no year. Blocks of sixteen tokens are hashed as vLLM's prefix cache does. Other lines
are passed over.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

from planner.edges.traces.blocks import LineBlock
from planner.edges.traces.csv_layout import SHOWN_CHARACTERS
from planner.edges.traces.rows import UNKNOWN_TOKENS, BadLine, BadRow, Batch, TraceRow, batch_of, checked
from planner.edges.traces.times import NoTime, TimeReader

BLOCK_TOKENS = 16
"""Tokens of a block of vLLM's prefix cache."""
MOST_WAITING, MOST_WAITING_S = 10_000, 600
"""Requests that wait for their other lines, and how long the log may go on before they wait no more, seconds."""
YEAR = "2000"
"""The year of dates that have none."""
_LINE = re.compile(
    rb"(?:(?P<date>\d{4}-)?(?P<day>\d\d-\d\d)[ T](?P<time>\d\d:\d\d:\d\d(?:[.,]\d+)?)).{0,80}?"
    rb"(?P<what>Received request|Generated response|Request) (?P<id>[^\s:]+?)"
    rb"(?P<more> details| \(streaming delta\)| \(streaming complete\))?: "
)
_PROMPT = re.compile(rb"prompt_token_ids: \[([\d, ]*)\]")
_OUTPUT = re.compile(rb"output_token_ids: \[([\d, ]*)\]")
MARK = re.compile(rb"(Received request|Generated response) [^\s:]+( \(streaming complete\))?: |Request \S+ details: ")


@dataclass
class _Seen:
    """What is known so far of a request."""

    line: int
    at_us: int
    input_tokens: int | None = None
    chain: tuple[int, ...] = ()
    output_tokens: int = UNKNOWN_TOKENS


@dataclass
class VllmLog:
    """A log of vLLM. See `LogLayout` for the fields."""

    times: TimeReader
    name: str = field(default="vllm", init=False)
    dated: bool = field(default=True, init=False)
    form: str = field(default="lines of vLLM's request logger with prompt_token_ids", init=False)
    block_tokens: int = field(default=BLOCK_TOKENS, init=False)
    quotes: bool = field(default=False, init=False)
    stateful: bool = field(default=True, init=False)
    _waiting: dict[bytes, _Seen] = field(default_factory=dict, init=False)
    _newest_us: int = field(default=0, init=False)

    def batch(self, block: LineBlock) -> Batch:
        """Return the requests that are complete, and those that waited longest when very many wait."""
        bad, done, left_out = list[BadLine](), list[_Seen](), Counter[str]()
        for number, line in enumerate(block.text.split(b"\n"), start=block.first_line):
            found = _LINE.search(line)
            if found is None:
                continue
            try:
                done += self._note(number, line, found)
            except NoTime as error:
                bad.append(BadLine(number, str(error), line[:SHOWN_CHARACTERS].decode(errors="replace")))
        while self._waiting and self._waits_no_more():
            done.append(self._waiting.pop(next(iter(self._waiting))))
        return self._batch(done, bad, left_out)

    def rest(self) -> Batch:
        """Return the requests that still waited when the log ended."""
        done, self._waiting, self._newest_us = list(self._waiting.values()), {}, 0
        return self._batch(done, [], Counter())

    def _waits_no_more(self) -> bool:
        """Whether the request that waits longest is given up."""
        longest = next(iter(self._waiting.values()))
        return len(self._waiting) > MOST_WAITING or longest.at_us < self._newest_us - MOST_WAITING_S * 1_000_000

    def _note(self, number: int, line: bytes, found: re.Match[bytes]) -> Iterator[_Seen]:
        """Take in one line, and yield the request that it completes."""
        name, what = found["id"], found["what"]
        if what == b"Generated response":
            if found["more"] == b" (streaming delta)":
                return
            seen, tokens = self._waiting.pop(name, None), _OUTPUT.search(line, found.end())
            if seen is not None:
                seen.output_tokens = _count(tokens[1]) if tokens else UNKNOWN_TOKENS
                yield seen
            return
        seen = self._waiting.get(name)
        if seen is None:
            date = (found["date"] or f"{YEAR}-".encode()) + found["day"] + b" " + found["time"]
            seen = self._waiting[name] = _Seen(number, self.times.one(date.decode()))
            self._newest_us = max(self._newest_us, seen.at_us)
        ids = _PROMPT.search(line, found.end())
        if ids is not None:
            seen.input_tokens = _count(ids[1])
            seen.chain = _chain(ids[1].replace(b" ", b"").split(b","))

    def _batch(self, done: list[_Seen], bad: list[BadLine], left_out: Counter[str]) -> Batch:
        rows = []
        for seen in sorted(done, key=lambda each: each.line):
            if seen.input_tokens is None:
                left_out["requests without prompt_token_ids (they are logged with VLLM_LOGGING_LEVEL=DEBUG)"] += 1
                continue
            try:
                row = TraceRow(seen.at_us, seen.input_tokens, seen.output_tokens, chain=seen.chain)
                rows.append((seen.line, checked(row)))
            except BadRow as error:
                bad.append(BadLine(seen.line, str(error), "Received request"))
        return batch_of(rows, bad, left_out)


def _count(ids: bytes) -> int:
    return ids.count(b",") + 1 if ids.strip() else 0


def _chain(ids: list[bytes]) -> tuple[int, ...]:
    """Return the hashes of all blocks, each of them with what stands before it."""
    before, chain = b"", []
    for start in range(0, len(ids), BLOCK_TOKENS):
        before = hashlib.blake2b(before + b",".join(ids[start : start + BLOCK_TOKENS]), digest_size=8).digest()
        chain.append(int.from_bytes(before, "big"))
    return tuple(chain)
