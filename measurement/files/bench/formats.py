"""The benchmark reports that are understood, each recognised by what it holds and never by its name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from measurement.calibration.runs import BenchRun
from measurement.files.bench import aiperf, guidellm, inference_perf, vllm
from measurement.files.bench.sheet import Missing, Sheet


@dataclass(frozen=True, slots=True)
class BenchFormat:
    """One kind of report. `read` gives its runs and notes what is missing."""

    name: str
    recognises: Callable[[Mapping[str, Any]], bool]
    version: Callable[[Mapping[str, Any]], str]
    """Empty when this version is understood, otherwise what it is."""
    read: Callable[[Mapping[str, Any], Mapping[str, Any] | None, list[Missing]], list[BenchRun]]


def format_of(document: Any) -> BenchFormat | None:
    """The format of a parsed file; None when it is none of them."""
    if not isinstance(document, Mapping):
        return None
    return next((form for form in FORMATS if form.recognises(document)), None)


def other_tool(document: Any) -> str:
    """What a file is that looks like a benchmark and is none that can calibrate; empty when it is nothing known."""
    if not isinstance(document, Mapping):
        return ""
    return next((name for name, keys in OTHERS if keys <= document.keys()), "")


def is_inference_perf_config(document: Any) -> bool:
    """Whether this is the configuration that inference-perf saves beside its reports."""
    return isinstance(document, Mapping) and {"load", "server", "data"} <= document.keys()


def _understood(_: Mapping[str, Any]) -> str:
    return ""


def _guidellm_version(document: Mapping[str, Any]) -> str:
    version = Sheet(document, []).at("metadata", "version")
    return "" if version == 2 else f"report version {version}; version 2 is understood"


def _aiperf_version(document: Mapping[str, Any]) -> str:
    version = str(document.get("schema_version"))
    return "" if version.split(".")[0] == "1" else f"schema {version}; 1.x is understood"


FORMATS: tuple[BenchFormat, ...] = (
    BenchFormat(
        "vllm bench serve",
        lambda d: {"num_prompts", "request_rate", "completed"} <= d.keys(),
        _understood,
        vllm.read,
    ),
    BenchFormat(
        "GuideLLM",
        lambda d: isinstance(d.get("benchmarks"), list) and "metadata" in d,
        _guidellm_version,
        guidellm.read,
    ),
    BenchFormat("AIPerf", lambda d: {"schema_version", "request_count"} <= d.keys(), _aiperf_version, aiperf.read),
    BenchFormat(
        "inference-perf",
        lambda d: {"load_summary", "successes", "failures"} <= d.keys(),
        _understood,
        inference_perf.read,
    ),
)
OTHERS: tuple[tuple[str, frozenset[str]], ...] = (
    ("a result of `vllm bench throughput`", frozenset({"elapsed_time", "num_requests", "total_num_tokens"})),
    ("a result of `vllm bench latency`", frozenset({"avg_latency", "percentiles"})),
    ("a result of SGLang's bench_serving", frozenset({"backend", "request_rate", "completed", "mean_ttft_ms"})),
    ("a report of GenAI-Perf", frozenset({"request_throughput", "time_to_first_token", "input_config"})),
    ("a trace of Chrome or PyTorch", frozenset({"traceEvents"})),
)
"""Files that look like a benchmark and lack what calibration needs, most telling keys first."""
