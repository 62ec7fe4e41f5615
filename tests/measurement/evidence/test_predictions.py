"""Figures of published runs: how they hang together, what bounds them, and when there is none."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from measurement.evidence.engines import engine_key
from measurement.evidence.names import NameMatch, find_gpu
from measurement.evidence.predictions import PredictedFigure, predict_rows
from measurement.evidence.published import PublishedRun, RowReader, Unpredictable
from planner.edges.catalog_files import load_catalog
from planner.edges.performance_files import load_coefficients
from planner.performance.roofline import ideal_step, step_clock

CATALOG = load_catalog()
COEFFICIENTS = load_coefficients()
READER = RowReader(CATALOG)
ROW = {
    "id": "own-1",
    "engine": "vllm",
    "engine_version": "0.33.0",
    "model": "meta-llama/Llama-3.1-8B-Instruct",
    "weight_dtype": "bf16",
    "gpu": "H100-SXM",
    "gpus": "1",
    "input_tokens": "1000",
    "output_tokens": "200",
    "concurrency_or_rate": "16 concurrent",
    "metric": "tpot_ms_mean",
    "flags": "fixed lengths",
}


def ask(*changes: dict[str, str]) -> list[PredictedFigure | Unpredictable]:
    runs = [READER.read(ROW | changed) for changed in changes]
    assert all(isinstance(run, PublishedRun) for run in runs), runs
    return list(predict_rows([run for run in runs if isinstance(run, PublishedRun)], CATALOG, COEFFICIENTS))


def figure(**changed: str) -> PredictedFigure:
    (answer,) = ask(changed)
    assert isinstance(answer, PredictedFigure), answer
    return answer


def value(**changed: str) -> float:
    return figure(**changed).value


def reason(**changed: str) -> str:
    (answer,) = ask(changed)
    assert isinstance(answer, Unpredictable)
    return answer.reason


def test_a_single_stream_runs_at_the_clock_of_its_deployment() -> None:
    model = CATALOG.models["llama-3.1-8b-instruct"]
    ideal = ideal_step(model.architecture, model.precisions()[0], CATALOG.gpus["H100"], 1, context_tokens=1100)
    clock = step_clock(ideal, COEFFICIENTS).slower_by(
        COEFFICIENTS.engines[engine_key("vllm", "0.33.0", "")].step_factor
    )
    assert value(concurrency_or_rate="1 concurrent") == pytest.approx(clock.step_ms(1, 1100), rel=0.01)


def test_times_add_up_to_the_end() -> None:
    first, each = value(metric="ttft_ms_mean"), value(metric="tpot_ms_mean")
    assert value(metric="e2e_ms_mean") == pytest.approx(first + 199 * each, rel=1e-6)
    assert value(metric="e2e_s_mean") == pytest.approx((first + 199 * each) / 1e3, rel=1e-6)


def test_rates_count_the_same_requests() -> None:
    requests = value(metric="req_s")
    assert requests == pytest.approx(16e3 / value(metric="e2e_ms_mean"))
    assert value(metric="output_tok_s") == pytest.approx(200 * requests)
    assert value(metric="total_tok_s") == pytest.approx(1200 * requests)
    assert value(metric="input_tok_s") == pytest.approx(1000 * requests)


def test_a_user_sees_the_inverse_of_the_time_per_token() -> None:
    per_token, per_user = figure(metric="tpot_ms_mean"), figure(metric="tok_s_user")
    assert per_user.value == pytest.approx(1e3 / per_token.value)
    assert per_user.low == pytest.approx(1e3 / per_token.high)


def test_percentiles_are_in_order() -> None:
    for quantity in ("ttft", "e2e"):
        ranked = [value(metric=f"{quantity}_ms_{at}", flags="") for at in ("p50", "p90", "p95", "p99")]
        assert ranked == sorted(ranked)
        assert ranked[0] < ranked[-1]
    assert reason(metric="ttft_ms_p75") == "no such percentile is predicted"


def test_tokens_wait_for_prompts_in_few_steps() -> None:
    varied = {"flags": "random lengths uniform in [0.5,1.0]x nominal"}
    bare, mean, worst = (value(metric=f"itl_ms_{at}", **varied) for at in ("p50", "mean", "p99"))
    assert bare < mean < worst
    assert mean == value(metric="tpot_ms_mean", **varied)
    assert reason(metric="itl_ms_p75") == "no such percentile is predicted"


def test_prompts_of_equal_requests_come_together_in_fewer_than_one_step_of_a_hundred() -> None:
    assert value(metric="itl_ms_p50") == value(metric="itl_ms_p99") < value(metric="itl_ms_mean")


def test_copies_share_clients_and_add_rates() -> None:
    four: dict[str, Any] = {"gpus": "4", "flags": "tp1 dp4; fixed lengths", "concurrency_or_rate": "64 concurrent"}
    assert value(**four) == pytest.approx(value())
    assert value(metric="req_s", **four) == pytest.approx(4 * value(metric="req_s"))
    assert value(metric="req_s_per_gpu", **four) == pytest.approx(value(metric="req_s"))


def test_a_rate_that_is_served_is_the_rate() -> None:
    assert value(metric="req_s", concurrency_or_rate="2 req/s") == 2.0
    slow, fast = (value(metric="tpot_ms_mean", concurrency_or_rate=f"{rate} req/s") for rate in (1, 15))
    assert slow < fast


def test_what_is_offered_beyond_capacity_has_a_rate_and_no_end_of_waiting() -> None:
    flooded = {"concurrency_or_rate": "5000 req/s"}
    assert value(metric="req_s", **flooded) < 500
    assert "wait grows without end" in reason(metric="ttft_ms_p50", **flooded)


def test_prompts_that_come_all_at_once_wait_by_their_number() -> None:
    few, many = (
        value(metric="ttft_ms_mean", concurrency_or_rate=f"inf rate ({n} prompts)", regime="saturation")
        for n in (200, 2000)
    )
    assert many > 3 * few
    assert "depends on their number" in reason(metric="ttft_ms_mean", concurrency_or_rate="inf rate")
    rates = [value(metric="output_tok_s", concurrency_or_rate=text) for text in ("inf rate", "inf rate (2000 prompts)")]
    assert rates[0] == pytest.approx(rates[1], rel=0.3)


def test_places_make_clients_wait() -> None:
    free, queued = (value(metric="ttft_ms_p50", flags=f"fixed lengths; max-num-seqs {n}") for n in (16, 4))
    assert queued > 5 * free


def test_a_full_cache_makes_clients_wait_unless_the_source_says_that_none_did() -> None:
    long: dict[str, Any] = {"input_tokens": "8000", "gpu": "L4", "concurrency_or_rate": "64 concurrent"}
    held = value(metric="ttft_ms_p50", regime="fixed_concurrency", **long)
    assert value(metric="ttft_ms_p50", regime="kv_or_seq_limited", **long) > 2 * held


def test_an_interval_holds_its_figure_and_names_where_it_comes_from() -> None:
    for metric in ("tpot_ms_p50", "ttft_ms_p50", "e2e_ms_mean", "output_tok_s"):
        found = figure(metric=metric)
        assert found.low < found.value < found.high
        assert found.provenance == COEFFICIENTS.provenance("H100")
    assumed = figure(input_tokens="", output_tokens="", concurrency_or_rate="1 stream")
    assert assumed.provenance.endswith("; assumed 512 input tokens, 256 output tokens")


def test_formats_beyond_the_catalog_run_widened_from_ampere_on() -> None:
    assert "nvfp4 widened to 16 bit" in figure(gpu="A100-80G", weight_dtype="nvfp4").provenance
    assert "does not run" in reason(gpu="T4", weight_dtype="nvfp4")


def test_what_does_not_fit_has_no_figure() -> None:
    large = {"model": "meta-llama/Llama-3.1-70B", "gpu": "L4"}
    assert reason(**large).startswith("by the memory model llama-3.1-70b-instruct in bf16 needs")
    assert "which TP 3 does not divide" in reason(gpus="3")


def test_answers_stand_in_the_order_of_their_rows() -> None:
    answers = ask({"id": "a"}, {"id": "b", "gpus": "3"}, {"id": "c", "gpu": "B200"}, {"id": "d"})
    assert [answer.id for answer in answers] == ["a", "b", "c", "d"]
    assert isinstance(answers[1], Unpredictable)
    first, last = answers[0], answers[3]
    assert isinstance(first, PredictedFigure)
    assert isinstance(last, PredictedFigure)
    assert first.value == last.value
    assert predict_rows([], CATALOG, COEFFICIENTS) == ()


def test_engines_that_hold_a_request_to_its_end_serve_no_less_with_more_clients() -> None:
    tight: dict[str, Any] = {"gpu": "A10G", "input_tokens": "200", "output_tokens": "2000", "flags": "ShareGPT"}
    for engine in ("trt-llm", "sglang"):
        rates = [
            value(engine=engine, metric="output_tok_s", concurrency_or_rate=f"{n} concurrent", **tight)
            for n in (8, 32, 128, 512)
        ]
        assert all(more >= 0.97 * fewer for fewer, more in pairwise(rates)), rates


def test_other_engines_than_vllm_are_analytic_and_their_intervals_no_narrower() -> None:
    own, other = figure(metric="tpot_ms_p50"), figure(metric="tpot_ms_p50", engine="sglang")
    assert (own.provenance, other.provenance) == ("calibrated", "analytic")
    assert other.high / other.value >= own.high / own.value


def test_a_deployment_that_the_memory_model_refuses_keeps_a_cache_of_what_its_weights_leave() -> None:
    """Phi-4 has ten KV heads, which TP 8 does not divide; somebody who measured it found a way."""
    odd: dict[str, Any] = {"model": "microsoft/phi-4", "gpu": "A100-80G", "gpus": "8", "metric": "output_tok_s"}
    many, few = (value(concurrency_or_rate=f"{n} concurrent", **odd) for n in (64, 8))
    assert many > 3 * few
    assert value(concurrency_or_rate="500 req/s", **odd) > many
    tight: dict[str, Any] = {"model": "meta-llama/Llama-2-7b-hf", "gpu": "T4", "input_tokens": "3000"}
    alone, crowded = (value(concurrency_or_rate=f"{n} concurrent", **tight) for n in (1, 256))
    assert crowded < 10 * alone
    assert reason(model="deepseek-ai/DeepSeek-R1", gpus="8", weight_dtype="fp8").startswith("by the memory model")


@pytest.mark.parametrize("gpu", ["T4", "A10G", "L4", "L40S", "RTX PRO 6000", "H100-PCIe", "A100-40G", "B200"])
def test_figures_stay_within_the_datasheet_and_in_order(gpu: str) -> None:
    """More clients: more tokens a second and no shorter steps; twice the GPUs: no more than twice the speed."""
    clients, known = (1, 4, 16, 64, 256, 1024), CATALOG.all_gpus
    named = find_gpu(gpu, "", known, {})
    assert isinstance(named, NameMatch)
    card = known[named.key]
    shape = CATALOG.models["qwen3-4b"].architecture
    bare: dict[str, str] = {"model": "Qwen/Qwen3-4B", "gpu": gpu, "regime": "fixed_concurrency", "flags": ""}
    rows = [
        bare | {"gpus": str(ranks), "concurrency_or_rate": f"{n} concurrent", "metric": metric}
        for ranks in (1, 2, 4, 8)
        for metric in ("tpot_ms_p50", "output_tok_s")
        for n in clients
    ]
    found = np.array([each.value for each in ask(*rows) if isinstance(each, PredictedFigure)]).reshape(
        4, 2, len(clients)
    )
    tpot, rate = found[:, 0], found[:, 1]
    assert np.all(tpot[:, 1:] >= 0.97 * tpot[:, :-1])
    assert np.all(rate[:, 1:] >= 0.97 * rate[:, :-1])
    ranks = np.array([[1], [2], [4], [8]])
    reading = 1e3 * 2 * shape.dense_params / ranks / (card.bandwidth_gb_per_s * 1e9)
    assert np.all(tpot > reading)
    most = ranks * card.tflops["fp16"] * 1e12 / (2 * shape.dense_params) * 200 / 1200
    assert np.all(rate < most)
    assert np.all(tpot[:-1] < 2.1 * tpot[1:])
    assert np.all(rate[1:] < 2.1 * rate[:-1])


def test_a_context_beyond_the_models_has_no_figure() -> None:
    most = CATALOG.models["llama-3.1-8b-instruct"].max_context
    told = reason(input_tokens=str(most), output_tokens="200", concurrency_or_rate="1 concurrent")
    assert told == f"llama-3.1-8b-instruct takes at most {most} tokens of context, {most + 200} are asked for"
    assert value(input_tokens=str(most - 200), output_tokens="200", concurrency_or_rate="1 concurrent") > 0.0


def test_one_engine_over_several_nodes_has_no_figure() -> None:
    assert reason(gpus="16", flags="tp16") == "one engine over 16 GPUs spans several nodes, which are not modelled"
    assert value(gpus="16", flags="tp8") > 0.0


def test_a_run_at_a_rate_is_poisson_arrivals_and_no_closed_loop() -> None:
    """Qwen3-32B on one PCIe A100 at 0.6 requests/s: a p99 of 481 ms was measured, and a closed loop said 1,052 ms."""
    row = {
        "model": "Qwen/Qwen3-32B",
        "gpu": "A100-PCIE-80G",
        "input_tokens": "512",
        "output_tokens": "256",
        "concurrency_or_rate": "0.6 req/s",
        "metric": "ttft_ms_p99",
        "flags": "tp1; enforce eager; fixed lengths",
    }
    assert value(**row) == pytest.approx(481.0, rel=0.3)


def test_every_figure_says_so_when_more_is_offered_than_is_served() -> None:
    flooded = {"concurrency_or_rate": "5000 req/s", "regime": ""}
    for metric in ("tpot_ms_p50", "itl_ms_p99", "req_s", "output_tok_s"):
        assert "more is offered than the" in figure(metric=metric, **flooded).provenance
    finite = figure(metric="ttft_ms_p50", concurrency_or_rate="5000 req/s, 2000 prompts")
    assert "more is offered than the" in finite.provenance
    assert "more is offered" not in figure(metric="req_s", concurrency_or_rate="2 req/s").provenance


def test_a_stated_number_of_prompts_counts_the_last_answers_too() -> None:
    """Eight in flight and ten prompts: the last two run with few others, so that the rate of the run is lower."""
    wide: dict[str, Any] = {"metric": "output_tok_s", "flags": "random lengths uniform in [0.01,1.0]x nominal"}
    steady, short, long = (
        value(concurrency_or_rate=text, **wide)
        for text in ("8 concurrent", "8 concurrent, 10 prompts", "8 concurrent, 800 prompts")
    )
    assert short < 0.85 * steady
    assert long == pytest.approx(steady, rel=0.1)
    assert value(metric="tpot_ms_p50", concurrency_or_rate="64 concurrent, 4 prompts") == pytest.approx(
        value(metric="tpot_ms_p50", concurrency_or_rate="4 concurrent, 4 prompts")
    )


def test_the_median_of_the_first_token_is_a_median_where_lengths_differ_widely() -> None:
    alike, wide = (
        [value(metric=f"ttft_ms_{at}", flags=flags) for at in ("p50", "mean")]
        for flags in ("random lengths uniform in [0.8,1.0]x nominal", "random lengths uniform in [0.01,1.0]x nominal")
    )
    assert alike[0] == alike[1]
    assert wide[0] < 0.9 * wide[1]


def test_copies_of_the_attention_hold_more_and_read_less_of_a_latent_cache() -> None:
    """DeepSeek R1: a latent vector is whole on every rank, so that eight copies of the attention hold eight times as
    many sequences, and each rank reads those of its own alone."""
    row: dict[str, Any] = {
        "engine": "trt-llm",
        "model": "deepseek-ai/DeepSeek-R1-0528",
        "weight_dtype": "fp8",
        "gpu": "H200",
        "gpus": "8",
        "input_tokens": "1024",
        "output_tokens": "8192",
        "concurrency_or_rate": "inf rate",
        "regime": "saturation",
        "metric": "output_tok_s",
    }
    cut = value(**row | {"flags": "tp8"})
    copied = value(**row | {"flags": "tp8; attention dp; ep"})
    assert copied > 2.0 * cut
    assert copied == pytest.approx(9744.0, rel=0.8)  # measured; the cut one is less than half of it
    assert cut < 0.6 * 9744.0
    dense = {"model": "meta-llama/Llama-3.1-70B", "weight_dtype": "bf16", "engine": "vllm", "input_tokens": "1000"}
    assert value(**row | dense | {"flags": "tp8; ep"}) == value(**row | dense | {"flags": "tp8"})
