"""Tables of benchmark rows: read whole or refused with every problem, predictions written as CSV."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import pytest

from measurement.evidence.predictions import PredictedFigure
from measurement.evidence.published import COLUMNS, Unpredictable
from measurement.files.published_files import SHOWN, predictions_text, read_published, six_digits
from planner.words.diagnostics import Problems

HEADER = ",".join((*COLUMNS, "value"))
ROW = "vllm,qwen3-8b,bf16,L4,1,1000,200,8 concurrent,tpot_ms_p50"


def table(folder: Path, *lines: str, header: str = HEADER) -> Path:
    path = folder / "rows.csv"
    path.write_text("\n".join((header, *lines)) + "\n")
    return path


def problems(path: Path) -> list[tuple[str, int | None, str]]:
    with pytest.raises(Problems) as raised:
        read_published(path)
    assert raised.value.exit_code == 2
    return [(p.code, p.where.line if p.where else None, p.message) for p in raised.value.problems]


def test_a_table_is_read_row_by_row(tmp_path: Path) -> None:
    found = read_published(
        table(tmp_path, f"a,{ROW},80.5", "", f"b,{ROW.replace('8 concurrent', chr(34) + '8, all' + chr(34))},")
    )
    assert [row["id"] for row in found.rows] == ["a", "b"]
    assert found.rows[1]["concurrency_or_rate"] == "8, all"
    assert found.measured_rows == 1


def test_value_may_be_missing_and_columns_may_stand_in_any_order_and_case(tmp_path: Path) -> None:
    names = [" ID ", *COLUMNS[:0:-1], "note"]
    found = read_published(table(tmp_path, ",".join(["a", *"987654321", "x"]), header="\ufeff" + ",".join(names)))
    assert found.rows[0]["id"] == "a"
    assert found.rows[0]["metric"] == "9"
    assert found.measured_rows == 0


def test_every_problem_is_told_in_one_run_with_its_line(tmp_path: Path) -> None:
    path = table(tmp_path, f"a,{ROW},80.5", f"a,{ROW},fast", f",{ROW},-3", f"c,{ROW}", f"d,{ROW},nan")
    assert problems(path) == [
        ("PERF032", 3, "the id a stands twice, first in line 2"),
        ("PERF034", 3, "value 'fast' of a is not a number above 0"),
        ("PERF032", 4, "a row has no id"),
        ("PERF034", 4, "value '-3' of  is not a number above 0"),
        ("PERF033", 5, "10 cells under 11 columns"),
        ("PERF034", 6, "value 'nan' of d is not a number above 0"),
    ]


def test_missing_and_doubled_columns_are_named(tmp_path: Path) -> None:
    path = table(tmp_path, header="id,engine,model,model,weight_dtype,gpu,input_tokens,output_tokens,metric")
    assert problems(path) == [
        ("PERF031", 1, "no column gpus, concurrency_or_rate"),
        ("PERF031", 1, "the column model stands twice"),
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is empty"),
        ("\n\n", "is empty"),
        ('{"rows": []}\n', "is not a CSV table with a header"),
        (HEADER + "\n", "has a header and no rows"),
        (HEADER + f'\na,{ROW},1\nb,"vllm', "this is not CSV: unexpected end of data"),
    ],
)
def test_what_is_no_table_is_refused(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "rows.csv"
    path.write_text(text)
    ((code, _, told),) = problems(path)
    assert code == "PERF030"
    assert message in told


def test_a_file_that_is_not_there_or_no_text(tmp_path: Path) -> None:
    assert problems(tmp_path / "none.csv")[0][0] == "IO001"
    (tmp_path / "binary.csv").write_bytes(b"\xff\xfe\x00")
    assert problems(tmp_path / "binary.csv")[0][0] == "IO001"


def test_many_problems_of_one_kind_are_counted(tmp_path: Path) -> None:
    found = problems(table(tmp_path, *(f"a,{ROW}," for _ in range(SHOWN + 31))))
    assert len(found) == SHOWN + 1
    assert found[-1] == ("PERF032", SHOWN + 3, "and 30 more like this from here on")
    assert len(problems(table(tmp_path, *(f"a,{ROW}," for _ in range(SHOWN + 1))))) == SHOWN


def test_predictions_are_a_line_each_in_order() -> None:
    answers: list[PredictedFigure | Unpredictable] = [
        PredictedFigure("a", 1234567.8, 0.00012345678, 2.0, "analytic; assumed 512 input tokens, 256 output tokens"),
        Unpredictable("b", "model x, or y, is not in the catalog", "hint"),
    ]
    text = predictions_text(answers)
    assert text.startswith("id,predicted,low,high,provenance,reason\n")
    assert "\r" not in text
    rows = list(csv.DictReader(io.StringIO(text)))
    assert rows[0] == {
        "id": "a",
        "predicted": "1234570",
        "low": "0.000123457",
        "high": "2",
        "provenance": "analytic; assumed 512 input tokens, 256 output tokens",
        "reason": "",
    }
    assert rows[1]["reason"] == "model x, or y, is not in the catalog"
    assert [rows[1][name] for name in ("predicted", "low", "high", "provenance")] == [""] * 4


@pytest.mark.parametrize(("value", "text"), [(0.1 + 0.2, "0.3"), (98765.4321, "98765.4"), (123456789.0, "123457000")])
def test_six_significant_digits(value: float, text: str) -> None:
    assert six_digits(value) == text
