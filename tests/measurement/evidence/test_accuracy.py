"""Scores of predictions, checked on figures that can be counted by hand."""

from __future__ import annotations

from dataclasses import astuple, replace
from typing import Any

import pytest

from measurement.evidence.accuracy import ChoiceOrder, ScoredRow, accuracy, scored_row
from measurement.evidence.predictions import PredictedFigure
from measurement.evidence.published import PublishedRun, RowReader
from planner.edges.catalog_files import load_catalog
from tests.measurement.evidence.scored import SCORED


def row(key: str, predicted: float, measured: float = 100.0, **changed: Any) -> ScoredRow:
    low, high = 0.9 * predicted, 1.1 * predicted
    return replace(SCORED, id=key, predicted=predicted, low=low, high=high, measured=measured, **changed)


def test_errors_bias_and_coverage() -> None:
    found = accuracy([row("a", 90.0), row("b", 100.0), row("c", 150.0)])
    (score,) = found.overall
    assert (score.kind, score.group, score.rows) == ("tpot", "all", 3)
    assert astuple(score)[3:] == pytest.approx((0.1, 0.42, 1.0, 1 / 3))


def test_macro_is_the_mean_of_sources_of_the_mean_of_cells_of_the_median_in_a_cell() -> None:
    rows = [
        *(row(f"a{k}", 110.0, source="large") for k in range(50)),
        row("b1", 130.0, source="large", gpu="L4"),
        row("b2", 150.0, source="large", gpu="L4"),
        row("b3", 190.0, source="large", gpu="L4"),
        row("c", 160.0, source="small", family="qwen"),
    ]
    (macro,) = accuracy(rows).macro
    assert macro.sources == {"large": pytest.approx((0.1 + 0.5) / 2), "small": pytest.approx(0.6)}
    assert macro.error == pytest.approx(0.45)
    assert macro.plain == pytest.approx((0.1 + 0.5 + 0.6) / 3)
    assert macro.middle == pytest.approx(0.5)
    assert macro.nine == pytest.approx(0.5 + 0.8 * (0.6 - 0.5))
    assert macro.cells == 3


def test_weak_and_queued_rows_are_left_out_and_counted() -> None:
    rows = [row("a", 100.0), row("b", 900.0, quality="C"), row("c", 900.0, regime="kv_or_seq_limited")]
    found = accuracy(rows, {"not predicted": 4, "without a measured value": 0})
    assert found.rows == 1
    assert found.left_out == {"not predicted": 4, "quality C": 1, "queued for cache or batch places": 1}
    assert found.overall[0].median == 0.0


def test_every_row_stands_in_one_group_of_each_table() -> None:
    rows = [
        row("a", 100.0),
        row("b", 120.0, kind="ttft", gpu="L4"),
        row("c", 120.0, tensor_parallel_size=16, link="pcie4"),
        row("d", 120.0, tensor_parallel_size=2, engine="tgi"),
    ]
    found = accuracy(rows)
    assert set(found.tables) == {"GPU", "link", "TP", "model family", "engine", "source"}
    for scores in found.tables.values():
        assert sum(score.rows for score in scores) == 4
    assert [(score.kind, score.group) for score in found.tables["TP"]] == [
        ("tpot", "1"), ("tpot", "2"), ("tpot", "16"), ("ttft", "1"),
    ]  # fmt: skip


def test_the_order_of_tp_choices_counts_clear_pairs_of_one_setting() -> None:
    rows = [
        row("a1", 50.0, measured=100.0, tensor_parallel_size=1),
        row("a2", 40.0, measured=80.0, tensor_parallel_size=2),
        row("a4", 45.0, measured=60.0, tensor_parallel_size=4),
        row("a8", 10.0, measured=62.0, tensor_parallel_size=8),
        row("b2", 1.0, measured=900.0, tensor_parallel_size=2, setting="other"),
        row("c1", 9.0, measured=10.0, tensor_parallel_size=1, kind="throughput"),
        row("c2", 8.0, measured=20.0, tensor_parallel_size=2, kind="throughput"),
    ]
    # Pairs of TP 1, 2, 4, 8: all but (4, 8) are clear, and (2, 4) is the wrong way round.
    found = [order for order in accuracy(rows).order if order.choice == "TP"]
    assert found == [
        ChoiceOrder("TP", None, 6, 4),
        ChoiceOrder("TP", "tpot", 5, 4),
        ChoiceOrder("TP", "throughput", 1, 0),
    ]
    assert [order.pairs for order in accuracy(rows[:1]).order] == [0, 0]


def test_the_order_of_gpu_choices_counts_pairs_that_differ_in_the_gpu_alone() -> None:
    rows = [
        row("a", 50.0, measured=100.0, gpu="L4"),
        row("b", 40.0, measured=80.0, gpu="H100"),
        row("c", 60.0, measured=60.0, gpu="B200"),
        row("d", 1.0, measured=900.0, gpu="L40S", tensor_parallel_size=2),
    ]
    (whole,) = [order for order in accuracy(rows).order if order.choice == "GPU" and order.kind is None]
    assert (whole.pairs, whole.agree) == (3, 1)


def test_a_run_and_its_prediction_become_a_row() -> None:
    catalog = load_catalog()
    words = {
        "id": "own-7",
        "engine": "vllm",
        "model": "Qwen/Qwen3-32B",
        "weight_dtype": "bf16",
        "gpu": "L40S",
        "gpus": "4",
        "input_tokens": "1000",
        "output_tokens": "200",
        "concurrency_or_rate": "8 concurrent",
        "metric": "req_s",
        "value": "2.5",
    }
    reader = RowReader(catalog)
    run, alone = reader.read(words), reader.read(words | {"gpus": "1", "value": ""})
    assert isinstance(run, PublishedRun)
    assert isinstance(alone, PublishedRun)
    made = scored_row(run, PredictedFigure("own-7", 2.0, 1.5, 2.4, "analytic"), catalog.gpus["L40S"])
    assert (made.kind, made.link, made.tensor_parallel_size, made.measured) == ("throughput", "pcie4", 4, 2.5)
    assert not made.is_covered
    assert (
        made.setting
        == scored_row(replace(alone, value=1.0), PredictedFigure("", 1, 1, 1, ""), catalog.gpus["L40S"]).setting
    )
    with pytest.raises(ValueError, match="no measured value"):
        scored_row(alone, PredictedFigure("own-7", 2.0, 1.5, 2.4, "analytic"), catalog.gpus["L40S"])
