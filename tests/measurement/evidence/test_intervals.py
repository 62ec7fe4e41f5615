"""Intervals for sources that no fit saw: who weighs how much, what falls back on what, and what they hold."""

from __future__ import annotations

from dataclasses import replace

import pytest

from measurement.evidence.intervals import (
    LEAST_SOURCES,
    Interval,
    Intervals,
    LoadClass,
    SourceResidual,
    intervals_of,
    load_class,
)
from measurement.evidence.published import PublishedRun, RowReader
from planner.edges.catalog_files import load_catalog

ROW = SourceResidual(("s", "m", "H100"), "tpot", "few", "calibrated", 1.0)


def of_source(source: str, *slowness: float, model: str = "m") -> list[SourceResidual]:
    return [replace(ROW, cell=(source, model, "H100"), slowness=each) for each in slowness]


def whole_of(residuals: list[SourceResidual]) -> Interval:
    """The interval of all rows of the one kind."""
    (whole,) = [i for i in intervals_of(residuals).intervals if i.load is None and i.provenance is None]
    return whole


def test_sources_weigh_equally_however_many_rows_they_have() -> None:
    large = of_source("large", *([1.0] * 900))
    small = [row for k in range(9) for row in of_source(f"small-{k}", 2.0)]
    whole = whole_of([*large, *small])
    assert (whole.rows, whole.sources) == (909, 10)
    assert (whole.low, whole.high) == (1.0, 2.0)
    alone = whole_of(large)
    assert (alone.low, alone.high) == (1.0, 1.0)


def test_cells_of_a_source_weigh_by_the_root_of_their_rows() -> None:
    many = of_source("one", *([1.0] * 100), model="a")  # weight 10
    few = of_source("one", *([3.0] * 1), model="b")  # weight 1: a tenth of the rows' weight, and beyond the upper end
    whole = whole_of([*many, *few])
    assert whole.high == 3.0


def test_a_part_has_an_interval_of_its_own_where_enough_sources_have_such_rows() -> None:
    enough = [row for k in range(LEAST_SOURCES) for row in of_source(f"s{k}", 1.2)]
    short = [replace(row, load="many", slowness=2.0) for row in enough[1:]]
    found = intervals_of([*enough, *short])
    assert found.of("tpot", "few", "calibrated") == (1.0, 1.2)
    assert found.of("tpot", "many", "calibrated") == (1.0, 2.0)  # all loads
    assert found.of("tpot", "alone", "analytic") == (1.0, 2.0)  # all rows of the kind
    assert found.of("ttft", "few", "calibrated") == (1.0, 1.0)  # nothing is known


def test_to_know_less_of_a_gpu_is_no_reason_to_promise_more() -> None:
    told = Intervals(
        [
            Interval("tpot", None, "calibrated", 9, 9, 0.8, 1.5),
            Interval("tpot", None, "analytic", 9, 9, 0.9, 1.2),
            Interval("tpot", None, None, 18, 9, 0.8, 1.4),
        ]
    )
    assert told.of("tpot", "few", "analytic") == (0.9, 1.5)


@pytest.mark.parametrize(
    ("load", "flags", "wanted"),
    [
        ("1 concurrent", "", "alone"),
        ("16 concurrent", "", "few"),
        ("64 concurrent", "", "some"),
        ("256 concurrent", "", "many"),
        ("256 concurrent", "tp1 dp8", "some"),
        ("256 concurrent", "tp1 dp8 ep8", "many"),
        ("4 req/s", "", "full"),
        ("inf rate", "", "full"),
    ],
)
def test_the_load_of_a_run_is_what_one_engine_holds(load: str, flags: str, wanted: LoadClass) -> None:
    run = RowReader(load_catalog()).read(
        {
            "id": "own-1",
            "engine": "vllm",
            "model": "meta-llama/Llama-3.1-8B-Instruct",
            "weight_dtype": "bf16",
            "gpu": "H100-SXM",
            "gpus": "8" if flags else "1",
            "flags": flags,
            "input_tokens": "1000",
            "output_tokens": "200",
            "concurrency_or_rate": load,
            "metric": "tpot_ms_mean",
        }
    )
    assert isinstance(run, PublishedRun)
    assert load_class(run) == wanted
