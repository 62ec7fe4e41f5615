"""What a run asks of the peer, what its answer means, and how the peers stand beside each other. No network is used."""

from __future__ import annotations

import subprocess
import sys
import time
import venv
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from benchmarks.accuracy_peers import Predictor, gaps, lines, roofline, shared, table
from benchmarks.peers import environment
from benchmarks.peers.environment import NoPeer, ask, python_of, read_answers
from benchmarks.peers.questions import BACKENDS, SHAPES, SYSTEMS, Question, figure, question, reason
from measurement.evidence.accuracy import cell_errors
from measurement.evidence.predictions import PredictedFigure
from measurement.evidence.published import PublishedRun, RowReader, Unpredictable
from planner.edges.catalog_files import load_catalog
from planner.performance.roofline import ideal_step, step_clock
from tests.measurement.evidence.scored import SCORED

CATALOG = load_catalog()
DENSE = {
    "id": "own-1",
    "engine": "vllm",
    "engine_version": "0.19.0",
    "model": "meta-llama/Llama-3.3-70B-Instruct",
    "weight_dtype": "fp8",
    "kv_dtype": "fp8",
    "gpu": "H100",
    "gpus": "4",
    "input_tokens": "1000",
    "output_tokens": "200",
    "concurrency_or_rate": "64 concurrent",
    "metric": "tpot_ms_p50",
    "value": "20",
}
SPARSE = {**DENSE, "model": "openai/gpt-oss-120b", "weight_dtype": "mxfp4", "kv_dtype": "", "gpus": "8"}
ANSWER = {"database": "0.24.0", "batch": 64, "ttft_ms": 100.0, "tpot_ms": 10.0, "e2e_ms": 2090.0, "requests_per_s": 3.0}


def run(row: dict[str, str], **changed: str) -> PublishedRun:
    found = RowReader(CATALOG).read({**row, **changed})
    assert isinstance(found, PublishedRun), found
    return found


def asked(row: dict[str, str], **changed: str) -> Question | Unpredictable:
    read = run(row, **changed)
    return question(read, CATALOG.models[read.model], CATALOG.all_gpus[read.gpu])


def parallel(found: Question | Unpredictable) -> tuple[Any, ...]:
    assert isinstance(found, Question), found
    return found.tp_size, found.attention_dp_size, found.moe_tp_size, found.moe_ep_size, found.batch


def told(answer: dict[str, Any], row: dict[str, str], **changed: str) -> PredictedFigure | Unpredictable:
    read = run(row, **changed)
    return figure(read, CATALOG.models[read.model], answer)


def test_a_dense_model_is_asked_for_in_the_words_of_the_peer() -> None:
    found = asked(DENSE)
    assert isinstance(found, Question)
    assert (found.model, found.system, found.backend) == ("meta-llama/Meta-Llama-3.1-70B", "h100_sxm", "vllm")
    assert (found.gemm_quant_mode, found.moe_quant_mode, found.kvcache_quant_mode) == ("fp8", None, "fp8")
    assert (found.isl, found.osl, found.ctx_tokens) == (1000, 200, 1000)
    assert parallel(found) == (4, 1, None, None, 64)


def test_copies_of_an_engine_share_the_clients_and_add_their_rates() -> None:
    copies = {"gpus": "8", "flags": "tp2"}
    assert parallel(asked(DENSE, **copies)) == (2, 1, None, None, 16)
    found = told(ANSWER, DENSE, **copies, metric="output_tok_s")
    assert isinstance(found, PredictedFigure)
    assert found.value == pytest.approx(4 * 3.0 * 200)


def test_experts_are_cut_or_shared_out() -> None:
    assert parallel(asked(SPARSE)) == (8, 1, 8, 1, 64)
    assert parallel(asked(SPARSE, flags="tp8; expert parallel")) == (8, 1, 1, 8, 64)
    assert parallel(asked(SPARSE, flags="tp2; dp4; expert parallel")) == (2, 4, 1, 8, 16)


def test_the_peer_picks_the_kernel_of_mxfp4_itself() -> None:
    found = asked(SPARSE)
    assert isinstance(found, Question)
    assert (found.gemm_quant_mode, found.moe_quant_mode) == ("bfloat16", None)


def test_the_batch_is_open_where_everything_comes_at_once() -> None:
    offline = {"engine": "trt-llm", "concurrency_or_rate": "inf rate", "metric": "output_tok_s"}
    found = asked(DENSE, **offline)
    assert isinstance(found, Question)
    assert (found.batch, found.batch_limit, found.sequence_tokens, found.ctx_tokens) == (None, 2048, 1200.0, 8192)


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"engine": "tgi"}, "engine tgi is unknown to it"),
        ({"gpu": "A10G"}, "GPU A10G is unknown to it"),
        ({"metric": "ttft_ms_p99"}, "no percentiles"),
        ({"metric": "itl_ms_p50"}, "no percentiles"),
        ({"concurrency_or_rate": "4 req/s"}, "no rate of arrivals"),
        ({"concurrency_or_rate": "inf rate", "metric": "ttft_ms"}, "all at once"),
        ({"weight_dtype": "w8a8"}, "format int8"),
    ],
)
def test_what_the_peer_has_no_word_for_is_not_asked(changed: dict[str, str], words: str) -> None:
    found = asked(DENSE, **changed)
    assert isinstance(found, Unpredictable)
    assert words in found.reason


@pytest.mark.parametrize(
    ("metric", "value"),
    [
        ("tpot_ms_p50", 10.0),
        ("ttft_s", 0.1),
        ("e2e_ms", 2090.0),
        ("tok_s_per_user", 100.0),
        ("req_s", 3.0),
        ("output_tok_s", 600.0),
        ("total_tok_s", 3600.0),
        ("output_tok_s_per_gpu", 150.0),
    ],
)
def test_an_answer_is_given_in_the_unit_of_the_row(metric: str, value: float) -> None:
    found = told(ANSWER, DENSE, metric=metric)
    assert isinstance(found, PredictedFigure)
    assert (found.value, found.low, found.high) == pytest.approx((value, value, value))


def test_an_error_and_a_zero_are_no_figures() -> None:
    failed = told({"error": "NotInRelease", "message": "no config of x"}, DENSE)
    assert failed == Unpredictable("own-1", "no config of x")
    assert isinstance(told({**ANSWER, "tpot_ms": 0.0}, DENSE), Unpredictable)


@pytest.mark.parametrize(
    ("error", "message", "words"),
    [
        ("RuntimeError", "OOM: the model 'm' does not fit in GPU memory", "by its memory model the run does not fit"),
        ("PerfDataNotAvailableError", "GEMM perf data missing", "no kernels of this shape or format were measured"),
        ("ValueError", "moe_quant_mode 'x' is unsupported", "it refuses this combination of formats"),
        ("KeyError", "'y'", "KeyError: 'y'"),
    ],
)
def test_errors_of_the_peer_are_counted_by_reason(error: str, message: str, words: str) -> None:
    assert reason(error, message) == words


def test_the_names_are_those_of_the_catalog() -> None:
    assert set(SHAPES) <= set(CATALOG.models)
    assert set(SYSTEMS) <= set(CATALOG.all_gpus)
    assert set(BACKENDS) == {"vllm", "trt-llm", "sglang"}


def test_the_unfitted_roofline_is_the_datasheet() -> None:
    model, gpu = CATALOG.models["llama-3.1-8b-instruct"], CATALOG.all_gpus["L4"]
    ideal = ideal_step(model.architecture, model.precisions()[0], gpu, 1, context_tokens=1000.0)
    clock = step_clock(ideal, roofline())
    assert clock.dense_read_ms == pytest.approx(ideal.dense_read_ms + ideal.head_read_ms)
    assert clock.kv_read_ms_per_token == pytest.approx(ideal.kv_read_ms_per_token)
    assert (clock.overhead_ms, clock.comm_ms_per_step) == (0.0, 0.0)


def test_cells_are_scored_by_their_median_and_compared_over_shared_rows() -> None:
    rows = [replace(SCORED, id=f"a{k}", predicted=100.0 + 10 * k) for k in range(3)]
    other = replace(SCORED, id="b", gpu="L4", predicted=150.0)
    assert list(cell_errors([*rows, other]).values()) == pytest.approx([0.1, 0.5])
    alike = shared({"ours": [*rows, other], "peer": rows})
    assert {name: len(own) for name, own in alike.items()} == {"ours": 3, "peer": 3}
    (line, _) = found = list(lines({"ours": [*rows, other], "peer": rows}, {"tpot": 4}))
    assert (line.rows, line.of, line.cells) == (4, 4, 2)
    assert (line.median_cell, line.macro, line.nine_in_ten) == pytest.approx((0.3, 0.3, 0.46))
    assert list(table(found))[3] == "| TPOT | peer | 3 of 4 | 1 | 10.0 % | 10.0 % | 10.0 % | 1.10 |"


def test_gaps_are_counted_and_those_of_alike_peers_stand_together() -> None:
    told_of = PredictedFigure("a", 1.0, 1.0, 1.0, "")
    some = (told_of, Unpredictable("b", "rare"), Unpredictable("c", "often"), Unpredictable("d", "often"))
    found = list(gaps([Predictor("ours", (told_of,)), Predictor("P 1", some), Predictor("P 2", some)]))
    assert found == ["", "Not covered by P 1 and P 2:", "", "- 2 rows: often", "- 1 row: rare"]


def test_answers_are_one_for_each_question() -> None:
    assert read_answers('{"version": "P 1"}\n{"tpot_ms": 1.0}\n', "", 1).version == "P 1"
    with pytest.raises(NoPeer, match="answered 1 of 2 questions: Killed"):
        read_answers('{"version": "P 1"}\n{"tpot_ms": 1.0}\n', "Killed\n", 2)
    with pytest.raises(NoPeer, match="ended early: ImportError: x"):
        read_answers("", "Traceback\nImportError: x\n", 1)


def test_a_peer_that_cannot_be_installed_is_told_in_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    failed = subprocess.CompletedProcess([], 1, "", "WARNING: retrying\nERROR: no matching distribution\n")
    monkeypatch.setattr(venv, "create", lambda *_, **__: None)
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: failed)
    with pytest.raises(NoPeer, match=r"needs a package index: ERROR: no matching distribution$"):
        python_of("peer==1", tmp_path)


def test_a_peer_that_does_not_answer_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    worker = tmp_path / "worker.py"
    worker.write_text("import time\ntime.sleep(60)\n")
    monkeypatch.setattr(environment, "WORKER", worker)
    monkeypatch.setattr(environment, "ANSWER_S", 0.2)
    began = time.monotonic()
    with pytest.raises(NoPeer, match="did not answer 1 questions"):
        ask(Path(sys.executable), ["{}"])
    assert time.monotonic() - began < 30.0
