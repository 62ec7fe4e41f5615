"""Many small benchmarks at once: for each row of a table, N clients that each send their next request when one ends.

Published benchmarks with a fixed concurrency work like this. All clients start at time 0, and the figures are over all
requests, the ramp and the tail included. One compiled call serves many rows; a row of a few hundred requests takes well
under a millisecond.

The lengths of a row are spread over [low, high] × nominal by Roberts' R2 sequence, which is shifted to the middle. So
even a few requests have the mean of many, and long prompts and long answers do not go together. The same row gives the
same figures wherever it stands in the table.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from planner.performance.engine.compiling import compiled, compiled_part
from planner.performance.engine.gaps import gap_percentiles, mean_gap, no_gaps
from planner.performance.engine.loop import advance, prepare
from planner.performance.engine.scheduler import NO_LIMIT
from planner.performance.engine.state import ENGINE, FINISHED, REQUEST, SLOT, WAITING
from planner.words.arrays import Floats

BLOCK_TOKENS = 16
"""Tokens of a block of KV cache."""


@dataclass(frozen=True, slots=True)
class Spread:
    """Mean and percentiles over the requests of each row, ms, each of shape (n,); nan where no request counts."""

    mean: Floats
    p50: Floats
    p90: Floats
    p95: Floats
    p99: Floats


@dataclass(frozen=True, slots=True)
class ClosedLoopFigures:
    """What a benchmark of each row would print; arrays have shape (n,).

    ttft_ms: time to the first token.
    tpot_ms: (last token − first token) / (output − 1), over requests of two output tokens or more.
    e2e_ms: time from the request to its last token.
    itl_ms: time between two tokens, over all tokens but the first of each request.
    output_tokens_per_s: output tokens of all requests ÷ time of the last token.
    requests_per_s: requests ÷ time of the last token.
    preemptions: how often a sequence lost its cache.
    refused: requests that do not fit the KV cache even when they are alone.
    most_running: size of the largest batch.
    """

    ttft_ms: Spread
    tpot_ms: Spread
    e2e_ms: Spread
    itl_ms: Spread
    output_tokens_per_s: Floats
    requests_per_s: Floats
    preemptions: Floats
    refused: Floats
    most_running: Floats


def closed_loops(
    clocks: Floats,
    inputs: ArrayLike,
    outputs: ArrayLike,
    concurrency: ArrayLike,
    requests: ArrayLike,
    *,
    low: ArrayLike = 1.0,
    high: ArrayLike = 1.0,
    kv_tokens: ArrayLike = np.inf,
    max_num_seqs: ArrayLike = 256,
    max_num_batched_tokens: ArrayLike = 8192,
    async_scheduling: ArrayLike = False,
) -> ClosedLoopFigures:
    """Return the figures of n closed-loop runs, in order. All arguments after `clocks` broadcast to shape (n,).

    clocks: one row of `compiled_step.clock_vector` for each run, shape (n, k).
    inputs, outputs: nominal input and output tokens.
    concurrency: clients.
    requests: requests in all, rounds × clients.
    low, high: bounds of the real lengths relative to the nominal ones, for prompt and answer independently.
    kv_tokens: tokens that the KV cache holds; infinite without a limit.
    max_num_seqs, max_num_batched_tokens: vLLM's options.
    async_scheduling: whether scheduling is asynchronous, which is vLLM's default from 0.14 on.
    Raises ValueError for lengths, clients or limits below 1, and for a batch larger than max_num_batched_tokens.
    """
    table = np.zeros(len(clocks), dtype=_ROW)
    given = {
        "input": inputs,
        "output": outputs,
        "concurrency": concurrency,
        "requests": requests,
        "low": low,
        "high": high,
        "kv_tokens": kv_tokens,
        "max_num_seqs": max_num_seqs,
        "max_num_batched_tokens": max_num_batched_tokens,
    }
    for name, value in given.items():
        table[name] = value
        if len(table) and not table[name].min() > 0:
            raise ValueError(f"{name} must be above 0 in every row")
    table["async_scheduling"] = async_scheduling
    if np.any(table["max_num_batched_tokens"] < np.minimum(table["max_num_seqs"], table["concurrency"])):
        raise ValueError("max_num_batched_tokens must be at least the largest batch")
    vectors = np.ascontiguousarray(clocks, dtype=np.float64)
    blocks = [_figures(vectors[block], table[block]) for block in _blocks(table["requests"])]
    latencies = np.concatenate([each for each, _ in blocks], axis=2)
    rest = np.concatenate([each for _, each in blocks], axis=1)
    ttft, tpot, e2e, itl = (Spread(*each) for each in latencies)
    return ClosedLoopFigures(ttft, tpot, e2e, itl, *rest)


_PERCENTILES = np.array([0.5, 0.9, 0.95, 0.99])
_BLOCK_REQUESTS = 1 << 18
_R2 = (0.7548776662466927, 0.5698402909980532)
_ROW = np.dtype(
    [
        ("input", "f8"),
        ("output", "f8"),
        ("concurrency", "i8"),
        ("requests", "i8"),
        ("low", "f8"),
        ("high", "f8"),
        ("kv_tokens", "f8"),
        ("max_num_seqs", "i8"),
        ("max_num_batched_tokens", "i8"),
        ("async_scheduling", "i8"),
    ]
)


def _blocks(requests: NDArray[Any]) -> list[slice]:
    """Return slices of the rows with about equally many requests each, so that memory does not grow with the table."""
    block = np.cumsum(requests) // _BLOCK_REQUESTS
    starts = [0, *(np.flatnonzero(np.diff(block)) + 1).tolist(), len(requests)]
    return [slice(start, stop) for start, stop in pairwise(starts)]


def _figures(clocks: Floats, table: NDArray[Any]) -> tuple[Floats, Floats]:
    """Return (TTFT, TPOT, E2E, ITL) × (mean, percentiles) × row, and the other figures × row."""
    rows = len(table)
    places = int(np.minimum(table["max_num_seqs"], table["concurrency"]).max(initial=1))
    engines = np.zeros(rows, ENGINE)
    engines["max_num_seqs"] = np.minimum(table["max_num_seqs"], table["concurrency"])
    engines["block_tokens"], engines["growing_bytes"], engines["whole_prompt"] = BLOCK_TOKENS, 1.0, 1
    engines["max_num_queued_reqs"] = engines["max_num_queued_tokens"] = NO_LIMIT
    engines["budget_bytes"] = table["kv_tokens"]
    for name in ("max_num_batched_tokens", "async_scheduling"):
        engines[name] = table[name]
    finished = np.zeros(int(table["requests"].sum()) + places, FINISHED)
    gaps = no_gaps(rows)
    _loops(
        engines,
        clocks,
        table,
        np.zeros(int(table["requests"].max(initial=1)), REQUEST),
        np.zeros(int(table["concurrency"].max(initial=1)) + places + 1, WAITING),
        np.zeros(places, SLOT),
        np.zeros(4 * places + 16, np.int64),
        np.zeros((2, BLOCK_TOKENS), np.int64),
        finished,
        gaps,
    )
    done = finished[: engines["finished"].sum()]
    row = np.repeat(np.arange(rows), engines["finished"])
    decoded = done["output"] > 1
    tpot = (done["last_ms"] - done["first_ms"])[decoded] / (done["output"][decoded] - 1)
    latencies = np.stack(
        [
            _spread(row, done["first_ms"] - done["arrival_ms"], rows),
            _spread(row[decoded], tpot, rows),
            _spread(row, done["last_ms"] - done["arrival_ms"], rows),
            np.vstack([mean_gap(gaps), gap_percentiles(gaps, _PERCENTILES)]),
        ]
    )
    seconds = np.where(engines["finished"] > 0, engines["now_ms"] / 1e3, np.nan)
    tokens = np.bincount(row, done["output"], rows)
    counts = [engines[name].astype(np.float64) for name in ("preemptions", "refused_long", "most_running")]
    return latencies, np.stack([tokens / seconds, engines["finished"] / seconds, *counts])


def _spread(row: NDArray[Any], values: Floats, rows: int) -> Floats:
    """Return the mean and the percentiles of the values of each row; between two values numpy's line is drawn."""
    count = np.bincount(row, minlength=rows)
    first = np.cumsum(count) - count
    ordered = np.append(values, np.nan)
    for start, stop in zip(first.tolist(), (first + count).tolist(), strict=True):
        ordered[start:stop].sort()
    at = _PERCENTILES[:, None] * (count - 1)
    below = np.maximum(at.astype(np.int64), 0)
    low, high = ordered[first + below], ordered[first + np.minimum(below + 1, np.maximum(count - 1, 0))]
    total = np.bincount(row, values, rows)
    spread = np.vstack([total / np.maximum(count, 1), low + (at - below) * (high - low)])
    return np.where(count > 0, spread, np.nan)


@compiled
def _loops(
    engines: Any,
    clocks: Any,
    table: Any,
    requests: Any,
    waiting: Any,
    slots: Any,
    events: Any,
    phases: Any,
    finished: Any,
    gaps: Any,
) -> None:
    """Run every row in turn. Each has its own record of `engines`; the other arrays are used again and fit any row."""
    begin = 0
    for r in range(len(table)):
        row, engine = table[r], engines[r : r + 1]
        count, last = row.requests, row.requests > 0
        places, done = slots[: engines[r].max_num_seqs], finished[begin:]
        _draw(requests, row)
        prepare(engine, places, phases, min(row.concurrency, count))
        advance(engine, requests[:count], last, waiting, places, events, phases, done, gaps[r], clocks[r])
        begin += engines[r].finished


@compiled_part
def _draw(requests: Any, row: Any) -> None:
    """Spread the lengths over [low, high] × nominal, with the mean of that range and at least one token each."""
    count = row.requests
    mean_u, mean_v = 0.0, 0.0
    for i in range(count):
        mean_u += (_R2[0] * (i + 1)) % 1.0 / count
        mean_v += (_R2[1] * (i + 1)) % 1.0 / count
    for i in range(count):
        u = min(max((_R2[0] * (i + 1)) % 1.0 + 0.5 - mean_u, 0.0), 1.0)
        v = min(max((_R2[1] * (i + 1)) % 1.0 + 0.5 - mean_v, 0.0), 1.0)
        requests[i].prompt = max(1, int(row.input * (row.low + (row.high - row.low) * u) + 0.5))
        requests[i].output = max(1, int(row.output * (row.low + (row.high - row.low) * v) + 0.5))
