"""Scores as tables, Markdown, plain values and a picture."""

from __future__ import annotations

import json
import re
import xml.etree.ElementTree
from dataclasses import replace
from pathlib import Path

import pytest

from measurement.evidence.accuracy import accuracy
from measurement.views.accuracy import accuracy_json, accuracy_markdown, accuracy_view
from measurement.views.accuracy_plot import COLOURS, accuracy_svg
from tests.measurement.evidence.scored import SCORED
from tests.planner.faces.shown import assert_folds, shown
from tests.planner.golden import assert_golden

GOLDEN = Path(__file__).parent / "golden"

ROWS = [
    SCORED,
    replace(SCORED, id="own-2", gpu="L4", predicted=123.4, low=110.0),
    replace(
        SCORED, id="own-3", kind="throughput", source="other", tensor_parallel_size=2, link="pcie4", measured=220.0
    ),
    replace(SCORED, id="own-4", quality="C"),
]
FOUND = accuracy(ROWS, {"not predicted": 2})


@pytest.mark.parametrize("width", [80, 160])
def test_the_scores(width: int) -> None:
    assert_golden(GOLDEN / f"accuracy-{width}.txt", shown(*accuracy_view(FOUND), width=width))


def test_on_every_terminal_lines_fit_and_names_are_whole() -> None:
    long = [
        *ROWS,
        replace(SCORED, id="own-5", source="benchmarks_of_a_team_with_a_long_name", family="mixtral-8x22b-v0.3"),
    ]
    assert_folds(lambda: accuracy_view(accuracy(long, {"not predicted": 2})))


def test_the_terminal_shows_every_table() -> None:
    text = shown(*accuracy_view(FOUND), width=160)
    assert "3 rows scored; left out: 2 not predicted, 1 quality C" in text
    for title in ("All rows", "By GPU", "By link", "By TP", "By model family", "By engine", "By source"):
        assert f"\n{title}" in text
    assert re.search(r"TPOT +L4 +1 +23.4 % +23.4 % +1.23 +0.0 %", text)
    assert "order of" not in text  # of no pair


def test_markdown_holds_well_formed_tables_with_the_macro_error_by_source() -> None:
    text = accuracy_markdown(FOUND)
    tables = [block.splitlines() for block in re.findall(r"(?:^\|.*\n)+", text, flags=re.MULTILINE)]
    assert len(tables) == 8
    for lines in tables:
        assert len({line.count("|") for line in lines}) == 1
        assert set(lines[1]) == {"|", "-"}
    assert "| other | – | 50.0 % |" in text
    assert text.endswith("\n")


def test_scores_say_what_the_fits_did_not_see() -> None:
    told = [
        accuracy_markdown(accuracy(ROWS, held_out=kind)).splitlines()[0] for kind in ("", "cells", "gpus", "sources")
    ]
    assert told[0] == "3 rows scored; left out: 1 quality C"
    assert told[1].startswith("3 rows scored, each by a fit without its cell (model family × GPU); left out")
    assert told[2].startswith("3 rows scored, each by a fit without its GPU; left out")
    assert told[3].startswith("3 rows scored, each by a fit without its source; left out")
    assert accuracy_json(accuracy(ROWS, held_out="gpus"))["held_out"] == "gpus"


def test_json_holds_the_same_as_plain_values() -> None:
    value = json.loads(json.dumps(accuracy_json(FOUND), allow_nan=False))
    assert value["rows"] == 3
    assert value["left_out"] == {"not predicted": 2, "quality C": 1}
    assert value["overall"][0] == {
        "kind": "tpot", "group": "all", "rows": 2, "median": 0.167, "p90": 0.2206, "bias": 1.167, "coverage": 0.5,
    }  # fmt: skip
    assert value["macro"][1]["sources"] == {"other": 0.5}
    nothing = {"kind": "all", "pairs": 0, "agree": 0, "share": None}
    assert value["order"] == [{"choice": "TP", **nothing}, {"choice": "GPU", **nothing}]


def test_the_picture_has_a_point_a_row_and_no_date() -> None:
    text = accuracy_svg(ROWS)
    root = xml.etree.ElementTree.fromstring(text)
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    assert "TPOT (ms), 3 rows" in text
    assert "throughput (tokens/s, req/s), 1 row" in text
    drawn = [len(re.findall(f"<use [^>]*fill: {COLOURS[kind]}", text)) for kind in ("tpot", "throughput", "ttft")]
    assert drawn == [3 + 1, 1 + 1, 0]  # and one in the legend
    assert "<dc:date>" not in text


def test_the_picture_of_the_same_rows_is_the_same() -> None:
    assert accuracy_svg(ROWS) == accuracy_svg(ROWS[::-1])
    assert accuracy_svg([]) == accuracy_svg([])
    assert accuracy_svg(ROWS) != accuracy_svg(ROWS[:1])
