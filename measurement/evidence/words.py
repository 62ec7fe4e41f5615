"""The words in which benchmarks are published, read into ours: formats, engines, metrics, loads and flags.

Spellings differ between sources, so every vocabulary is a table of patterns, tried in order; a word that no pattern
knows is None, and whoever asked names the gap. Nothing here knows a model or a GPU: `names` does.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import Literal, TypeVar

from measurement.evidence.benchmarks import EngineName
from planner.performance.precision import KvFormat

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
"""Published weight format → ours; "" for formats that the performance model does not know."""

KV_WORDS: tuple[tuple[str, KvFormat], ...] = (
    (r"fp8|e4m3|e5m2|int-?8", "fp8"),
    (r"^$|auto|16|half|bfloat|default|not stated|same", "bf16"),
)
"""Published cache format → ours: 16-bit unless one byte is said. `int8` weighs the same as fp8."""

ENGINE_WORDS: tuple[tuple[str, EngineName], ...] = (
    (r"vllm", "vllm"),
    (r"trt|tensorrt|\bnim\b", "trt-llm"),
    (r"sglang|\bsgl\b", "sglang"),
    (r"\btgi\b|text.generation.inference", "tgi"),
)

T = TypeVar("T")

Quantity = Literal["tpot", "itl", "ttft", "e2e", "output_rate", "total_rate", "input_rate", "request_rate"]
QuotedKind = Literal["tpot", "ttft", "throughput", "e2e"]
QuotedLengths = Literal["fixed", "uniform", "natural", "not stated"]
"""How requests of a run differ in length: not at all, evenly between two bounds, as people's do."""

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
"""Under which kind an accuracy table counts a quantity."""

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
"""Words of figures that a model of typical runs does not tell."""
MS: dict[str, float] = {"ms": 1.0, "us": 1e3, "s": 1e-3, "sec": 1e-3, "seconds": 1e-3}
"""Published time unit → how many of it one millisecond is."""
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
"""All words that a rate and a time are made of. Any other, as in `tokens_per_dollar`, makes them something else."""

_BEFORE, _AFTER = r"([\w.,+–—/-]*\dk?)", r"([-–+]?\.?\d[\w.,+–—/-]*)"
"""What stands for a number before or after its word, whole, so that `2e3` or `16-64` is never read by its end."""
CONCURRENCY = (
    rf"{_BEFORE}\s*(?:concurren\w*|users?\b|clients?\b|streams?\b|parallel|in.?flight|conc\b|virtual users)",
    rf"(?:concurren\w*|(?<![a-z])(?:conc|batch(?:[ _-]?size)?|users|bs))\s*[=:]?\s*{_AFTER}",
    r"^\s*([-–+]?\.?\d\S*)\s*$",
)
RATE = (
    rf"{_BEFORE}\s*(?:req\w*|queries)\s*(?:/|per|a)\s*(?:s|sec\w*|min\w*)\b",
    rf"{_BEFORE}\s*(?:rps|qps|rpm)\b",
    rf"(?:rate|rps|qps)\s*[=:]?\s*{_AFTER}",
)
ALL_AT_ONCE = r"\binf\w*|offline|at once|max(imum)?[ _-]?(load|throughput)|saturat|burst"
PROMPTS = rf"{_BEFORE}(?:\s+\w+)?\s*(?:prompts|requests|samples)\b(?!\s*(?:/|per|a\b))"
_CLEAN = r"(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?(?:e\+?\d{1,2})?|\.\d+"
_RANGE_BEFORE = r"\d\s*(?:[-–—/,~]|\.\.+|…|\bto|\bor|\band|\bthrough)\s*$"
_RANGE_AFTER = r"\s*(?:[-–—/~]|\.\.+|…|to\b|or\b|through\b)\s*\d|\s*,\s*\d+\s*(?:[,;)]|$)"
NATURAL = r"sharegpt|lmsys|wildchat|humaneval|dolly|alpaca|real (traffic|prompts)"
"""Data sets whose lengths vary as people's do, so that a mean alone stands for them."""


@dataclass(frozen=True, slots=True)
class QuotedFigure:
    """What a published number is. Our units are milliseconds, tokens/s and requests/s of the whole deployment.

    percentile: 0.5 for a median, None for a mean. per_ours: how many published units one of ours is. per_gpu: divided
    by the number of GPUs. inverse: the number is 1000/TPOT, the tokens/s that one user sees.
    """

    quantity: Quantity
    percentile: float | None = None
    per_ours: float = 1.0
    per_gpu: bool = False
    inverse: bool = False

    @property
    def kind(self) -> QuotedKind:
        """Under which kind it is judged."""
        return "tpot" if self.inverse else KIND[self.quantity]


@dataclass(frozen=True, slots=True)
class QuotedLoad:
    """How requests were offered: so many always in flight, at a rate, or (both None) all at once."""

    concurrency: int | None
    rate_per_s: float | None
    prompts: int | None


@dataclass(frozen=True, slots=True)
class Flags:
    """What the free text of flags says; None where it is silent."""

    tensor_parallel: int | None
    pipeline_parallel: int
    data_parallel: int | None
    expert_parallel: bool
    attention_data_parallel: bool
    max_num_seqs: int | None
    seqs_follow_load: bool
    """`max-num-seqs` equals the concurrency of each run."""
    max_num_batched_tokens: int | None
    gpu_memory_utilization: float | None
    low: float
    high: float
    """Shortest and longest length, relative to the nominal one; drawn evenly between."""
    stated_mean: float | None
    """Mean length relative to the nominal one, where the source states it."""
    lengths: QuotedLengths
    speculative: bool
    disaggregated: bool
    prefix_cache: bool
    eager: bool
    chunked_prefill: bool
    remote_client: bool
    lora: bool
    problem: str
    """What of it makes no sense, in words; empty when all does."""


@lru_cache(maxsize=4096)
def weight_word(text: str) -> str | None:
    """Our format, `16-bit` or `auto`; None for a format that nobody here knows. Remarks in parentheses are not read."""
    return _first(WEIGHT_WORDS, _bare(text) + (" block" if "block" in text.lower() else "")) or None


@lru_cache(maxsize=4096)
def kv_word(text: str) -> KvFormat | None:
    """Format of the cache; None when it is none of ours."""
    return _first(KV_WORDS, _bare(text))


@lru_cache(maxsize=4096)
def engine_word(text: str) -> EngineName | None:
    """The engine; None when it is none of those that the coefficients know."""
    return _first(ENGINE_WORDS, text.lower())


@lru_cache(maxsize=4096)
def figure(metric: str) -> QuotedFigure | None:
    """What `tpot_ms_p50`, `median_ttft_ms`, `output_tok_s` … measure; None when it is nothing that we predict."""
    text = re.sub(r"[^a-z0-9.]+", "_", metric.lower()).strip("_")
    text, per_gpu = re.subn(r"_(per_|/)?gpu$", "", text)
    text, per_user = re.subn(r"_(per_)?user$", "", text)
    if per_user or text == "interactivity":
        return QuotedFigure("tpot", inverse=True)
    percentile: float | None = None
    rest: list[str] = []
    for word in text.split("_"):
        tail = re.fullmatch(r"p(\d+(?:\.\d+)?)", word)
        if tail:
            percentile = float(tail[1]) / 100.0
        elif word in STATISTICS:
            percentile = STATISTICS[word]
        else:
            rest.append(word)
    name = "_".join(rest)
    if NO_STATISTIC & set(rest) or (percentile is not None and not 0.0 < percentile < 1.0):
        return None
    rate = _first(RATE_WORDS, name)
    if rate is not None:
        whole = _IN_RATES.issuperset(rest) and _SPEEDS.intersection(rest)
        over = {after for before, after in pairwise(rest) if before == "per"}
        if not whole or rest[-1] == "per" or not over <= _SECONDS | _MINUTES:
            return None
        return QuotedFigure(rate, percentile, 60.0 if _MINUTES.intersection(rest) else 1.0, bool(per_gpu))
    unit = next((word for word in rest if word in MS), None)
    said = [word for word in rest if word != unit]
    time = _first(TIME_WORDS, "_".join(said))
    return (
        QuotedFigure(time, percentile, MS[unit])
        if time and unit and not per_gpu and _IN_TIMES.issuperset(said)
        else None
    )


@lru_cache(maxsize=4096)
def load(text: str, regime: str) -> QuotedLoad | None:
    """How requests were offered; None when the text does not say and the regime does not imply it, or when it says
    something that is no number of at least one, like a range."""
    said = text.lower()
    at_once = re.search(ALL_AT_ONCE, said)
    try:
        prompts = _number((PROMPTS,), said, whole=True)
        rate = None if at_once else _rate(said)
        concurrency = _number(CONCURRENCY if rate is None else CONCURRENCY[:-1], said, whole=True)
    except ValueError:
        return None
    if concurrency is None and rate is None and not at_once:
        if regime == "batch1":
            concurrency = 1
        elif regime != "saturation":
            return None
    return QuotedLoad(int(concurrency) if concurrency else None, rate, int(prompts) if prompts else None)


@lru_cache(maxsize=4096)
def tokens(text: str) -> tuple[float, float, float] | None:
    """(nominal, shortest, longest) of a stated length, the latter relative: `1024`, `8k`, `~215.2`, `100-300`."""
    said = re.fullmatch(
        rf"(?:~|≈|about|avg|mean|average)?\s*({_CLEAN})\s*(k)?(?:\s*(?:-|–|to|\.\.)\s*({_CLEAN})\s*(k)?)?"
        r"\s*(?:tokens?|tok|avg|mean|average)?\s*(?:\([^\d)]*\))?",
        text.strip().lower(),
    )
    if said is None:
        return None
    first, last = (float((said[n] or "0").replace(",", "")) for n in (1, 3))
    low, high = first * (1024.0 if said[2] else 1.0), last * (1024.0 if said[4] else 1.0)
    if said[3] is None:
        return (low, 1.0, 1.0) if low > 0 else None
    if not 0 < low < high or (said[4] and not said[2] and first < last):  # `1-2k` may mean either
        return None
    mean = (low + high) / 2.0
    return mean, low / mean, high / mean


def count(text: str) -> int | None:
    """A whole number of at least 1, as in `8` or `8x`; None otherwise."""
    found = re.fullmatch(r"(\d+)(?:\.0+)?\s*[x×]?", text.strip().lower())
    return int(found[1]) if found and int(found[1]) >= 1 else None


@lru_cache(maxsize=4096)
def flags(text: str) -> Flags:
    """What a text of flags says. Every pattern tolerates `-`, `_`, `=` and blanks alike."""
    said = re.sub(r"[_=:]+|-(?!\d)|(?<![\s_=:])-", " ", text.lower())
    problems: list[str] = []
    low, high, mean = _spread(text.lower())
    follows = bool(re.search(r"max num seqs\s*conc", said))
    return Flags(
        tensor_parallel=_parallel(said, "tp", "tensor parallel", problems),
        pipeline_parallel=_parallel(said, "pp", "pipeline parallel", problems) or 1,
        data_parallel=_parallel(said, "dp", "data parallel", problems),
        expert_parallel=bool(re.search(r"\bep\s*\d|expert parallel|\bep\b", said)) and not _denied(said, "ep"),
        attention_data_parallel=bool(re.search(r"attention dp|dp attention|dp attn", said)),
        max_num_seqs=_whole(said, r"max num seqs\s*", "max-num-seqs", problems),
        seqs_follow_load=follows,
        max_num_batched_tokens=_whole(said, r"max num batched tokens\s*", "max-num-batched-tokens", problems),
        gpu_memory_utilization=_share(said, problems),
        low=low,
        high=high,
        stated_mean=mean,
        lengths=_lengths(said, low < high),
        speculative=_said(said, r"speculat\w*|mtp\d*|eagle\d*|medusa|draft model|spec decod\w*|ngram"),
        disaggregated=_said(said, r"disagg\w*|\d+p\d+d"),
        prefix_cache=_said(said, r"prefix cach\w*|radix cach\w*"),
        eager=_said(said, r"enforce eager|eager mode") or _denied(said, r"cuda graphs?"),
        chunked_prefill=not _denied(said, r"chunked prefill"),
        remote_client=_said(said, r"remote client|client (?:on|in) another|over the internet"),
        lora=_said(said, r"(?:q|multi ?)?loras?\d*"),
        problem=problems[0] if problems else "",
    )


def _bare(text: str) -> str:
    return re.sub(r"\(.*?\)", "", text).strip().lower()


def _first(table: tuple[tuple[str, T], ...], text: str) -> T | None:
    return next((ours for pattern, ours in table if re.search(pattern, text)), None)


def _number(patterns: tuple[str, ...], text: str, whole: bool = False) -> float | None:
    """The number of the first pattern that stands in a text; ValueError where it is no single one above 0."""
    for pattern in patterns:
        found = list(re.finditer(pattern, text))
        if found:
            ranged = any(
                re.search(_RANGE_BEFORE, text[: one.start(1)])
                or re.match(_RANGE_AFTER, text[one.start(1) + len(one[1].rstrip(".,/")) :])
                for one in found
            )
            values = {_clean(one[1]) for one in found}
            value = values.pop()
            if ranged or values or value <= 0.0 or (whole and value % 1.0):
                raise ValueError(found[0][0])
            return value
    return None


def _clean(said: str) -> float:
    """`1,024`, `2e3` or `8k` as a number; ValueError for anything beside it."""
    found = re.fullmatch(rf"({_CLEAN})(k)?", said.rstrip(".,/"))
    if found is None:
        raise ValueError(said)
    return float(found[1].replace(",", "")) * (1000.0 if found[2] else 1.0)


def _rate(text: str) -> float | None:
    for pattern in RATE:
        value = _number((pattern,), text)
        if value is not None:
            units = {bool(re.search(r"min|rpm", found[0])) for found in re.finditer(pattern, text)}
            if len(units) > 1:
                raise ValueError(text)
            return value / 60.0 if units.pop() else value
    return None


def _parallel(text: str, short: str, long: str, problems: list[str]) -> int | None:
    number = r"(-?\d[\w.]*)"
    pattern = rf"\b{short}\s*{number}|{long}(?: size)?\s*{number}|\b(\d+)\s*{short}\b(?!\s*\d)"
    said = {next(group for group in found.groups() if group) for found in re.finditer(pattern, text)}
    values = {_positive(number, f"{short.upper()} size", problems) for number in sorted(said)}
    if len(values) > 1:
        problems.append(f"{short.upper()} is stated as {' and '.join(sorted(n.rstrip('.') for n in said))}")
    return min((value for value in values if value), default=None)


def _whole(text: str, pattern: str, name: str, problems: list[str]) -> int | None:
    said = list(dict.fromkeys(re.findall(rf"{pattern}(-?\d[\w.,]*)", text)))
    values = {_positive(number, name, problems) for number in said}
    if len(values) > 1:
        problems.append(f"{name} is stated as {' and '.join(number.rstrip('.,') for number in said)}")
    return min((value for value in values if value), default=None)


def _positive(said: str, name: str, problems: list[str]) -> int | None:
    """A whole number of at least 1, with `k` for 1024."""
    number = said.rstrip(".,")
    found = re.fullmatch(r"(\d{1,3}(?:,\d{3})+|\d+)(k)?", number)
    value = int(found[1].replace(",", "")) * (1024 if found[2] else 1) if found else 0
    if value < 1:
        problems.append(f"{name} {number} is no whole number of at least 1")
    return value or None


def _share(text: str, problems: list[str]) -> float | None:
    """The share of the device, or of what the weights leave of it, that the engine may take."""
    found = re.search(
        r"(?:gpu mem\w*(?: utilization)?|free gpu mem\w* fraction|mem fraction static)\s*"
        r"(-?\d*\.?\d+)(?![\d.]*\d)\s*(%|g)?",
        text,
    )
    if found is None or found[2] == "g":  # gigabytes say how large the device is
        return None
    share = float(found[1]) / (100.0 if found[2] else 1.0)
    if not 0.0 < share <= 1.0:
        problems.append(f"gpu-mem {found[1]} is no share of a GPU's memory")
    return share


def _spread(text: str) -> tuple[float, float, float | None]:
    """(shortest, longest, stated mean) of lengths relative to the nominal one."""
    ends = re.search(r"\[\s*(\d*\.?\d+)\s*,\s*(\d*\.?\d+)\s*\]\s*x?", text)
    mean = re.search(r"mean\s*(\d*\.?\d+)\s*x", text)
    about = re.search(r"±\s*(\d+)\s*%", text)
    if ends and float(ends[2]) > 0.0 and float(ends[1]) <= float(ends[2]) <= 4.0:
        low, high = float(ends[1]), float(ends[2])
    elif about:
        low, high = 1.0 - float(about[1]) / 100.0, 1.0 + float(about[1]) / 100.0
    else:
        low = high = 1.0
    return low, high, float(mean[1]) if mean else None


def _lengths(text: str, bounded: bool) -> QuotedLengths:
    if re.search(NATURAL, text):
        return "natural"
    if bounded:
        return "uniform"
    return (
        "fixed"
        if re.search(r"fixed lengths?|lengths? fixed|ignore eos|identical (prompts|lengths)|benchmark throughput", text)
        else "not stated"
    )


_NOT = r"(?:no|not|without|disable\w*)\s+"
_OFF = r"(?:\s\w+)?\s*(?:off|disabled|false|none|0(?![.\d]))\b"


def _denied(text: str, pattern: str) -> bool:
    """Whether the text says that it was not so: `no prefix cache`, `chunked prefill off`."""
    return bool(re.search(rf"{_NOT}(?:enable\s+)?(?:{pattern})\b|\b(?:{pattern}){_OFF}", text))


def _said(text: str, pattern: str) -> bool:
    return bool(re.search(rf"\b(?:{pattern})\b", text)) and not _denied(text, pattern)
