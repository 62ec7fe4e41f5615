"""The words in which benchmarks are published, read into ours: weight formats, cache formats, engines and metrics.

Spellings differ between sources, so every vocabulary is a table of patterns, which are tried in order. A word that no
pattern knows is None, and the caller names the gap. This module knows no model and no GPU; `names` finds those.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import Literal, TypeVar

from measurement.evidence.engines import EngineName
from planner.performance.precision import KvFormat

T = TypeVar("T")

Quantity = Literal["tpot", "itl", "ttft", "e2e", "output_rate", "total_rate", "input_rate", "request_rate"]
QuotedKind = Literal["tpot", "ttft", "throughput", "e2e"]

WEIGHT_WORDS: tuple[tuple[str, str], ...] = (
    (r"nv-?fp4|^fp4$|w4a4", "nvfp4"),
    (r"mxfp4", "mxfp4"),
    (r"awq", "awq"),
    (r"bitsandbytes|bnb|nf4|gguf|q\d_|exl[23]|hqq|w4a8|mxfp8|fp6|int[23]\b|2-?bit|3-?bit", ""),
    (r"fp8.*block|block.*fp8", "fp8-block"),
    (r"fp8|f8|float8|e4m3|e5m2", "fp8"),
    (r"int4.*qat|qat.*int4", "int4-qat"),
    (r"gptq.*(int)?8|w8a16", "int8"),
    (r"gptq|w4a16|int-?4|4-?bit|marlin|autoround", "gptq"),
    (r"w8a8|int-?8|8-?bit|smoothquant", "int8"),
    (r"bf16|bfloat|fp16|f16\b|float16|half|16-?bit", "16-bit"),
    (r"auto|native|default|as published", "auto"),
)
"""(pattern of a published weight format, our format). It is "" for formats that the performance model does not know."""

KV_WORDS: tuple[tuple[str, KvFormat], ...] = (
    (r"fp8|e4m3|e5m2|int-?8", "fp8"),
    (r"^$|auto|16|half|bfloat|default|not stated|same", "bf16"),
)
"""(pattern of a published cache format, our format). `int8` counts as fp8, because it takes as many bytes."""

ENGINE_WORDS: tuple[tuple[str, EngineName], ...] = (
    (r"vllm", "vllm"),
    (r"trt|tensorrt|\bnim\b", "trt-llm"),
    (r"sglang|\bsgl\b", "sglang"),
    (r"\btgi\b|text.generation.inference", "tgi"),
)

KIND: dict[Quantity, QuotedKind] = {
    "tpot": "tpot",
    "itl": "tpot",
    "ttft": "ttft",
    "e2e": "e2e",
    "output_rate": "throughput",
    "total_rate": "throughput",
    "input_rate": "throughput",
    "request_rate": "throughput",
}
"""The kind under which accuracy tables count a quantity."""

TIME_WORDS: tuple[tuple[str, Quantity], ...] = (
    (r"ttft|first_token", "ttft"),
    (r"tpot|per_output_token|tbt|per_token", "tpot"),
    (r"itl|inter_?token", "itl"),
    (r"e2e|end_to_end|latency", "e2e"),
)
RATE_WORDS: tuple[tuple[str, Quantity], ...] = (
    (r"^total_(tok\w*|tput|throughput)", "total_rate"),
    (r"^(input|prompt|prefill)_(tok\w*_(s|sec|per|through|tput)|tps|tput|throughput)", "input_rate"),
    (r"^(rps|qps)$|^(req|reqs|requests?)_(s|sec|per_\w+|throughput|tput|rate|min)$", "request_rate"),
    (r"^(output_|gen\w*_|decode_)?(tok\w*_(s|sec|per|through|tput|min)|tps$|tput$|throughput$)", "output_rate"),
)
STATISTICS: dict[str, float | None] = {"mean": None, "avg": None, "average": None, "median": 0.5}
NO_STATISTIC = frozenset({"max", "minimum", "std", "stddev", "goodput", "slo"})
"""Words of figures that a model of typical runs does not predict."""
MS: dict[str, float] = {"ms": 1.0, "us": 1e3, "s": 1e-3, "sec": 1e-3, "seconds": 1e-3}
"""How many of a published time unit one millisecond is."""
_SECONDS = frozenset({"s", "sec", "second", "seconds"})
_MINUTES = frozenset({"min", "minute", "minutes"})
_SPEEDS = _SECONDS | _MINUTES | {"tput", "throughput", "tps", "rps", "qps", "rate"}
_IN_RATES = _SPEEDS | frozenset(
    [
        "total",
        "input",
        "prompt",
        "prefill",
        "output",
        "generated",
        "generation",
        "gen",
        "decode",
        "tok",
        "toks",
        "token",
        "tokens",
        "req",
        "reqs",
        "request",
        "requests",
        "per",
    ]
)
_IN_TIMES = frozenset(
    [
        "ttft",
        "tpot",
        "tbt",
        "itl",
        "e2e",
        "e2el",
        "time",
        "to",
        "first",
        "token",
        "tokens",
        "per",
        "output",
        "inter",
        "intertoken",
        "between",
        "end",
        "latency",
        "request",
    ]
)
"""All words that the name of a rate or a time consists of. With another word, as in `tokens_per_dollar`, the name means
something else."""


@dataclass(frozen=True, slots=True)
class QuotedFigure:
    """What a published number is. Our units are ms, tokens/s and requests/s, of the whole deployment.

    percentile: 0.5 for a median, None for a mean.
    per_ours: number of published units that are one of our units.
    per_gpu: whether the number is divided by the number of GPUs.
    inverse: whether the number is 1000/TPOT, which is the tokens/s that one user sees.
    """

    quantity: Quantity
    percentile: float | None = None
    per_ours: float = 1.0
    per_gpu: bool = False
    inverse: bool = False

    @property
    def kind(self) -> QuotedKind:
        """The kind under which the figure is scored."""
        return "tpot" if self.inverse else KIND[self.quantity]


@lru_cache(maxsize=4096)
def weight_format(text: str) -> str | None:
    """Our weight format, `16-bit` or `auto`; None for a format that we do not know.

    Remarks in parentheses are not read.
    """
    return _first(WEIGHT_WORDS, _bare(text) + (" block" if "block" in text.lower() else "")) or None


@lru_cache(maxsize=4096)
def cache_format(text: str) -> KvFormat | None:
    """Our format of the KV cache; None for a format that we do not know."""
    return _first(KV_WORDS, _bare(text))


@lru_cache(maxsize=4096)
def engine_name(text: str) -> EngineName | None:
    """The engine; None for one that has no coefficients."""
    return _first(ENGINE_WORDS, text.lower())


@lru_cache(maxsize=4096)
def quoted_figure(metric: str) -> QuotedFigure | None:
    """What a metric such as `tpot_ms_p50` or `output_tok_s` measures; None for what is not predicted."""
    text = re.sub(r"[^a-z0-9.]+", "_", metric.lower()).strip("_")
    text, per_gpu = re.subn(r"_(per_|/)?gpu$", "", text)
    text, per_user = re.subn(r"_(per_)?user$", "", text)
    if per_user or text == "interactivity":
        return QuotedFigure("tpot", inverse=True)
    percentile: float | None = None
    rest: list[str] = []
    for word in text.split("_"):
        percent = re.fullmatch(r"p(\d+(?:\.\d+)?)", word)
        if percent:
            percentile = float(percent[1]) / 100.0
        elif word in STATISTICS:
            percentile = STATISTICS[word]
        else:
            rest.append(word)
    name = "_".join(rest)
    if NO_STATISTIC & set(rest) or (percentile is not None and not 0.0 < percentile < 1.0):
        return None
    rate = _first(RATE_WORDS, name)
    if rate is not None:
        is_speed = _IN_RATES.issuperset(rest) and _SPEEDS.intersection(rest)
        per = {after for before, after in pairwise(rest) if before == "per"}
        if not is_speed or rest[-1] == "per" or not per <= _SECONDS | _MINUTES:
            return None
        return QuotedFigure(rate, percentile, 60.0 if _MINUTES.intersection(rest) else 1.0, bool(per_gpu))
    unit = next((word for word in rest if word in MS), None)
    without_unit = [word for word in rest if word != unit]
    time = _first(TIME_WORDS, "_".join(without_unit))
    if time is None or unit is None or per_gpu or not _IN_TIMES.issuperset(without_unit):
        return None
    return QuotedFigure(time, percentile, MS[unit])


def _bare(text: str) -> str:
    """A text in lower case without remarks in parentheses."""
    return re.sub(r"\(.*?\)", "", text).strip().lower()


def _first(table: tuple[tuple[str, T], ...], text: str) -> T | None:
    """Our word for the first pattern of a table that stands in a text."""
    return next((ours for pattern, ours in table if re.search(pattern, text)), None)
