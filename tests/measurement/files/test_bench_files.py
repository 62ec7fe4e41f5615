"""Benchmark files of four tools: known by their content, completed, refused with the reason, all in one run."""

from __future__ import annotations

import contextlib
import json
import shutil
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from measurement.calibration.runs import BenchRun, OwnRun
from measurement.files.bench_files import Reading, read_benchmarks
from planner.edges.catalog_files import load_catalog
from planner.words.diagnostics import Problem, Problems

SAMPLES = Path(__file__).parent / "bench_samples"
REAL = Path(__file__).resolve().parents[4] / "shared" / "data" / "bench_samples"
INFERENCE_PERF = "inference_perf/summary_lifecycle_metrics.json"
STAGE = "inference_perf/stage_0_lifecycle_metrics.json"
REPORTS = {
    "vllm.json": "vllm bench serve",
    "guidellm.json": "GuideLLM",
    "aiperf.json": "AIPerf",
    INFERENCE_PERF: "inference-perf",
    STAGE: "inference-perf",
}
OPTIONS = {"gpu": "L4", "tensor_parallel_size": "1", "quantization": "fp8"}


def read(*paths: Path, options: Mapping[str, str] = OPTIONS) -> Reading:
    return read_benchmarks(paths, options, load_catalog())


def refused(*paths: Path, options: Mapping[str, str] = OPTIONS) -> tuple[Problem, ...]:
    with pytest.raises(Problems) as caught:
        read(*paths, options=options)
    assert caught.value.exit_code == 2
    assert all(p.where.line >= 1 if p.where else p.code == "IO001" for p in caught.value.problems)
    return caught.value.problems


def codes(*paths: Path, options: Mapping[str, str] = OPTIONS) -> list[str]:
    return [problem.code for problem in refused(*paths, options=options)]


def bent(folder: Path, sample: str, change: Callable[[Any], object], name: str = "") -> Path:
    """A sample with something changed, in a folder of its own with its configuration."""
    folder.mkdir(exist_ok=True)
    document = json.loads((SAMPLES / sample).read_text())
    change(document)
    path = folder / (name or Path(sample).name)
    path.write_text(json.dumps(document))
    if sample.startswith("inference_perf"):
        shutil.copy(SAMPLES / "inference_perf" / "config.yaml", folder)
    return path


@pytest.mark.parametrize(("sample", "tool"), REPORTS.items(), ids=list(REPORTS))
def test_each_tool_tells_the_same_run(sample: str, tool: str) -> None:
    (found,) = read(SAMPLES / sample).runs
    run = found.run
    assert run.tool == tool
    assert (run.concurrency, run.rate_per_s, run.completed, run.failed) == (8, None, 160, 0)
    assert run.input_tokens == pytest.approx(1024, abs=1)
    assert run.output_tokens == pytest.approx(128)
    assert found.figures()["tpot"] == pytest.approx(61.5, rel=0.001)
    assert found.figures()["ttft"] == pytest.approx(742.0, rel=0.001)
    assert run.in_flight == pytest.approx(7.9, abs=0.1)
    assert str(found.deployment) == "llama-3.1-8b-instruct (fp8) on 1 × L4"
    assert found.deployment.engine_version == ("0.33.0" if tool == "vllm bench serve" else "")


def test_tpot_goes_by_the_tokens_that_the_server_counted() -> None:
    """AIPerf and inference-perf count 121 tokens where the server made 128; the time between them is the same."""
    aiperf = json.loads((SAMPLES / "aiperf.json").read_text())
    assert aiperf["inter_token_latency"]["p50"] > 1.05 * 61.5
    perf = json.loads((SAMPLES / INFERENCE_PERF).read_text())
    assert perf["successes"]["latency"]["time_per_output_token"]["median"] > 1.05 * 0.0615


def test_files_are_known_by_content_and_not_by_name(tmp_path: Path) -> None:
    for number, sample in enumerate(("vllm.json", "guidellm.json", "aiperf.json")):
        shutil.copy(SAMPLES / sample, tmp_path / f"result-{number}.txt")
    found = read(*sorted(tmp_path.iterdir()))
    assert [each.tool for each in found.files] == ["vllm bench serve", "GuideLLM", "AIPerf"]


def test_a_folder_is_its_json_files_and_a_run_counts_once(tmp_path: Path) -> None:
    for name in ("one.json", "two.json"):
        shutil.copy(SAMPLES / "vllm.json", tmp_path / name)
    shutil.copy(SAMPLES / "guidellm.json", tmp_path / "three.json")
    found = read(tmp_path, tmp_path / "one.json")
    assert [each.file for each in found.files] == ["one.json", "three.json", "two.json"]
    assert len(found.runs) == 2
    assert found == read(tmp_path)


def test_several_results_in_one_file_are_several_runs(tmp_path: Path) -> None:
    """--append-result writes one object a line."""
    sample = json.loads((SAMPLES / "vllm.json").read_text())
    other = {**sample, "median_tpot_ms": 63.0}
    (tmp_path / "appended.json").write_text(json.dumps(sample) + "\n" + json.dumps(other))
    assert sorted(run.figures()["tpot"] for run in read(tmp_path / "appended.json").runs) == [61.5, 63.0]


def test_of_a_sweep_the_saturated_run_is_left_out_with_a_warning(tmp_path: Path) -> None:
    def sweep(report: Any) -> None:
        last = json.loads(json.dumps(report["benchmarks"][0]))
        last["config"]["strategy"] = {"type_": "throughput", "max_concurrency": 512}
        report["benchmarks"].append(last)

    path = bent(tmp_path, "guidellm.json", sweep)
    found = read(path)
    assert [run.run.part for run in found.runs] == ["benchmark 1"]
    assert [(problem.code, problem.severity) for problem in found.warnings] == [("CAL012", "warning")]
    assert found.warnings[0].message.startswith("benchmark 2: ")

    def only_saturated(report: Any) -> None:
        sweep(report)
        report["benchmarks"] = report["benchmarks"][1:] * 2

    assert set(codes(bent(tmp_path, "guidellm.json", only_saturated))) == {"CAL012"}


def test_a_file_may_say_itself_what_it_ran_on(tmp_path: Path) -> None:
    """The sample carries `--metadata gpu=L4 tensor_parallel_size=1 quantization=fp8`."""
    assert len(read(SAMPLES / "vllm.json", options={}).runs) == 1
    assert codes(SAMPLES / "guidellm.json", options={}) == ["CAL003"] * 3
    assert codes(SAMPLES / "vllm.json", options={**OPTIONS, "gpu": "A10G"}) == ["CAL004"]


@pytest.mark.parametrize("name", ["guidellm.yaml", "deployment.yaml"])
def test_a_note_beside_a_file_says_what_it_ran_on(tmp_path: Path, name: str) -> None:
    shutil.copy(SAMPLES / "guidellm.json", tmp_path)
    (tmp_path / name).write_text("gpu: L4\ntensor_parallel_size: 1\nquantization: fp8\n")
    (found,) = read(tmp_path / "guidellm.json", options={}).runs
    assert found.deployment.gpu.key == "L4"
    (tmp_path / name).write_text("- L4\n")
    assert "CAL002" in codes(tmp_path / "guidellm.json", options={})
    (tmp_path / name).write_text("gpu: [L4\n")
    assert "CAL001" in codes(tmp_path / "guidellm.json", options={})


@pytest.mark.parametrize("sample", REPORTS)
@pytest.mark.parametrize(
    "drafting",
    [
        "speculative_config: {method: mtp, num_speculative_tokens: 1}\n",
        "args: [--speculative-config, '{\"method\": 1}']\n",
    ],
)
def test_drafted_tokens_are_refused_for_every_tool(tmp_path: Path, sample: str, drafting: str) -> None:
    path = bent(tmp_path, sample, lambda _: None)
    (tmp_path / "deployment.yaml").write_text("gpu: L4\n" + drafting)
    (found,) = refused(path)
    assert found.code == "CAL015"
    assert "speculative decoding" in found.message
    (tmp_path / "deployment.yaml").write_text("gpu: L4\napi_server_count: 4\n")
    assert read(path).runs[0].deployment.api_server_count == 4


def test_arguments_that_contradict_a_fact_are_named(tmp_path: Path) -> None:
    path = bent(tmp_path, "guidellm.json", lambda _: None)
    (tmp_path / "deployment.yaml").write_text("api_server_count: 2\nargs: [--api-server-count, 4]\n")
    (found,) = refused(path)
    assert found.code == "CAL004"
    assert found.message.endswith("deployment.yaml says 2, the arguments in deployment.yaml says 4")


def test_inference_perf_needs_the_configuration_beside_it(tmp_path: Path) -> None:
    shutil.copy(SAMPLES / INFERENCE_PERF, tmp_path)
    found = refused(tmp_path / "summary_lifecycle_metrics.json")
    assert [problem.code for problem in found] == ["CAL005"]
    assert "config.yaml" in found[0].message
    shutil.copy(SAMPLES / "inference_perf" / "config.yaml", tmp_path / "elsewhere.yaml")
    assert len(read(*tmp_path.iterdir()).runs) == 1  # given among the files, whatever it is called


def test_a_summary_of_several_stages_is_no_run(tmp_path: Path) -> None:
    path = bent(tmp_path, INFERENCE_PERF, lambda _: None)
    config = yaml.safe_load((tmp_path / "config.yaml").read_text())
    config["load"]["stages"] *= 3
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(config))
    (found,) = refused(path)
    assert "stage_N_lifecycle_metrics.json" in found.message


def test_an_open_loop_has_its_rate(tmp_path: Path) -> None:
    def poisson(report: Any) -> None:
        load = report["input_config"]["phases"][1]
        load.update(type="poisson", rate=0.94)
        del load["concurrency"]

    (found,) = read(bent(tmp_path, "aiperf.json", poisson)).runs
    assert (found.run.rate_per_s, found.run.concurrency, found.run.is_closed_loop) == (0.94, None, False)

    def of_1_0(report: Any) -> None:
        served = {"model_names": ["meta-llama/Llama-3.1-8B-Instruct"]}
        report.update(schema_version="1.0", input_config={"loadgen": {"concurrency": 8}, "endpoint": served})

    assert read(bent(tmp_path, "aiperf.json", of_1_0)).runs[0].run.concurrency == 8


# Refused, each with its reason.

VLLM, GUIDELLM, AIPERF = "vllm.json", "guidellm.json", "aiperf.json"
Change = Callable[[Any], object]


def _set(*path: str | int, **values: Any) -> Change:
    """A change that updates the mapping at a path."""

    def change(document: Any) -> None:
        for step in path:
            document = document[step]
        document.update(values)

    return change


def _repeat_one_prompt(report: Any) -> None:
    requests = report["benchmarks"][0]["requests"]
    requests["successful"] = requests["successful"][:1] * 20


def _forget_ttft(report: Any) -> None:
    del report["mean_ttft_ms"], report["median_ttft_ms"]


def _second_phase(report: Any) -> None:
    report["input_config"]["phases"].append({"name": "peak", "kind": "profiling"})


READ_FROM_CACHE = {"unit": "tokens", "avg": 900.0}
REFUSED: dict[str, tuple[str, Change, str]] = {
    "few": (VLLM, _set(completed=60, total_input_tokens=61440, total_output_tokens=7680), "CAL010"),
    "failed": (VLLM, _set(failed=12), "CAL011"),
    "all at once": (VLLM, _set(max_concurrency=None), "CAL012"),
    "rate not reached": (VLLM, _set(max_concurrency=None, request_rate=2.0), "CAL012"),
    "places not filled": (VLLM, _set(max_concurrency=24), "CAL013"),
    "client": (AIPERF, _set("credit_to_start_latency", avg=1400.0), "CAL013"),
    "its own warning": (GUIDELLM, _set("benchmarks", 0, warnings=[{"code": "root_late"}]), "CAL013"),
    "schedule": (STAGE, _set("load_summary", "schedule_delay", mean=1.5), "CAL013"),
    "too fast": (VLLM, _set(mean_ttft_ms=30.0, median_ttft_ms=28.0), "CAL014"),
    "cached": (STAGE, _set("successes", "prompt_tokens", cached=120000.0), "CAL014"),
    "cache read": (AIPERF, _set(usage_prompt_cache_read_tokens=READ_FROM_CACHE), "CAL014"),
    "prefix": (AIPERF, _set("input_config", "datasets", 0, prefix_prompts={"pool_size": 4}), "CAL014"),
    "repeated": (GUIDELLM, _repeat_one_prompt, "CAL014"),
    "drafted": (VLLM, _set(spec_decode_acceptance_rate=71.0), "CAL015"),
    "ramp": (VLLM, _set(ramp_up_strategy="linear"), "CAL015"),
    "bursts": (VLLM, _set(max_concurrency=None, request_rate=0.9, burstiness=0.3), "CAL015"),
    "another engine": (VLLM, _set(backend="tensorrt-llm"), "CAL015"),
    "replayed": (AIPERF, _set("input_config", "phases", 1, type="fixed_schedule"), "CAL015"),
    "phases": (AIPERF, _second_phase, "CAL015"),
    "cancelled": (AIPERF, _set(was_cancelled=True), "CAL015"),
    "incremental": (GUIDELLM, _set("benchmarks", 0, "config", "strategy", type_="incremental"), "CAL015"),
    "no times": (VLLM, _forget_ttft, "CAL005"),
    "no duration": (VLLM, _set(duration=None), "CAL005"),
    "not a number": (VLLM, _set(duration="long"), "CAL005"),
    "nothing streamed": (STAGE, _set("successes", "latency", time_to_first_token=None), "CAL005"),
    "no runs": (GUIDELLM, _set(benchmarks=[]), "CAL005"),
    "report version": (GUIDELLM, _set("metadata", version=1), "CAL002"),
    "schema version": (AIPERF, _set(schema_version="2.0"), "CAL002"),
}


@pytest.mark.parametrize(("sample", "change", "code"), REFUSED.values(), ids=list(REFUSED))
def test_a_run_that_cannot_be_used_is_refused(
    tmp_path: Path, sample: str, change: Callable[[Any], object], code: str
) -> None:
    found = refused(bent(tmp_path, sample, change))
    assert code in [problem.code for problem in found]
    assert all(problem.hint for problem in found if problem.code == code)


def _places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Every place of a document: what holds it, and its key."""
    for key in list(value) if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ():
        yield value, key
        yield from _places(value[key])


VALUES: list[Any] = [None, -1, 0, 1e300, True, "", "x", [], [None], {}, {"a": {}}, [[1]], 3, "3"]


@given(sample=st.sampled_from([*REPORTS, "profile.json"]), place=st.integers(0, 10_000), value=st.sampled_from(VALUES))
@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_stands_in_a_report_it_is_read_or_refused(
    tmp_path: Path, sample: str, place: int, value: object
) -> None:
    """No value of any kind at any place ends in anything but runs or problems."""
    document = json.loads((SAMPLES / sample).read_text())
    places = list(_places(document))
    holder, key = places[place % len(places)]
    holder[key] = value
    path = tmp_path / "bent.json"
    path.write_text(json.dumps(document))
    with contextlib.suppress(Problems):
        read(path)


@pytest.mark.parametrize("sample", [name for name in REPORTS if name != STAGE])
@pytest.mark.parametrize("share", [0.0, 0.3, 0.7, 0.999])
def test_a_truncated_file_is_told_where_it_ends(tmp_path: Path, sample: str, share: float) -> None:
    text = (SAMPLES / sample).read_text()
    (tmp_path / "cut.json").write_text(text[: int(share * len(text.rstrip()))])
    (found,) = refused(tmp_path / "cut.json")
    assert found.code == "CAL001"
    assert found.where is not None
    assert found.where.line == text[: int(share * len(text))].count("\n") + 1


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("not json at all", "CAL001"),
        ('{"a": 1, }', "CAL001"),
        ("[1, 2]", "CAL002"),
        ("{}", "CAL002"),
        ('"text"', "CAL002"),
        ('{"elapsed_time": 1, "num_requests": 2, "total_num_tokens": 3}', "CAL002"),
        ('{"avg_latency": 1, "latencies": [], "percentiles": {}}', "CAL002"),
        ('{"completed": NaN, "num_prompts": 1, "request_rate": 1}', "CAL005"),
        ("[" * 100000, "CAL001"),
    ],
)
def test_what_is_no_benchmark_is_refused(tmp_path: Path, text: str, code: str) -> None:
    (tmp_path / "some.json").write_text(text)
    assert code in codes(tmp_path / "some.json")


def test_a_near_relative_is_called_by_its_name(tmp_path: Path) -> None:
    (tmp_path / "t.json").write_text('{"elapsed_time": 1, "num_requests": 2, "total_num_tokens": 3}')
    (found,) = refused(tmp_path / "t.json")
    assert "vllm bench throughput" in found.message


def test_all_problems_of_all_files_are_told_in_one_run(tmp_path: Path) -> None:
    bent(tmp_path, "vllm.json", lambda d: d.update(completed=60, failed=20))
    (tmp_path / "cut.json").write_text('{"model_id": "x", ')
    (tmp_path / "strange.json").write_text("{}")
    found = refused(tmp_path / "vllm.json", tmp_path / "cut.json", tmp_path / "strange.json", tmp_path / "none.json")
    assert {problem.code for problem in found} >= {"CAL010", "CAL011", "CAL001", "CAL002", "IO001"}
    assert len({problem.where.file for problem in found if problem.where}) == 4 - 1  # none.json has no place


def test_a_problem_stands_where_its_figure_stands(tmp_path: Path) -> None:
    path = tmp_path / "aiperf.json"
    document = json.loads((SAMPLES / "vllm.json").read_text()) | {"failed": 12}
    path.write_text(json.dumps(document, indent=1))
    (found,) = refused(path)
    assert found.where is not None
    assert found.where.source.strip().startswith('"failed": 12')
    assert path.read_text().splitlines()[found.where.line - 1] == found.where.source


def test_an_empty_folder_and_a_lonely_yaml_are_told(tmp_path: Path) -> None:
    assert codes(tmp_path) == ["CAL002"]
    (tmp_path / "notes.yaml").write_text("gpu: L4\n")
    assert codes(tmp_path / "notes.yaml") == ["CAL002"]
    (tmp_path / "notes.yaml").rename(tmp_path / "deployment.yaml")
    with pytest.raises(Problems, match="no benchmark among these files"):
        read(tmp_path / "deployment.yaml")


def test_a_profile_bounds_its_gpu() -> None:
    found = read(SAMPLES / "profile.json", options={})
    assert found.runs == ()
    assert list(found.caps) == ["L4"]
    assert found.caps["L4"].bandwidth == pytest.approx(264.5 / 300)  # what a cache served is not counted
    assert set(found.caps["L4"].compute) == {"16-bit", "fp8"}
    assert found.caps["L4"].link_bandwidth is not None
    assert found.files[0].tool == "spillway perf profile"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda d: d.update(gpu="NVIDIA L400"), "no GPU of the catalog"),
        (lambda d: d.update(device="cpu"), "no GPU of the catalog"),
        (lambda d: d.update(schema="spillway.profile/2"), "its schema is"),
        (lambda d: d.update(bandwidth=[], gemm=[], attention=[], all_reduce=[]), "nothing was measured"),
        (lambda d: d["gemm"][0].update(ms=None), "gemm.0.ms"),
    ],
)
def test_a_profile_that_cannot_be_used_is_refused(tmp_path: Path, change: Callable[[Any], object], said: str) -> None:
    (found,) = refused(bent(tmp_path, "profile.json", change))
    assert found.code in ("CAL003", "PROF005")
    assert said in found.message


def test_a_profile_that_bounds_nothing_is_refused(tmp_path: Path) -> None:
    (found,) = refused(bent(tmp_path, "profile.json", lambda d: d.update(grid="quick")))
    assert (found.code, "--quick" in found.message, bool(found.hint)) == ("CAL017", True, True)
    (found,) = refused(bent(tmp_path, "profile.json", lambda d: d.update(bandwidth=[], gemm=[], all_reduce=[])))
    assert found.code == "CAL017"


def test_a_run_of_another_gpu_than_was_said_is_refused(tmp_path: Path) -> None:
    (found,) = refused(bent(tmp_path, "aiperf.json", lambda _: None), options={**OPTIONS, "gpu": "H100"})
    assert found.code == "CAL016"
    assert "1 × H100" in found.message


def test_a_count_of_zero_is_told_what_to_give() -> None:
    (found,) = refused(SAMPLES / "aiperf.json", options={**OPTIONS, "tensor_parallel_size": "0"})
    assert (found.code, found.hint) == ("CAL003", "give --tensor-parallel-size as a number from 1 on")


def test_a_profile_that_is_doubtful_is_used_with_a_warning(tmp_path: Path) -> None:
    def slow(profile: Any) -> None:
        profile["gemm"] = [{**row, "ms": 9e4, "ms_p10": 9e4, "ms_p90": 9e4} for row in profile["gemm"]]

    found = read(bent(tmp_path, "profile.json", slow), options={})
    assert found.caps["L4"].compute == {}
    assert {problem.severity for problem in found.warnings} == {"warning"}
    assert len(found.warnings) == 2


# The samples that real runs of the four tools wrote: against a small model on a CPU, too short to calibrate.


@pytest.mark.skipif(not REAL.is_dir(), reason="the real samples are not beside this checkout")
@pytest.mark.parametrize(
    ("file", "tool", "load"),
    [
        ("vllm_bench_serve.json", "vllm bench serve", (None, 4.0)),
        ("guidellm.json", "GuideLLM", (None, 4.0)),
        ("aiperf_profile_export.json", "AIPerf", (4, None)),
        ("inference_perf_summary.json", "inference-perf", (None, 4.0)),
    ],
)
def test_real_reports_are_read_and_found_too_short(
    monkeypatch: pytest.MonkeyPatch, file: str, tool: str, load: tuple[int | None, float | None]
) -> None:
    read_runs: list[BenchRun] = []
    judged = read_benchmarks.__globals__["refusals"]

    def overheard(own: OwnRun) -> Any:
        read_runs.append(own.run)
        return judged(own)

    monkeypatch.setitem(read_benchmarks.__globals__, "refusals", overheard)
    options = {**OPTIONS, "model": "llama-3.2-1b-instruct", "gpu": "H100"}
    assert codes(REAL / file, REAL / "inference_perf_config.yaml", options=options) == ["CAL010"]
    (run,) = read_runs
    assert (run.tool, run.concurrency, run.rate_per_s) == (tool, *load)
    assert run.completed == (32 if tool == "inference-perf" else 40)
    assert 10 < (run.ttft_ms.typical or 0) < 60
    assert 2 < (run.tpot_ms.typical or 0) < 10
    assert run.output_tokens == pytest.approx(16 if tool != "inference-perf" else 12.03125)
    # What the parts add up to is what the tool measured as a whole.
    told = (run.ttft_ms.mean or 0) + (run.output_tokens - 1) * (run.tpot_ms.mean or 0)
    assert told == pytest.approx(run.e2e_ms.mean, rel=0.2)
