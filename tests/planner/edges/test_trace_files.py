"""Reading traces: totals are conserved to the token, a raw CSV equals the shipped summary, bad rows are told."""

from __future__ import annotations

import csv
import json
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from planner.domain.tally import Tally
from planner.domain.traces import bin_of, bin_start
from planner.edges.catalog_files import package_folder
from planner.edges.trace_files import (
    dump_summary,
    load_trace,
    parse_summary,
    read_trace,
    shipped_trace,
    shipped_traces,
)
from planner.words.diagnostics import Problem, Problems

RAW = Path(__file__).resolve().parents[4] / "shared" / "data" / "traces"
FILES = {"azure-conv-2023": "AzureLLMInferenceTrace_conv.csv", "azure-code-2023": "AzureLLMInferenceTrace_code.csv"}
needs_raw = pytest.mark.skipif(not RAW.is_dir(), reason="the raw traces are not beside this checkout")


def _problems(path: Path) -> tuple[Problem, ...]:
    with pytest.raises(Problems) as caught:
        read_trace(path)
    assert caught.value.exit_code == 2
    return caught.value.problems


def _write(tmp_path: Path, *rows: str, header: str = "arrival_ms,input_tokens,output_tokens") -> Path:
    path = tmp_path / "mine.csv"
    path.write_text("\n".join([header, *rows]) + "\n", encoding="utf-8")
    return path


@needs_raw
@pytest.mark.parametrize("name", FILES)
def test_a_raw_csv_equals_the_shipped_summary(name: str) -> None:
    shipped = shipped_trace(name)
    read = load_trace(FILES[name], RAW)
    assert replace(read, name=name, source=shipped.source, licence=shipped.licence, unknown=()) == shipped
    assert read.source == FILES[name]
    assert read.unknown == ("no-prefix", "no-day")


def test_a_summary_leaves_out_what_it_does_not_tell() -> None:
    """The digest of a trace is part of a lock: the shipped files stay what they are, byte by byte."""
    for name in shipped_traces():
        text = (package_folder() / "traces" / f"{name}.json").read_text(encoding="utf-8")
        assert dump_summary(shipped_trace(name)) == text
        assert not {"within_hour", "week", "prefix", "unknown"} & set(json.loads(text))


@needs_raw
@pytest.mark.parametrize("name", FILES)
def test_totals_and_quantiles_are_the_raw_files(name: str) -> None:
    with (RAW / FILES[name]).open(newline="") as file:
        rows = [(int(row["ContextTokens"]), int(row["GeneratedTokens"])) for row in csv.DictReader(file)]
    trace = shipped_trace(name)
    assert trace.requests == len(rows)
    assert trace.input_tokens == sum(row[0] for row in rows)
    assert trace.output_tokens == sum(row[1] for row in rows)
    inputs = sorted(row[0] for row in rows)
    assert trace.input_quantiles["p95"] == inputs[-(-95 * len(rows) // 100) - 1]
    assert trace.input_quantiles["max"] == inputs[-1]
    cells = Counter((bin_of(i), bin_of(o)) for i, o in rows)
    assert {(cell.input_bin, cell.output_bin): cell.requests for cell in trace.cells} == cells


@pytest.mark.parametrize("name", FILES)
def test_tables_of_a_summary_add_up(name: str) -> None:
    trace = shipped_trace(name)
    totals = (trace.requests, trace.input_tokens, trace.output_tokens)
    assert tuple(map(sum, zip(*trace.minutes, strict=True))) == totals
    assert (
        sum(c.requests for c in trace.cells),
        sum(c.input_tokens for c in trace.cells),
        sum(c.output_tokens for c in trace.cells),
    ) == totals
    for cell in trace.cells:
        assert bin_start(cell.input_bin) <= cell.input_tokens / cell.requests < bin_start(cell.input_bin + 1)
    assert all(0 <= at < 300_000 for at, _, _ in trace.excerpt.requests)
    assert [row[0] for row in trace.excerpt.requests] == sorted(row[0] for row in trace.excerpt.requests)
    first = trace.excerpt.start_s // 60
    assert len(trace.excerpt.requests) == sum(minute[0] for minute in trace.minutes[first : first + 5])


def test_figures_of_the_azure_traces() -> None:
    conv, code = shipped_trace("azure-conv-2023"), shipped_trace("azure-code-2023")
    assert (conv.requests, code.requests) == (19366, 8819)
    assert conv.burst.mean_rps == pytest.approx(5.53, abs=0.01)
    assert conv.burst.interarrival_cv == pytest.approx(1.09, abs=0.01)
    assert code.burst.interarrival_cv == pytest.approx(13.15, abs=0.01)
    assert conv.burst.peak_60s < 2 < 4.1 < code.burst.peak_60s
    assert 1 < conv.burst.p95_300s < code.burst.p95_300s < code.burst.peak_60s
    assert "Splitwise" in conv.source
    assert conv.licence == "CC-BY-4.0"


def test_shipped_files_are_small() -> None:
    assert shipped_traces() == ("azure-code-2023", "azure-conv-2023")
    for name in shipped_traces():
        text = dump_summary(shipped_trace(name))
        assert len(text.encode()) < 80_000
        assert parse_summary(text, "x.json") == shipped_trace(name)


def test_a_damaged_summary_is_told() -> None:
    text = dump_summary(shipped_trace("azure-code-2023"))
    for damaged in (text[:5000], "[]", text.replace('"requests":8819', '"requests":"many"')):
        with pytest.raises(Problems) as caught:
            parse_summary(damaged, "x.json")
        assert caught.value.problems[0].code == "TRC002"


def test_our_own_csv(tmp_path: Path) -> None:
    path = _write(tmp_path, "1000.5,100,10", "", "1500,8,0", "61000,1024,2048")
    trace = load_trace("mine.csv", tmp_path)
    assert trace == read_trace(path)
    assert (trace.requests, trace.input_tokens, trace.output_tokens) == (3, 1132, 2058)
    assert trace.duration_s == pytest.approx(60.0, abs=0.001)
    assert trace.minutes == ((3, 1132, 2058),)
    assert trace.excerpt.requests == ((0, 100, 10), (499, 8, 0), (59999, 1024, 2048))
    assert trace.name == "mine"


def test_seven_digit_fractions_and_midnight(tmp_path: Path) -> None:
    header = "TIMESTAMP,ContextTokens,GeneratedTokens"
    rows = ["2023-11-16 23:59:59.9999999,1,1", "2023-11-17 00:00:00.5000000,1,1", "2023-11-17 00:00:02,1,1"]
    trace = read_trace(_write(tmp_path, *rows, header=header))
    assert trace.excerpt.requests == ((0, 1, 1), (500, 1, 1), (2000, 1, 1))


def test_bad_rows_are_told_with_line_and_form(tmp_path: Path) -> None:
    path = _write(tmp_path, "0,10,10", "1,ten,10", "2,10", "3,0,5", "inf,1,1", "nan,1,1", "5,10,-1", "4,10,10", "2,1,1")
    problems = _problems(path)
    assert [(p.code, p.where.line if p.where else 0) for p in problems] == [
        ("TRC003", 3),
        ("TRC003", 4),
        ("TRC003", 5),
        ("TRC003", 6),
        ("TRC003", 7),
        ("TRC003", 8),
    ]
    assert problems[0].where is not None
    assert problems[0].where.source == "1,ten,10"
    assert "milliseconds, input tokens" in problems[0].hint


def test_twenty_bad_rows_are_shown_and_all_are_counted(tmp_path: Path) -> None:
    problems = _problems(_write(tmp_path, *["x,1,1"] * 50))
    assert len(problems) == 21
    assert "30 more rows of mine.csv are bad, 50 in all" in problems[-1].message


def test_times_in_the_wrong_unit_are_told_instead_of_filling_the_memory(tmp_path: Path) -> None:
    (problem,) = _problems(_write(tmp_path, "0,1,1", "1e17,1,1"))
    assert "over a year" in problem.message


def test_a_wrong_header_says_which_formats_are_read(tmp_path: Path) -> None:
    (problem,) = _problems(_write(tmp_path, header="time,in,out"))
    assert problem.code == "TRC002"
    assert "TIMESTAMP,ContextTokens,GeneratedTokens" in problem.hint
    assert "arrival_ms,input_tokens,output_tokens" in problem.hint


@pytest.mark.parametrize("rows", [(), ("5,1,1",), ("5,1,1", "1004,1,1")])
def test_a_trace_of_less_than_a_second_is_no_trace(tmp_path: Path, rows: tuple[str, ...]) -> None:
    (problem,) = _problems(_write(tmp_path, *rows))
    assert problem.code == "TRC005"


def test_an_unknown_trace_names_the_shipped_ones(tmp_path: Path) -> None:
    with pytest.raises(Problems) as caught:
        load_trace("azure-chat-2023", tmp_path)
    assert caught.value.problems[0].code == "TRC001"
    assert "azure-conv-2023" in caught.value.problems[0].hint
    with pytest.raises(Problems):
        shipped_trace("nope")


def test_a_folder_or_binary_is_told(tmp_path: Path) -> None:
    (tmp_path / "mine.csv").write_bytes(b"\xff\xfe\x00")
    assert _problems(tmp_path / "mine.csv")[0].code == "TRC001"
    assert _problems(tmp_path)[0].code == "TRC001"


@given(st.integers(0, 10**9))
def test_bins_hold_what_they_say(tokens: int) -> None:
    index = bin_of(tokens)
    assert bin_start(index) <= tokens < bin_start(index + 1)
    assert tokens < 8 or bin_start(index + 1) / bin_start(index) <= 1.25


@given(st.lists(st.tuples(st.integers(0, 5000), st.integers(1, 9000), st.integers(0, 900)), min_size=2, max_size=60))
def test_any_stream_is_conserved(steps: list[tuple[int, int, int]]) -> None:
    tally, at = Tally(), 0
    for gap, input_tokens, output_tokens in steps:
        at += gap * 1000 + 1
        tally.add(at - 1, input_tokens, output_tokens)
    trace = tally.summary("t", "s", "l", replace(shipped_trace("azure-code-2023").excerpt, requests=()))
    assert trace.requests == len(steps) == sum(cell.requests for cell in trace.cells)
    assert trace.input_tokens == sum(step[1] for step in steps) == sum(minute[1] for minute in trace.minutes)
    assert trace.output_tokens == sum(step[2] for step in steps) == sum(cell.output_tokens for cell in trace.cells)
    assert trace.burst.peak_60s >= 1
    assert trace.burst.p95_300s >= 1
