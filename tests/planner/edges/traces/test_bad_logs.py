"""Logs that are wrong: every problem in one run with its line, and how much of the log it is."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from planner.edges.traces import blocks, stream
from planner.words.diagnostics import Problem
from tests.planner.edges.traces.test_formats import DATA, problems_of, read

OWN = "arrival_ms,input_tokens,output_tokens"


def _log(tmp_path: Path, *rows: str, header: str = OWN, name: str = "log.csv") -> Path:
    path = tmp_path / name
    path.write_text("\n".join([header, *rows]) + "\n", encoding="utf-8")
    return path


def _lines(problems: tuple[Problem, ...]) -> list[tuple[str, int]]:
    return [(problem.code, problem.where.line if problem.where else 0) for problem in problems]


def _many(count: int, bad: int) -> list[str]:
    """Rows a second apart, of which the first ones are bad."""
    return [f"{second * 1000},{'ten' if second < bad else 10},5" for second in range(count)]


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ("9,ten,5", "`ten` is no whole number of input tokens"),
        ("9,10.5,5", "`10.5` is no whole number of input tokens"),
        ("9,,5", "no input tokens"),
        ("9,0,5", "0 input tokens"),
        ("9,-4,5", "-4 input tokens"),
        ("9,10,-1", "-1 output tokens"),
        ("9,100000001,5", "100,000,001 tokens: over 100,000,000 are not believed"),
        ("9,10", "2 cells and not 3"),
        ("soon,10,5", "`soon` is no number of ms"),
        ("-9,10,5", "`-9` is a negative time"),
        ("nan,10,5", "`nan` is no number of ms"),
        ("1e400,10,5", "`1e400` is no number of ms"),
        ("9,10,nan", "`nan` is no whole number of output tokens"),
        ("9,99999999999999999999,5", "not believed"),
    ],
)
def test_a_bad_row_says_why(tmp_path: Path, row: str, said: str) -> None:
    (problem,) = problems_of(_log(tmp_path, "0,10,5", row, "60000,10,5"))
    assert (problem.code, problem.where and problem.where.line) == ("TRC003", 3)
    assert said in problem.message
    assert "milliseconds, input tokens" in problem.hint
    assert problem.hint.split(",")[0] in ("mend this value", "mend the row", "fill it in")


def test_how_rows_are_written_is_told_once(tmp_path: Path) -> None:
    first, second = problems_of(_log(tmp_path, "0,10,5", "soon,10,5", "9,,5", "60000,10,5"))
    assert first.hint == (
        "mend this value, or take the row out; rows have milliseconds, input tokens (1 or more) and output tokens (0 "
        "or more)"
    )
    assert second.hint == "fill it in, or take the row out"


def test_a_share_of_bad_rows_is_borne_and_told(tmp_path: Path) -> None:
    path = _log(tmp_path, *_many(1000, 10))
    reading = read(path, max_bad=0.01)
    assert (reading.trace.requests, reading.bad_rows, reading.rows) == (990, 10, 1000)
    assert {warning.severity for warning in reading.warnings} == {"warning"}
    assert reading.warnings[-1].message == "10 of 1,000 rows (1.00%) of log.csv cannot be read; they are left out"
    problems = problems_of(_log(tmp_path, *_many(1000, 11)), max_bad=0.01)
    assert len(problems) == 12
    assert any("11 of 1,000 rows (1.10%)" in problem.message for problem in problems)


def test_the_first_twenty_are_shown_and_all_are_counted(tmp_path: Path) -> None:
    problems = problems_of(_log(tmp_path, *_many(100, 50)))
    assert len(problems) == 21
    assert "30 more rows of log.csv are bad, 50 in all" in problems[-1].message


def test_rows_a_little_out_of_order_are_sorted_and_later_ones_are_told(tmp_path: Path) -> None:
    near = _log(tmp_path, "0,1,1", "600000,2,2", "300000,3,3", "650000,4,4")
    assert [row[1] for row in read(near).trace.excerpt.requests] == [1, 3] or read(near).trace.requests == 4
    assert read(near).trace.minutes[5] == (1, 3, 3)


def test_a_row_beyond_the_window_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "WINDOW_ROWS", 8)
    monkeypatch.setattr(blocks, "BLOCK_BYTES", 64)
    monkeypatch.setattr(blocks.blocks, "__defaults__", (False, 64))
    path = _log(
        tmp_path, *(f"{k * 60000},1,1" for k in range(60)), "60001,7,7", *(f"{k * 60000},1,1" for k in range(60, 90))
    )
    (problem,) = problems_of(path)
    assert (problem.code, problem.where and problem.where.line) == ("TRC004", 62)
    assert "sort the rows" in problem.hint


def test_a_time_over_a_year_away_is_told(tmp_path: Path) -> None:
    (problem,) = problems_of(_log(tmp_path, "0,1,1", "1500,1,1", "40000000000,1,1"))
    assert _lines((problem,)) == [("TRC004", 4)]
    assert "over a year after the first" in problem.message
    assert "unit" in problem.hint


def test_impossible_rates_are_another_unit(tmp_path: Path) -> None:
    path = _log(tmp_path, *(f"{k / 1000},1,1" for k in range(3_000)), header="t,i,o")
    assert read(path, mapping="at=t,input=i,output=o").trace.burst.mean_rps == pytest.approx(1000, rel=0.01)
    (problem,) = problems_of(path, mapping="at=t:ms,input=i,output=o")
    assert problem.code == "TRC005"
    assert "less than a second" in problem.message


def test_units_are_told_from_the_number_or_the_name(tmp_path: Path) -> None:
    for factor in (1, 1000, 10**6, 10**9):
        rows = [f"{(1_794_819_600 + k) * factor},10,1" for k in range(0, 600, 10)]
        trace = read(_log(tmp_path, *rows, header="t,i,o"), mapping="at=t,input=i,output=o").trace
        assert (trace.duration_s, "no-date" in trace.unknown) == (590, False)
    path = _log(tmp_path, "0,1,1", "90000,1,1", header="t_ms,i,o")
    assert read(path, mapping="at=t_ms,input=i,output=o").trace.duration_s == 90


def test_mixed_zones_are_told(tmp_path: Path) -> None:
    header = "TIMESTAMP,ContextTokens,GeneratedTokens"
    rows = [f"2026-11-16 09:{minute:02}:00{'' if minute == 30 else '+00:00'},1,1" for minute in range(60)]
    (problem,) = problems_of(_log(tmp_path, *rows, header=header))
    assert _lines((problem,)) == [("TRC003", 32)]
    assert "has no time zone and those above have one" in problem.message
    assert problem.hint.startswith("write all times with a zone, or all without one; rows have ")
    offsets = [f"2026-11-16 {9 + minute % 2:02}:{minute:02}:00+0{minute % 2}:00,1,1" for minute in range(60)]
    assert read(_log(tmp_path, *offsets, header=header)).trace.duration_s == 59 * 60
    (problem,) = problems_of(DATA / "azure-2023.csv", DATA / "azure-2024.csv")
    assert problem.code == "TRC008"
    assert "azure-2023.csv" in problem.message
    (problem,) = problems_of(DATA / "mooncake.jsonl", DATA / "azure-2024.csv")
    assert problem.code == "TRC008"


def test_missing_and_doubled_columns(tmp_path: Path) -> None:
    path = _log(tmp_path, "1,1,1", header="time,prompt_tokens,answer")
    problems = problems_of(path, mapping="at=time,input=promt_tokens,output=answers")
    assert [p.code for p in problems] == ["TRC007", "TRC007"]
    assert any(
        "did you mean prompt_tokens?" in p.hint and "there are time, prompt_tokens, answer" in p.hint for p in problems
    )
    (unlike,) = problems_of(path, mapping="at=zzz,input=prompt_tokens")
    assert unlike.hint == "there are time, prompt_tokens, answer"
    (problem,) = problems_of(_log(tmp_path, "1,1,1,1", header=f"{OWN},input_tokens", name="doubled.csv"))
    assert "stands twice" in problem.message
    (problem,) = problems_of(path)
    assert "--map at=time,input=prompt_tokens" in problem.hint


def test_a_repeated_header_is_no_row(tmp_path: Path) -> None:
    reading = read(_log(tmp_path, "0,1,1", OWN, "5000,1,1"))
    assert (reading.trace.requests, reading.left_out) == (2, {"repeated headers": 1})


def test_what_is_cut_off_damaged_or_no_text(tmp_path: Path) -> None:
    whole = gzip.compress("\n".join([OWN, *(f"{k * 997},{k % 900 + 1},{k % 77}" for k in range(50_000))]).encode())
    path = tmp_path / "log.csv.gz"
    path.write_bytes(whole[: len(whole) // 2])
    (problem,) = problems_of(path)
    assert problem.code == "TRC006"
    assert "is cut off after line" in problem.message
    path.write_bytes(whole[:200] + b"\xff\xff\xff" + whole[203:])
    assert problems_of(path)[0].code == "TRC006"
    path.write_bytes(f"{OWN}\n0,1,1\n".encode("utf-16"))
    assert problems_of(path)[0].code == "TRC001"
    path.write_bytes(b"")
    assert (problems_of(path)[0].code, "is empty" in problems_of(path)[0].message) == ("TRC005", True)
    assert problems_of(tmp_path / "nowhere.csv")[0].code == "TRC001"
    assert problems_of(tmp_path)[0].code == "TRC001"


def test_invalid_bytes_matter_only_where_something_is_read(tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    path.write_bytes(b"t,i,o,text\n0,1,1,caf\xe9\n2000,1,1,ok\n4000,\xff1,1,ok\n")
    (problem,) = problems_of(path, mapping="at=t,input=i,output=o")
    assert _lines((problem,)) == [("TRC003", 4)]


def test_bad_json_lines(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    good = '{"timestamp": %d, "input_length": 5, "output_length": 1, "hash_ids": [1]}'
    bad = [
        '{"timestamp": 9, "input_len',
        "[1, 2]",
        '{"timestamp": 9, "output_length": 1}',
        good.replace("[1]", '["a"]') % 9,
    ]
    path.write_text("\n".join([good % 0, *bad, good % 5000, "[" * 100_000]) + "\n")
    problems = problems_of(path)
    assert [line for _, line in _lines(problems)] == [2, 3, 4, 5, 7]
    assert "no `input_length`" in problems[2].message


def test_holes_are_kept_and_told_and_four_days_are_left_out(tmp_path: Path) -> None:
    day, hour = 86_400_000, 3_600_000
    rows = [k * 10_000 for k in range(1000)]
    rows += [at + 10 * hour for at in rows]
    night = read(_log(tmp_path, *(f"{at},1,1" for at in rows)))
    assert "holes" in night.trace.unknown
    assert night.holes[0] == 1
    assert night.holes[1] == pytest.approx(10 * 3600 - 9990, abs=1)
    assert night.trace.duration_s == rows[-1] / 1000
    week = read(_log(tmp_path, *(f"{at},1,1" for at in [*rows, *(at + 6 * day for at in rows)])))
    assert "cut" in week.trace.unknown
    assert week.trace.duration_s < 2 * rows[-1] / 1000 + 120
    assert sum(minute[0] for minute in week.trace.minutes) == 4000


def test_all_files_are_looked_at(tmp_path: Path) -> None:
    wrong = _log(tmp_path, "1,2", header="a,b", name="wrong.csv")
    problems = problems_of(wrong, tmp_path / "nowhere.csv", DATA / "azure-2023.csv")
    assert sorted(problem.code for problem in problems) == ["TRC001", "TRC002"]


def test_one_wrong_clock_is_one_bad_row(tmp_path: Path) -> None:
    """A row three months ahead does not make all rows after it late."""
    rows = [f"{k * 1000 if k != 300 else 9_000_000_000},1,1" for k in range(2000)]
    (problem,) = problems_of(_log(tmp_path, *rows))
    assert _lines((problem,)) == [("TRC004", 302)]
    assert "clock" in problem.hint


def test_a_log_that_runs_backwards_is_sorted_where_the_window_holds_it(tmp_path: Path) -> None:
    rows = [f"{k * 7000},{k + 1},1" for k in range(500)]
    forth, back = read(_log(tmp_path, *rows)), read(_log(tmp_path, *reversed(rows)))
    assert back.trace == forth.trace


def test_a_quote_that_is_not_closed_is_told(tmp_path: Path) -> None:
    (problem,) = problems_of(_log(tmp_path, "0,1,1", '"5000,2,2', "9000,1,1"))
    assert _lines((problem,)) == [("TRC003", 3)]
    assert "is a quote not closed?" in problem.message
    assert problem.where is not None
    assert problem.where.source == "5000,2,2"


def test_files_that_do_not_go_together(tmp_path: Path) -> None:
    again = DATA.parent / "traces" / "mooncake.jsonl"
    (problem,) = problems_of(again, again)
    assert "is given twice" in problem.message
    problems = problems_of(again, DATA / "vllm.log")
    assert [problem.code for problem in problems] == ["TRC008"]
