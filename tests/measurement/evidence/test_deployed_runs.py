"""A run on its GPU has the limits of its engine, the formats of its checkpoint and the cache of its memory."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest

from measurement.evidence.deployed_runs import DeployedRun, deployed_run, stored_quantization
from measurement.evidence.engines import batch_limit, step_tokens
from measurement.evidence.published import Unpredictable
from planner.performance.memory import MemoryFit, memory_fit
from tests.measurement.evidence.rows import CATALOG, ROW, deployed


@pytest.mark.parametrize("engine", ["vllm", "trt-llm", "sglang", "tgi"])
@pytest.mark.parametrize("offline", [False, True])
def test_limits_are_the_engine_s_own_where_none_are_stated(engine: Any, offline: bool) -> None:
    row = replace(ROW, engine=engine, offline=offline, input_tokens=10.0, output_tokens=10.0)
    found, gpu = deployed(row), CATALOG.gpus["L4"]
    assert found.step_tokens == step_tokens(engine, gpu, row.engine_version, row.date, offline)
    assert found.places == batch_limit(engine, gpu, row.engine_version, row.date)
    stated = deployed(replace(row, max_num_batched_tokens=512, max_num_seqs=7))
    assert (stated.step_tokens, stated.places) == (512, 7)
    # Short requests that come all at once: the limit of the batch binds, and not the cache.
    assert deployed(replace(row, concurrency=None, regime="saturation")).places == found.places


def test_a_run_whose_source_says_that_none_waited_has_all_the_cache_that_it_needs() -> None:
    assert deployed(ROW).kv_tokens == math.inf
    limited = deployed(replace(ROW, regime="kv_or_seq_limited"))
    assert 10_000 < limited.kv_tokens < 100_000


def test_a_saturated_run_holds_what_fits_the_cache() -> None:
    row = replace(ROW, concurrency=None, regime="saturation", input_tokens=8000.0, output_tokens=100.0)
    model = CATALOG.models[row.model]
    fit = memory_fit(
        model, stored_quantization(model, "bf16", "bf16"), CATALOG.gpus["L4"], tensor_parallel_size=1, max_num_seqs=64,
        max_model_len=1, gpu_memory_utilization=0.9,
    )  # fmt: skip
    assert isinstance(fit, MemoryFit)
    assert deployed(row).places == int(fit.sequences(8050.0))
    assert 1 < deployed(row).places < 10
    assert deployed(replace(row, gpu_memory_utilization=0.95)).places > deployed(row).places


def test_tensorrt_llm_reserves_the_whole_answer_and_the_others_take_blocks_as_they_go() -> None:
    row = replace(ROW, concurrency=None, regime="saturation", input_tokens=500.0, output_tokens=4000.0)
    own = replace(row, engine="trt-llm", engine_version="1.2.0", gpu_memory_utilization=0.9)
    assert deployed(own).places < 0.7 * deployed(replace(row, gpu_memory_utilization=0.9)).places


def test_copies_of_an_engine_are_as_many_engines() -> None:
    four = deployed(replace(ROW, gpus=4, data_parallel_size=4))
    assert (four.engines, four.places) == (4, deployed(ROW).places)
    assert four.ideal == deployed(ROW).ideal


def test_what_a_figure_rests_on_is_told() -> None:
    assert deployed(ROW).assumed == ()
    assert deployed(replace(ROW, assumed=("512 input tokens",), dense="nvfp4", experts="nvfp4")).assumed == (
        "512 input tokens",
        "nvfp4 widened to 16 bit",
    )


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"input_tokens": 1e6}, "takes at most 131072 tokens of context"),
        ({"gpu": "T4", "dense": "nvfp4", "experts": "nvfp4"}, "does not run"),
        ({"tensor_parallel_size": 3, "gpus": 3}, "which TP 3 does not divide"),
        ({"tensor_parallel_size": 16, "gpus": 16}, "spans several nodes"),
        ({"model": "llama-3.3-70b-instruct"}, "by the memory model llama-3.3-70b-instruct in bf16 needs"),
    ],
)
def test_a_run_that_no_engine_could_have_served_says_why(changed: dict[str, Any], reason: str) -> None:
    run = replace(ROW, **changed)
    found = deployed_run(run, CATALOG.models[run.model], CATALOG.all_gpus[run.gpu])
    assert isinstance(found, Unpredictable)
    assert reason in found.reason
    assert found.id == ROW.id
    assert isinstance(deployed_run(ROW, CATALOG.models[ROW.model], CATALOG.all_gpus[ROW.gpu]), DeployedRun)


def test_formats_are_the_checkpoint_s_recipe_where_that_is_known() -> None:
    """gpt-oss keeps its attention in 16 bit: a row that says so is that checkpoint, with all that it keeps."""
    model = CATALOG.models["gpt-oss-120b"]
    shipped = model.precision("mxfp4")
    assert shipped is not None
    assert stored_quantization(model, shipped.dense, "mxfp4") == shipped
    other = stored_quantization(CATALOG.models["qwen3-32b"], "bf16", "int8")
    assert (other.dense, other.experts) == ("bf16", "int8")


def test_the_pcie_card_is_measured_but_not_sold() -> None:
    card = CATALOG.all_gpus["A100-80GB-PCIe"]
    assert card.link == "pcie4"
    assert card.bandwidth_gb_per_s < CATALOG.gpus["A100-80GB"].bandwidth_gb_per_s
    assert "A100-80GB-PCIe" not in CATALOG.gpus
