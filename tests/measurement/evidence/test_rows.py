"""Runs that a fit reads: which figures it can hold a prediction against, and what the shipped table is made of."""

from __future__ import annotations

import csv
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest

from measurement.evidence.published import PublishedRun, Unpredictable
from measurement.evidence.rows import FIGURES, deployed_runs, fit_run, fit_runs
from measurement.files.fit_files import load_measurements
from tests.measurement.evidence.rows import ROW, deployed
from tests.measurement.evidence.test_published import CATALOG, READER, read

RAW = Path(__file__).resolve().parents[4] / "shared" / "data" / "benchmarks"
RAW_TABLES = ("measured.csv", "more.csv")


@pytest.mark.parametrize(
    "changed",
    [{"value": ""}, {"quality": "C"}, {"metric": "e2e_ms_mean"}, {"metric": "ttft_ms_p99"}, {"metric": "input_tok_s"},
     {"concurrency_or_rate": "4 req/s"}, {"metric": "itl_ms_p50"}],
)  # fmt: skip
def test_figures_that_a_fit_does_not_read(changed: dict[str, str]) -> None:
    assert fit_run(read()) is not None
    assert fit_run(read(**changed)) is None
    assert fit_runs([read(**changed)]) == ()


@pytest.mark.parametrize(
    ("metric", "value", "figure", "told"),
    [
        ("tpot_ms_p50", "80.5", "tpot", 80.5),
        ("tpot_ms_mean", "80.5", "tpot", 80.5),
        ("tpot_s_mean", "0.0625", "tpot", 62.5),
        ("itl_ms_mean", "80.5", "tpot", 80.5),
        ("ttft_s_p50", "0.25", "ttft", 250.0),
        ("tok_s_user", "12.5", "tpot", 80.0),
        ("output_tok_s", "400", "throughput", 400.0),
        ("output_tok_s_per_gpu", "200", "throughput", 400.0),
        ("output_tok_min", "24000", "throughput", 400.0),
        ("req_s", "2", "throughput", 400.0),
        ("req_min", "120", "throughput", 400.0),
        ("req_s_per_gpu", "1", "throughput", 400.0),
        ("total_tok_s", "2400", "throughput", 400.0),
        ("total_tok_s_per_gpu", "1200", "throughput", 400.0),
    ],
)
def test_a_figure_in_another_unit_becomes_one_that_a_fit_reads(
    metric: str, value: str, figure: Any, told: float
) -> None:
    """Two GPUs, 1,000 tokens in and 200 out: a request is 200 output tokens, and six tokens in all for each of them."""
    run = read(metric=metric, value=value)
    assert (run.gpus, run.input_tokens, run.output_tokens) == (2, 1000.0, 200.0)
    found = fit_run(run)
    assert found is not None
    assert found.value == pytest.approx(told, rel=1e-12)
    assert found == replace(run, figure=FIGURES[figure], value=found.value)
    assert fit_run(found) == found


def test_a_rate_in_several_units_counts_once() -> None:
    requests = read(id="own-0002", metric="req_s", value="2.5")
    total = read(id="own-0003", metric="total_tok_s", value="3000")
    tokens = read(id="own-0004", metric="output_tok_s", value="498")
    elsewhere = read(id="own-0005", metric="req_s", value="2.5", concurrency_or_rate="9 concurrent")
    time = read(id="own-0006")
    assert [run.id for run in fit_runs([requests, total, tokens, elsewhere, time])] == [
        "own-0004",
        "own-0005",
        "own-0006",
    ]
    (alone,) = fit_runs([requests])
    assert (alone.figure, alone.value) == (FIGURES["throughput"], 500.0)


@pytest.mark.parametrize(
    ("changed", "key", "why"),
    [
        ({"model": "gpt-9"}, "model/gpt-9", "gpt-9 is not in the catalog"),
        ({"gpu": "H900"}, "gpu/H900", "H900 is not in the catalog"),
        ({"gpu": "T4", "dense": "mxfp4", "experts": "mxfp4"}, "gpu/T4", "does not run"),
        ({"tensor_parallel_size": 3, "gpus": 3}, "gpu/L4", "which TP 3 does not divide"),
    ],
)
def test_rows_that_cannot_be_used_are_named_gaps(changed: dict[str, Any], key: str, why: str) -> None:
    odd = replace(ROW, **changed)
    found, gaps = deployed_runs([ROW, odd, odd], CATALOG.models, CATALOG.all_gpus)
    assert found == (deployed(ROW),)
    assert [gap.key for gap in gaps] == [key]
    assert gaps[0].message.startswith("2 measured rows are left out: ")
    assert why in gaps[0].message


def test_the_shipped_table_holds_what_a_fit_reads_and_models_of_one_shape_as_one_family() -> None:
    runs = load_measurements(CATALOG)
    families = {run.model: run.family for run in runs}
    assert families["llama-3.3-70b-instruct"] == families["llama-3.1-70b-instruct"] == "llama-3-70b-instruct"
    assert families["qwen3-32b"] == "qwen3-32b"
    assert fit_runs(runs) == runs


@pytest.mark.skipif(not RAW.is_dir(), reason="the raw benchmark rows are not beside this checkout")
def test_the_shipped_table_is_what_the_published_rows_become() -> None:
    """All but what the table has no column for (a family, what was assumed), and a span of days, which is its last.

    How many tokens InferenceX streams together is stated in its recipes and not in the raw rows; the README names them.
    """
    shipped = {run.id: run for run in load_measurements(CATALOG)}
    runs: list[PublishedRun | Unpredictable] = []
    for name in RAW_TABLES:
        with (RAW / name).open(newline="", encoding="utf-8") as file:
            runs += [READER.read(row) for row in csv.DictReader(file)]
    assert [run for run in runs if isinstance(run, Unpredictable)] == []
    made = {run.id: run for run in fit_runs(run for run in runs if isinstance(run, PublishedRun))}
    assert set(made) == set(shipped)
    untold = ("family", "assumed", "date", "stream_interval")
    told = [each.name for each in fields(PublishedRun) if each.name not in untold]
    for key, run in made.items():
        for name in told:
            ours, theirs = getattr(run, name), getattr(shipped[key], name)
            assert ours == (pytest.approx(theirs, rel=1e-5) if isinstance(theirs, float) else theirs), (key, name)
        assert run.date.endswith(shipped[key].date[-2:]), key
    together = {
        (run.source, run.model, run.engine, run.stream_interval)
        for key, run in shipped.items()
        if run.stream_interval != made[key].stream_interval
    }
    assert together == {
        ("aic_inferencex", "minimax-m2.5", "vllm", 20),
        ("aic_inferencex", "deepseek-r1", "sglang", 30),
    }
