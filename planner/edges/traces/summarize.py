"""A summary of log files: what they tell, what they could not tell, and what was wrong with them.

The files are streamed once to add up, and the few blocks of the excerpt once more. TRC005: too few requests, or an
impossible rate. TRC009: more bad rows than are allowed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from planner.domain.prefixes import HashTally, SessionTally
from planner.domain.tally import Tally
from planner.domain.trace_rates import MINUTE_US, SECOND_US, Clock
from planner.domain.traces import EXCERPT_S, MOST_EXCERPT, Excerpt, PrefixReuse, TraceSummary
from planner.domain.traffic import MOST_REQUESTS_PER_SECOND
from planner.edges.traces.layouts import TraceOptions, layout_of
from planner.edges.traces.rows import UNKNOWN_TOKENS, Batch
from planner.edges.traces.stream import SHOWN, Complaints, LogStream, Ordered, Source
from planner.words.arrays import Ints
from planner.words.diagnostics import Problem, Problems, Span

HOLE_US, CUT_US = 3600 * SECOND_US, 96 * 3600 * SECOND_US
"""Times without a request that are told, and that are left out: no service sleeps four days."""
_MOST_HOLES = 10_000
_WITHOUT_OUTPUT = "requests without output tokens"


@dataclass(frozen=True)
class TraceReading:
    """A summary and how it came about.

    trace: the summary.
    formats: name of the format of each file, by the file's name.
    warnings: what was wrong and did not stop it.
    left_out: how many rows are no served request, by what they are.
    bad_rows, rows: bad rows among all.
    holes: times without a request of over an hour: how many, the longest and all of them together, seconds.
    """

    trace: TraceSummary
    formats: dict[str, str]
    warnings: tuple[Problem, ...]
    left_out: dict[str, int]
    bad_rows: int
    rows: int
    holes: tuple[int, float, float]


def summarize(paths: Sequence[Path], options: TraceOptions, name: str, max_bad: float = 0.0) -> TraceReading:
    """Summarise the files as one trace of that name.

    max_bad: share of bad rows that is borne. Raises `Problems`, exit code 2, with the first bad rows and their number.
    """
    sources, problems = [], list[Problem]()
    for path in sorted({path for path in paths if sum(path.resolve() == each.resolve() for each in paths) > 1}):
        problems.append(
            Problem("TRC001", f"{path} is given twice", hint="give each log once: its requests would count twice")
        )
    for path in paths:
        try:
            sources.append(Source(path, layout_of(path, options)))
        except Problems as found:
            problems += found.problems
    if len({source.layout.block_tokens for source in sources} - {0}) > 1:
        hint = "summarize them apart"
        problems.append(
            Problem("TRC008", "the files hash blocks of different sizes, so that prefixes differ", hint=hint)
        )
    if problems:
        raise Problems(problems)
    stream, sums = LogStream(sources), _Sums(max((source.layout.block_tokens for source in sources), default=0))
    for ordered in stream:
        sums.add(ordered)
    told = stream.complaints
    told.left_out.update(sums.left_out)
    warnings = _judged(told, sources, max_bad)
    if not sums.tally.requests or sums.tally.last_us < SECOND_US:
        raise Problems([_too_short(sums.tally.requests, sources, told)])
    rate = sums.tally.requests / (sums.tally.last_us / 1e6)
    if rate > MOST_REQUESTS_PER_SECOND:
        message = f"{rate:,.0f} requests a second are impossible; the unit of the times is another"
        raise Problems([Problem("TRC005", message, Span(str(paths[0]), 1), "give it, as in --map at=COLUMN:ms")])
    first = sums.first_us
    assert first is not None
    start_s = sums.tally.excerpt_start_s()
    dated = all(source.layout.dated for source in sources)
    no_zone = dated and any(s.layout.times.aware is False and s.layout.times.zone is None for s in sources)
    clock = Clock(
        first if dated else None, tuple(sums.cuts), weekdays=not any(source.layout.name == "vllm" for source in sources)
    )
    prefix, holes = sums.prefix(), sums.holes()
    source_names = ", ".join(path.name for path in paths[:3]) + (f" and {len(paths) - 3} more" if paths[3:] else "")
    trace = sums.tally.summary(name, source_names, "", sums.excerpt(stream, start_s), clock, prefix)
    unknown = [
        *(["no-outputs"] if sums.no_outputs else []),
        *(["no-prefix"] if prefix is None else ["no-hashes"] if prefix.measured == "sessions" else []),
        *([] if dated else ["no-date"]),
        *(["no-day"] if dated and not trace.week else []),
        *(["no-week"] if sums.tally.period_h(clock) == 24 else []),
        *(["no-zone"] if no_zone and trace.week else []),
        *(["holes"] if holes[0] else []),
        *(["cut"] if sums.cuts else []),
    ]
    return TraceReading(
        trace=replace(trace, unknown=tuple(unknown)),
        formats={source.path.name: source.layout.name for source in sources},
        warnings=warnings,
        left_out=dict(sorted(told.left_out.items())),
        bad_rows=told.bad,
        rows=told.rows,
        holes=holes,
    )


@dataclass
class _Sums:
    """Adds up the stream: all but its excerpt.

    block_tokens: tokens of a hashed block.
    first_us: the first arrival.
    cuts: see `Clock`.
    no_outputs: whether the log tells no output tokens; the first requests decide.
    """

    block_tokens: int
    tally: Tally = field(default_factory=Tally)
    first_us: int | None = None
    cuts: list[tuple[int, int]] = field(default_factory=list)
    no_outputs: bool = False
    left_out: Counter[str] = field(default_factory=Counter)
    _hashes: HashTally | None = None
    _sessions: SessionTally = field(default_factory=SessionTally)
    _long_gaps: list[int] = field(default_factory=list)
    _gap_octaves: Counter[int] = field(default_factory=Counter)
    _last_us: int = 0
    _cut_us: int = 0

    def add(self, rows: Ordered) -> None:
        """Add some requests."""
        if self.first_us is None:
            self.first_us = self._last_us = int(rows.at_us[0])
            self.no_outputs = bool((rows.outputs == UNKNOWN_TOKENS).all())
        kept, outputs = self._known(rows.outputs)
        if len(kept) < len(rows.outputs):
            self.left_out[_WITHOUT_OUTPUT] += len(rows.outputs) - len(kept)
        at, inputs = rows.at_us[kept], rows.inputs[kept]
        if not len(at):
            return
        self.tally.add_rows(self._without_cuts(at), inputs, outputs)
        self._note_prefixes(rows, kept, inputs, outputs)

    def prefix(self) -> PrefixReuse | None:
        """Return the prefix reuse: from hashes where there are some, else guessed from sessions."""
        return self._hashes.reuse() if self._hashes is not None else self._sessions.reuse()

    def holes(self) -> tuple[int, float, float]:
        """Return how many holes there are that are also longer than ten median gaps, the longest and all, seconds."""
        half, seen, median = sum(self._gap_octaves.values()) / 2, 0, 0
        for octave, count in sorted(self._gap_octaves.items()):
            seen += count
            if seen >= half:
                median = 1 << octave
                break
        holes = [gap for gap in self._long_gaps if gap > 10 * median]
        return len(holes), max(holes, default=0) / 1e6, sum(holes) / 1e6

    def excerpt(self, stream: LogStream, start_s: int) -> Excerpt:
        """Read the requests of the chosen five minutes again. Very many are thinned evenly, always alike."""
        assert self.first_us is not None
        start = start_s * SECOND_US
        left_out = sum(minutes for at, minutes in self.cuts if at * MINUTE_US <= start) * MINUTE_US
        begin = self.first_us + start + left_out
        end = begin + EXCERPT_S * SECOND_US
        rows = sorted(self._within(stream.again(begin, end), begin, end), key=lambda row: row[:2])
        if len(rows) > MOST_EXCERPT:
            share = int(MOST_EXCERPT / len(rows) * (1 << 32))
            rows = [row for number, row in enumerate(rows) if (number * 2_654_435_761) % (1 << 32) < share]
        return Excerpt(start_s, tuple(((at - begin) // 1000, inputs, outputs) for at, _, inputs, outputs in rows))

    def _within(
        self, batches: Iterator[tuple[int, Batch]], begin: int, end: int
    ) -> Iterator[tuple[int, int, int, int]]:
        for number, batch in batches:
            inside = np.flatnonzero((batch.at_us >= begin) & (batch.at_us < end))
            kept, outputs = self._known(batch.outputs[inside])
            for row, tokens in zip(inside[kept].tolist(), outputs.tolist(), strict=True):
                yield int(batch.at_us[row]), number, int(batch.inputs[row]), tokens

    def _known(self, outputs: Ints) -> tuple[Ints, Ints]:
        """Return the rows that count and their output tokens. Where no row has any, they are zero and told so."""
        if self.no_outputs:
            return np.arange(len(outputs)), np.zeros(len(outputs), dtype=np.int64)
        known = np.flatnonzero(outputs != UNKNOWN_TOKENS)
        return known, outputs[known]

    def _without_cuts(self, at: Ints) -> Ints:
        """Return arrivals after the first one, with the holes left out that are too long for silence."""
        assert self.first_us is not None
        gaps = np.diff(at, prepend=self._last_us)
        self._last_us = int(at[-1])
        octaves, counts = np.unique(np.frexp(gaps.astype(float))[1], return_counts=True)
        self._gap_octaves.update(dict(zip(octaves.tolist(), counts.tolist(), strict=True)))
        shifted = at - self.first_us - self._cut_us
        for row in np.flatnonzero(gaps > HOLE_US):
            gap = int(gaps[row])
            if gap > CUT_US:
                minutes = gap // MINUTE_US - 1
                shifted[row:] -= minutes * MINUTE_US
                self._cut_us += minutes * MINUTE_US
                self.cuts.append((int(shifted[row]) // MINUTE_US, minutes))
            elif len(self._long_gaps) < _MOST_HOLES:
                self._long_gaps.append(gap)
        return shifted

    def _note_prefixes(self, rows: Ordered, kept: Ints, inputs: Ints, outputs: Ints) -> None:
        if rows.chains is not None:
            self._hashes = self._hashes or HashTally(self.block_tokens)
            for row, tokens in zip(kept.tolist(), inputs.tolist(), strict=True):
                chain = rows.chains[row]
                if chain is not None:
                    self._hashes.add(chain, tokens)
        elif rows.sessions is not None:
            for row, tokens, answer in zip(kept.tolist(), inputs.tolist(), outputs.tolist(), strict=True):
                session = rows.sessions[row]
                if session is not None:
                    self._sessions.add(session, tokens, answer)


def _judged(told: Complaints, sources: Sequence[Source], max_bad: float) -> tuple[Problem, ...]:
    """Return bad rows as warnings. Raises `Problems` when there are more than are borne."""
    if not told.bad:
        return ()
    share = told.bad / max(told.rows, 1)
    problems = list(told.shown)
    names = ", ".join(sorted({source.path.name for source in sources})[:3])
    if told.bad > SHOWN:
        message = f"{told.bad - SHOWN} more rows of {names} are bad, {told.bad} in all; this is the last"
        problems.append(Problem("TRC003", message, told.last))
    counted = f"{told.bad:,} of {told.rows:,} rows ({share:.2%}) of {names} cannot be read"
    if share > max_bad:
        if max_bad:
            hint = "mend the rows, or bear more of them with --max-bad"
            problems.append(Problem("TRC009", f"{counted}, over the {max_bad:.2%} that are borne", hint=hint))
        raise Problems(problems)
    return (
        *(Problem(p.code, p.message, p.where, p.hint, "warning") for p in problems),
        Problem("TRC009", f"{counted}; they are left out", severity="warning"),
    )


def _too_short(requests: int, sources: Sequence[Source], told: Complaints) -> Problem:
    name = sources[0].path.name
    hint = "a trace needs at least a second of requests, better an hour"
    message = f"{name} holds {requests} request{'s' * (requests != 1)} within less than a second"
    if told.left_out:
        others = ", ".join(f"{count:,} {what}" for what, count in sorted(told.left_out.items()))
        message += f"; left out: {others}"
    elif not requests:
        message, hint = f"{name} holds no request", f"write {sources[0].layout.form}"
    return Problem("TRC005", message, Span(str(sources[0].path), 1), hint)
