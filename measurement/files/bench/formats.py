"""The benchmark reports that are understood. Each is recognised by what it holds and never by its file name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from measurement.calibration.runs import BenchRun
from measurement.files.bench import aiperf, guidellm, inference_perf, vllm
from measurement.files.bench.sheet import MissingFigure, Sheet


@dataclass(frozen=True, slots=True)
class BenchFormat:
    """One kind of report.

    name: name of the tool.
    recognises: whether a document is such a report.
    other_version: what the version of a document is, in words, where it is not understood; empty where it is.
    read: the runs of a document. It also takes a configuration that lies beside it, and adds what is missing to a list.
    """

    name: str
    recognises: Callable[[Mapping[str, Any]], bool]
    other_version: Callable[[Mapping[str, Any]], str]
    read: Callable[[Mapping[str, Any], Mapping[str, Any] | None, list[MissingFigure]], list[BenchRun]]


def format_of(document: Any) -> BenchFormat | None:
    """The format of a parsed document; None when it is none of `FORMATS`."""
    if not isinstance(document, Mapping):
        return None
    return next((form for form in FORMATS if form.recognises(document)), None)


def other_tool(document: Any) -> str:
    """Which of `OTHERS` a document is, in words; empty when it is none of them."""
    if not isinstance(document, Mapping):
        return ""
    return next((name for name, keys in OTHERS if keys <= document.keys()), "")


def is_inference_perf_config(document: Any) -> bool:
    """Whether a document is the configuration that inference-perf saves beside its reports."""
    return isinstance(document, Mapping) and {"load", "server", "data"} <= document.keys()


def _none_other(_: Mapping[str, Any]) -> str:
    """Reports of this tool have no version, so all of them are understood."""
    return ""


def _other_guidellm(document: Mapping[str, Any]) -> str:
    version = Sheet(document, []).at("metadata", "version")
    return "" if version == 2 else f"report version {version}; version 2 is understood"


def _other_aiperf(document: Mapping[str, Any]) -> str:
    version = str(document.get("schema_version"))
    return "" if version.split(".")[0] == "1" else f"schema {version}; 1.x is understood"


FORMATS: tuple[BenchFormat, ...] = (
    BenchFormat(
        "vllm bench serve",
        lambda d: {"num_prompts", "request_rate", "completed"} <= d.keys(),
        _none_other,
        vllm.read,
    ),
    BenchFormat(
        "GuideLLM",
        lambda d: isinstance(d.get("benchmarks"), list) and "metadata" in d,
        _other_guidellm,
        guidellm.read,
    ),
    BenchFormat("AIPerf", lambda d: {"schema_version", "request_count"} <= d.keys(), _other_aiperf, aiperf.read),
    BenchFormat(
        "inference-perf",
        lambda d: {"load_summary", "successes", "failures"} <= d.keys(),
        _none_other,
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
"""(what a document is, keys by which it is recognised). These documents look like a benchmark and lack what calibration
needs. The most specific keys come first."""
