"""One stream of several files: the same requests however they are cut, zipped, quoted or spread over files."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from planner.domain.traces import TraceSummary
from planner.edges.traces import blocks, stream
from planner.edges.traces.csv_layout import CsvLayout
from planner.edges.traces.layouts import TraceOptions, layout_of
from planner.edges.traces.summarize import summarize

HEADER = "TIMESTAMP,ContextTokens,GeneratedTokens"
ROWS = st.lists(
    st.tuples(st.integers(0, 90_000_000), st.integers(1, 200_000), st.integers(0, 3000)), min_size=3, max_size=60
)


@contextmanager
def _blocks_of(size: int, window: int = 400_000) -> Iterator[None]:
    """Blocks of so many bytes, and so many rows that wait."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(blocks.blocks, "__defaults__", (False, size))
        patch.setattr(stream, "WINDOW_ROWS", window)
        yield


def _time(at_us: int) -> str:
    minutes, us = divmod(at_us, 60_000_000)
    return f"2026-11-{16 + minutes // 1440:02} {minutes // 60 % 24:02}:{minutes % 60:02}:{us / 1e6:09.6f}0"


def _moments(rows: list[tuple[int, int, int]]) -> list[tuple[int, int, int]]:
    at, found = 0, []
    for gap, inputs, outputs in rows:
        at += gap + 700_000
        found.append((at, inputs, outputs))
    return found


def _write(path: Path, rows: list[tuple[int, int, int]], quoted: bool = False, zone: str = "") -> Path:
    mark = '"' if quoted else ""
    lines = [f"{mark}{_time(at)}{zone}{mark},{i},{o}" for at, i, o in rows]
    path.write_text("\n".join([HEADER, *lines]) + "\n")
    return path


def _read(*paths: Path) -> TraceSummary:
    return replace(summarize(paths, TraceOptions(), "t").trace, source="")


@given(rows=ROWS, size=st.integers(60, 400), seed=st.integers(0, 2**32))
@settings(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_the_same_rows_give_the_same_summary(
    rows: list[tuple[int, int, int]], size: int, seed: int, tmp_path: Path
) -> None:
    """Small blocks, quoted cells, which are read row by row, and rows that are dealt out to three files."""
    moments = _moments(rows)
    whole = _read(_write(tmp_path / "whole.csv", moments))
    assert whole.requests == len(rows)
    assert whole.input_tokens == sum(row[1] for row in rows)
    assert whole.output_tokens == sum(row[2] for row in rows)
    assert whole.duration_s == pytest.approx((moments[-1][0] - moments[0][0]) / 1e6, abs=1e-3)
    with _blocks_of(size):
        assert _read(tmp_path / "whole.csv") == whole
        assert _read(_write(tmp_path / "quoted.csv", moments, quoted=True)) == whole
        dealt = [
            _write(tmp_path / f"{k}.csv", [row for n, row in enumerate(moments) if (seed >> n % 32) % 3 == k])
            for k in range(3)
        ]
        if all(len(path.read_text().splitlines()) > 1 for path in dealt):
            assert _read(*dealt) == _read(*reversed(dealt)) == whole


@given(rows=ROWS, size=st.integers(60, 300))
@settings(deadline=None, max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_rows_within_the_window_are_sorted(rows: list[tuple[int, int, int]], size: int, tmp_path: Path) -> None:
    moments = _moments(rows)
    shuffled = sorted(moments, key=lambda row: row[0] + (row[1] * 7919) % 600_000_000)
    with _blocks_of(size, window=20):
        late = [p for p in stream_problems(_write(tmp_path / "s.csv", shuffled)) if p != "TRC004"]
    assert late == []
    with _blocks_of(size):
        assert _read(_write(tmp_path / "s.csv", shuffled)) == _read(_write(tmp_path / "o.csv", moments))


def stream_problems(path: Path) -> list[str]:
    """Codes of what is wrong with the rows of a file."""
    found = stream.LogStream([stream.Source(path, layout_of(path, TraceOptions()))])
    list(found)
    return [problem.code for problem in found.complaints.shown]


def test_files_follow_each_other(tmp_path: Path) -> None:
    moments = _moments([(200_000_000, 100 + k, k) for k in range(400)])
    whole = _read(_write(tmp_path / "whole.csv", moments))
    parts = [_write(tmp_path / f"part{k}.csv", moments[k * 100 : k * 100 + 100]) for k in range(4)]
    with _blocks_of(500, window=40):
        assert _read(*reversed(parts)) == whole


def _layout(path: Path) -> CsvLayout:
    found = layout_of(path, TraceOptions())
    assert isinstance(found, CsvLayout)
    return found


CELLS = st.sampled_from(
    [
        "2026-11-16 09:00:00",
        "2026-11-16 09:00:00.1234567",
        "2026-11-16T09:00:00Z",
        "2026-11-16 09:00:00+01:30",
        "2026-02-30 09:00:00",
        "2026-11-16 09:00:00.",
        "2026-11-16 25:00:00",
        " 2026-11-16 09:00:00.5 ",
        "2026-11-16 09:00",
        "x",
        "",
    ]
)
COUNTS = st.sampled_from(
    ["1", "0", "-1", "7.0", "7.5", " 8 ", "1_000", "1e3", "٣", "nan", "", "100000000", "100000001", "9" * 30]
)


@given(rows=st.lists(st.tuples(CELLS, COUNTS, COUNTS), min_size=1, max_size=5), quoted=st.booleans())
@settings(deadline=None, max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whole_columns_and_single_rows_agree(rows: list[tuple[str, str, str]], quoted: bool, tmp_path: Path) -> None:
    """The quick way gives what the careful way gives, or leaves it to it."""
    path, mark = tmp_path / "t.csv", '"' if quoted else ""
    path.write_text("\n".join([HEADER, *(mark + f"{mark},{mark}".join(row) + mark for row in rows)]) + "\n")
    (block,) = blocks.blocks(path)
    quick, careful = _layout(path).batch(block), _layout(path)._by_row(block)
    for column in ("lines", "at_us", "inputs", "outputs"):
        assert getattr(quick, column).tolist() == getattr(careful, column).tolist()
    assert quick.bad == careful.bad
