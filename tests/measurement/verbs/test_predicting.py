"""`perf predict` and `perf accuracy` as commands."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from pathlib import Path

import pytest

from measurement.evidence.fit import UNKNOWNS
from measurement.evidence.published import COLUMNS
from tests.planner.cli.command import spillway

COMMON = "vllm,Qwen/Qwen3-32B,bf16"
HEADER = ",".join((*COLUMNS, "value", "quality", "source_group"))
ROWS = (
    f"a,{COMMON},H100-SXM,2,1024,512,16 concurrent,tpot_ms_p50,22.5,A,own",
    f"b,{COMMON},H100-SXM,4,1024,512,16 concurrent,tpot_ms_p50,14.1,A,own",
    f"c,{COMMON},L40S,4,1024,512,16 concurrent,output_tok_s,300,B,own",
    f"d,{COMMON},MI300X,4,1024,512,16 concurrent,output_tok_s,300,A,own",
    f"e,{COMMON},H100-SXM,4,1024,512,16 concurrent,ttft_ms_p50,,A,own",
    f"f,{COMMON},H100-SXM,4,1024,512,16 concurrent,ttft_ms_p50,100,C,own",
)


@pytest.fixture
def table(tmp_path: Path) -> Path:
    path = tmp_path / "rows.csv"
    path.write_text("\n".join((HEADER, *ROWS)) + "\n")
    return path


def test_a_line_for_each_row_and_the_gaps_on_stderr(table: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.csv"
    ended = spillway("perf", "predict", str(table), "-o", str(out))
    assert (ended.status, ended.out) == (0, "")
    with out.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["id"] for row in rows] == list("abcdef")
    assert list(rows[0]) == ["id", "predicted", "low", "high", "provenance", "reason"]
    assert rows[3]["reason"] == "GPU MI300X is not in the catalog"
    for row in rows[:3] + rows[4:]:
        assert float(row["low"]) < float(row["predicted"]) < float(row["high"])
        assert row["provenance"] in ("measured", "calibrated", "analytic")
    assert ended.err.splitlines()[0] == "predicted 5 of 6 rows (83.3%)"
    assert "1 row: GPU MI300X is not in the catalog" in ended.err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out.csv", "rows.csv"]


def test_a_dash_prints_the_same(table: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.csv"
    spillway("perf", "predict", str(table), "-o", str(out))
    assert spillway("perf", "predict", str(table), "-o", "-").out == out.read_text()


def test_the_table_that_is_read_is_never_written_over(table: Path) -> None:
    before = table.read_text()
    ended = spillway("perf", "predict", str(table), "-o", str(table))
    assert ended.status == 2
    assert "error[IO002]" in ended.err
    assert table.read_text() == before


def test_bad_input_writes_nothing(tmp_path: Path) -> None:
    table, out = tmp_path / "rows.csv", tmp_path / "out.csv"
    table.write_text("\n".join((HEADER, ROWS[0], ROWS[0], ROWS[1].replace("14.1", "fast"))) + "\n")
    for arguments in (["predict", str(table), "-o", str(out)], ["accuracy", str(table), "--json", str(out)]):
        ended = spillway("perf", *arguments)
        assert ended.status == 2
        assert "error[PERF032]: the id a stands twice, first in line 2" in ended.err
        assert f"--> {table}:4:1" in ended.err
        assert not out.exists()


def test_scores_as_tables_and_files(table: Path, tmp_path: Path) -> None:
    paths = [tmp_path / name for name in ("scores.json", "scores.md", "scores.svg")]
    options = [str(part) for pair in zip(("--json", "--markdown", "--plot"), paths, strict=True) for part in pair]
    ended = spillway("perf", "accuracy", str(table), *options)
    assert ended.status == 0
    assert "3 rows scored" in ended.out
    assert "By GPU" in ended.out
    value = json.loads(paths[0].read_text())
    assert value["rows"] == 3
    assert value["left_out"] == {"not predicted": 1, "quality C": 1, "without a measured value": 1}
    assert value["order"][0]["pairs"] == 1
    assert paths[1].read_text().startswith("3 rows scored")
    assert paths[2].read_text().startswith("<?xml")
    again = [path.read_text() for path in paths]
    spillway("perf", "accuracy", str(table), *options)
    assert [path.read_text() for path in paths] == again


def test_accuracy_needs_something_measured(tmp_path: Path) -> None:
    table = tmp_path / "rows.csv"
    table.write_text("\n".join((HEADER, ROWS[4])) + "\n")
    ended = spillway("perf", "accuracy", str(table))
    assert ended.status == 2
    assert "error[PERF035]" in ended.err


def test_held_out_scores_need_a_table_that_can_be_fitted(table: Path, tmp_path: Path) -> None:
    ended = spillway("perf", "accuracy", str(table), "--held-out", "cells", "--json", str(tmp_path / "scores.json"))
    assert ended.status == 2
    assert f"error[PERF036]: 3 rows of 2 GPUs can be fitted; it takes {len(UNKNOWNS)} rows of two GPUs" in ended.err
    assert not (tmp_path / "scores.json").exists()


def test_held_out_scores_of_a_table_say_so(tmp_path: Path) -> None:
    """Sixteen rows on each of three GPUs, made up; three fits and as many more without a GPU."""
    rows = [
        f"{gpu}-{metric}-{n},{COMMON},{gpu},{ranks},1024,512,{n} concurrent,{metric},{value * n**power:.1f},A,own"
        for gpu, ranks, scale in (("H100-SXM", 2, 1.0), ("A100-80G", 4, 1.3), ("L40S", 8, 2.0))
        for metric, value, power in (("tpot_ms_p50", 14.0 * scale, 0.2), ("output_tok_s", 60.0 / scale, 0.8))
        for n in (1, 2, 4, 8, 16, 32, 64, 128)
    ]
    table, scores = tmp_path / "rows.csv", tmp_path / "scores.json"
    table.write_text("\n".join((HEADER, *rows)) + "\n")
    ended = spillway("perf", "accuracy", str(table), "--held-out", "gpus", "--json", str(scores))
    assert ended.status == 0, ended.err
    assert ended.out.startswith("48 rows scored, each by a fit without its GPU\n")
    assert "fitting 3 times without each GPU" in ended.err
    assert json.loads(scores.read_text())["held_out"] == "gpus"


def test_predicting_loads_neither_the_fit_nor_the_plot() -> None:
    slow = {"scipy", "matplotlib", "highspy", "numba"}
    code = f"import sys, measurement.verbs.predicting; print(*sorted({slow} & set(sys.modules)))"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert loaded.stdout.split() == []
