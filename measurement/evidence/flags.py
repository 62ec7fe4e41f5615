"""The free text in which benchmarks state the flags of their engine and of their client.

A text may be words (`tp8; fixed lengths`) or a whole command of vLLM, SGLang or TensorRT-LLM. A parallel size is the
number after its name (`tp8`, `--tp-size 8`, `-tp=8`, `tensor parallelism of 8`). A number before the name counts where
it sticks to it (`8tp`, `8-way TP`), or where a clause starts with it and it may be a size at all (`8 tp`). So ports,
years and the sizes of models beside the name are not read. Two numbers that contradict each other are a problem.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

QuotedLengths = Literal["fixed", "uniform", "natural", "not stated"]
"""How the requests of a run differ in length: not at all, evenly between two bounds, or as people's requests do."""

FIXED = r"fixed lengths?|lengths? fixed|ignore eos|identical (prompts|lengths)|benchmark throughput"
"""Words for lengths that are the same for all requests."""
NATURAL = r"sharegpt|lmsys|wildchat|humaneval|dolly|alpaca|real (traffic|prompts)"
"""Data sets whose requests people wrote, so that their lengths vary widely."""
_NOT = r"(?:no|not|without|disable\w*)\s+"
_OFF = r"(?:\s\w+)?\s*(?:off|disabled|false|none|(?<!\d)0(?![.\d]))\b"

MOST_RANKS = 1024
"""GPUs that one engine spans at most. A larger parallel size is a mistake."""
MOST_BEFORE = 64
"""Largest number that is read as a parallel size where it stands before the name, with a blank between."""
_TENSOR = r"(?<!moe )(?<!dense )(?<!draft )(?:tp(?!(?:50|90|95|99|999)\b)|tensor parallel(?:ism)?)"
"""Names of tensor parallelism. That of experts or of a draft model is none, and `tp99` is a percentile."""
_PIPELINE, _DATA = r"(?:pp|pipeline parallel(?:ism)?)", r"(?:dp(?! att)|data parallel(?:ism)?)"
_EXPERT = r"(?:ep|expert parallel(?:ism)?)"
_GLUED = r"\d+(?:tp|pp|dp|ep)\b"
_SEQUENCES = r"max num seqs|max running requests|max batch size"
"""What vLLM, SGLang and TensorRT-LLM call the sequences of one step at most."""
_BATCHED_TOKENS = r"max num batched tokens|chunked prefill size(?!\s*-1\b)|max num tokens"
"""What they call its tokens at most. SGLang's -1 turns the limit off."""


@dataclass(frozen=True, slots=True, kw_only=True)
class QuotedFlags:
    """What the free text of flags says. None is what it leaves open.

    tensor_parallel, pipeline_parallel, data_parallel: GPUs, stages and copies of the engine.
    expert_parallel: whether GPUs share out whole experts.
    attention_data_parallel: whether each GPU holds a copy of the attention.
    max_num_seqs, max_num_batched_tokens: sequences and tokens of one step at most.
    stream_interval: tokens that the server sends to a client together.
    seqs_follow_load: whether `max-num-seqs` is the concurrency of each run.
    gpu_memory_utilization: share of the GPU's memory that the engine may take.
    low, high: shortest and longest length over the nominal one; lengths are drawn evenly between them.
    stated_mean: mean length over the nominal one, where the source states it.
    lengths: how the lengths of requests differ.
    speculative, disaggregated, prefix_cache, eager, lora: whether the run used it.
    problem: what makes no sense in the text, in words; empty when all of it does.
    """

    tensor_parallel: int | None
    pipeline_parallel: int
    data_parallel: int | None
    expert_parallel: bool
    attention_data_parallel: bool
    max_num_seqs: int | None
    seqs_follow_load: bool
    max_num_batched_tokens: int | None
    stream_interval: int | None
    gpu_memory_utilization: float | None
    low: float
    high: float
    stated_mean: float | None
    lengths: QuotedLengths
    speculative: bool
    disaggregated: bool
    prefix_cache: bool
    eager: bool
    lora: bool
    problem: str


@lru_cache(maxsize=4096)
def quoted_flags(text: str) -> QuotedFlags:
    """What a text of flags says. Hyphens, underscores, `=`, quotes and blanks count as the same."""
    words = re.sub(r"[_=:\"'`\\]+|-(?!\d)|(?<![\s_=:\d])-", " ", text.lower())
    words = re.sub(r"(?<=\d)(?=(?:tp|pp|dp|ep)\d)", " ", words)  # `tp8ep8`
    problems: list[str] = []
    low, high, mean = _spread(text.lower())
    return QuotedFlags(
        tensor_parallel=_parallel(words, "TP", _TENSOR, problems),
        pipeline_parallel=_parallel(words, "PP", _PIPELINE, problems) or 1,
        data_parallel=_parallel(words, "DP", _DATA, problems),
        expert_parallel=_affirms(words, rf"ep\d+|\d+ep|{_EXPERT}") and _parallel(words, "EP", _EXPERT, problems) != 1,
        attention_data_parallel=_affirms(words, r"att(?:ention|n) dp|dp att(?:ention|n)|attention data parallel\w*"),
        max_num_seqs=_whole(words, _SEQUENCES, problems),
        seqs_follow_load=bool(re.search(rf"(?:{_SEQUENCES})\s*conc", words)),
        max_num_batched_tokens=_whole(words, _BATCHED_TOKENS, problems),
        stream_interval=_whole(words, "stream interval", problems),
        gpu_memory_utilization=_share(words, problems),
        low=low,
        high=high,
        stated_mean=mean,
        lengths=_lengths(words, low, high),
        speculative=_affirms(words, r"speculat\w*|mtp\d*|eagle\d*|medusa|draft model|spec decod\w*|ngram"),
        disaggregated=_affirms(words, r"disagg\w*|\d+p\d+d"),
        prefix_cache=_affirms(words, r"prefix cach\w*|radix cach\w*"),
        eager=_affirms(words, r"enforce eager|eager mode") or _denies(words, r"cuda graphs?"),
        lora=_affirms(words, r"(?:q|multi ?)?loras?\d*"),
        problem=problems[0] if problems else "",
    )


def _parallel(text: str, short: str, name: str, problems: list[str]) -> int | None:
    """A parallel size; None where the text states none. name: pattern of its names, of which `short` is one."""
    size = r"(?:\s+(?:size|degree|of))*\s*"
    after = rf"\b{name}{size}(?!{_GLUED})(-?\d[\w.]*(?:[-/,~]\d[\w.]*)*)"
    stuck = rf"(?<![\w.,-])(\d+)(?:\s*way\s+)?{name}\b"
    start = r"(?:^|[;(|&+]|,\s|\b(?:with|using|at|on)\s)\s*"
    before = rf"{start}(\d+)\s+{name}\b(?!{size}-?\d)"
    stated = {place[1] for pattern in (after, stuck) for place in re.finditer(pattern, text)}
    stated |= {place[1] for place in re.finditer(before, text) if int(place[1]) <= MOST_BEFORE}
    ordered = sorted(stated, key=lambda number: (len(number), number))
    values = {_parallel_size(number, f"{short} size", problems) for number in ordered}
    if len(values) > 1:
        problems.append(f"{short} is stated as {' and '.join(number.rstrip('.') for number in ordered)}")
    either = re.search(rf"{start}(\d+)\s+{name}\s+(\d+)\s+(?:tp|pp|dp)\b(?! att)(?!{size}-?\d)", text)
    if either and int(either[1]) <= MOST_BEFORE:
        problems.append(f"{short} may be {either[1]} or {either[2]}")
    return min((value for value in values if value), default=None)


def _parallel_size(stated: str, name: str, problems: list[str]) -> int | None:
    """A parallel size of at most `MOST_RANKS`; None for anything else, which becomes a problem."""
    value = _positive(stated, name, problems)
    if value is not None and value > MOST_RANKS:
        problems.append(f"{name} {stated.rstrip('.')} is more than the {MOST_RANKS} GPUs that one engine spans at most")
        return None
    return value


def _whole(text: str, names: str, problems: list[str]) -> int | None:
    """The whole number after one of several names of the same flag; None where none of them is in the text."""
    stated = dict.fromkeys(re.findall(rf"\b({names})\s*(-?\d[\w.,]*(?:-\d+)?)", text))
    values = {_positive(number, name.replace(" ", "-"), problems) for name, number in stated}
    if len(values) > 1:
        name = names.partition("|")[0].replace(" ", "-")
        numbers = dict.fromkeys(number.rstrip(".,") for _, number in stated)
        problems.append(f"{name} is stated as {' and '.join(numbers)}")
    return min((value for value in values if value), default=None)


def _positive(stated: str, name: str, problems: list[str]) -> int | None:
    """A whole number of at least 1, where `k` stands for 1024; None for anything else, which becomes a problem."""
    number = stated.rstrip(".,")
    digits = re.fullmatch(r"(\d{1,3}(?:,\d{3})+|\d+)(k)?", number)
    value = int(digits[1].replace(",", "")) * (1024 if digits[2] else 1) if digits else 0
    if value < 1:
        problems.append(f"{name} {number} is no whole number of at least 1")
    return value or None


def _share(text: str, problems: list[str]) -> float | None:
    """The share of the GPU's memory, or of what the weights leave of it, that the engine may take."""
    stated = re.search(
        r"(?:gpu mem\w*(?: utilization)?|free gpu mem\w* fraction|mem fraction static)\s*"
        r"(-?\d*\.?\d+)(?![\d.]*\d)\s*(%|g)?",
        text,
    )
    if stated is None or stated[2] == "g":  # gigabytes say how large the device is
        return None
    share = float(stated[1]) / (100.0 if stated[2] else 1.0)
    if not 0.0 < share <= 1.0:
        problems.append(f"gpu-mem {stated[1]} is no share of a GPU's memory")
    return share


def _spread(text: str) -> tuple[float, float, float | None]:
    """(shortest, longest, stated mean) length over the nominal one."""
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


def _lengths(text: str, low: float, high: float) -> QuotedLengths:
    """How lengths differ. low, high: bounds that the text states."""
    if re.search(NATURAL, text):
        return "natural"
    if low < high:
        return "uniform"
    return "fixed" if re.search(FIXED, text) else "not stated"


def _denies(text: str, pattern: str) -> bool:
    """Whether a text says that something was not so, as in `no prefix cache` or `speculative decoding off`."""
    return bool(re.search(rf"{_NOT}(?:enable\s+)?(?:{pattern})\b|\b(?:{pattern}){_OFF}", text))


def _affirms(text: str, pattern: str) -> bool:
    """Whether a text says that something was so."""
    return bool(re.search(rf"\b(?:{pattern})\b", text)) and not _denies(text, pattern)
