"""One published figure of one benchmark run, read from a row of words into conditions that the model understands.

    row (strings, columns of COLUMNS) → PublishedRun | Unreadable

Lengths are means of what was really sent: lengths drawn evenly from [0.8, 1.0] × nominal count 0.9 × nominal. What a
row leaves open and the prediction needs is assumed only where a source's manner is known, and stands in `assumed`; the
rest is an `Unreadable` with its reason, never a guess. `value` may be missing. Words are `words`' matter and
names `names`'.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from measurement.evidence.benchmarks import EngineName
from measurement.evidence.names import Named, Shapes, gpu_named
from measurement.evidence.words import (
    Flags,
    QuotedFigure,
    QuotedLengths,
    QuotedLoad,
    count,
    engine_word,
    figure,
    flags,
    kv_word,
    load,
    tokens,
    weight_word,
)
from planner.domain.catalog import Catalog
from planner.domain.gaps import Gap
from planner.domain.models import Model
from planner.performance.precision import KvFormat

COLUMNS = (
    "id",
    "engine",
    "model",
    "weight_dtype",
    "gpu",
    "gpus",
    "input_tokens",
    "output_tokens",
    "concurrency_or_rate",
    "metric",
)
"""What a table must have. Columns that a source leaves out beside these count as not stated."""

EXPERTS_ONLY = re.compile(r"deepseek-|kimi-|minimax-|glm-")
"""Models whose nvfp4 checkpoints keep attention in 16 bit, as shipped measurements of them are entered."""
SINGLE_STREAM = (512.0, 256.0)
"""Tokens in and out of a single stream whose source states none: one request's speed hardly depends on them."""
_TRAINED_INT4 = re.compile(r"kimi-k2(\.5|-thinking)")
_OFFLINE = re.compile(r"offline|benchmark_throughput|trtllm-bench|bench throughput", re.IGNORECASE)
_FORMAT_IN_NAME = re.compile(r"nvfp4|mxfp4|fp4|fp8|awq|gptq|w\da\d+|int[48]|bnb|gguf")


@dataclass(frozen=True, slots=True)
class PublishedRun:
    """One figure and the conditions that it was measured under, in catalog keys; None is what the row leaves open."""

    id: str
    model: str
    dense: str
    experts: str
    kv: KvFormat
    gpu: str
    gpus: int
    """All of them; `tensor_parallel_size` × `data_parallel_size`."""
    tensor_parallel_size: int
    data_parallel_size: int
    """Copies of the engine, or of its attention alone where `expert_parallel_size` spans them."""
    expert_parallel_size: int
    """GPUs that share out whole experts; 1 where tensor parallelism cuts each."""
    engine: EngineName
    engine_version: str
    date: str
    input_tokens: float
    output_tokens: float
    length_low: float
    length_high: float
    """Shortest and longest length relative to the mean."""
    lengths: QuotedLengths
    concurrency: int | None
    rate_per_s: float | None
    """Offered requests/s. Neither this nor `concurrency`: everything was offered at once."""
    prompts: int | None
    max_num_seqs: int | None
    max_num_batched_tokens: int | None
    offline: bool
    """The engine was called as a library, without its server."""
    gpu_memory_utilization: float | None
    prefix_cache: bool
    eager: bool
    """Without CUDA graphs."""
    chunked_prefill: bool
    remote_client: bool
    figure: QuotedFigure
    value: float | None
    regime: str
    quality: str
    family: str
    source: str
    assumed: tuple[str, ...]
    """What the row does not state and the figure rests on, in words."""


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A row that cannot be predicted: why, and what could be done about it."""

    id: str
    reason: str
    hint: str = ""


class Reader:
    """Reads rows against one catalog."""

    def __init__(self, catalog: Catalog) -> None:
        self.models = catalog.models
        self.gpus = catalog.all_gpus
        self._instances = catalog.instances
        self._shapes = Shapes(catalog.models)

    def read(self, row: Mapping[str, str]) -> PublishedRun | Unreadable:
        """The run of one row, or the first reason why it cannot be predicted."""
        said = {name: (text or "").strip() for name, text in row.items()}
        try:
            return self._read(said)
        except _Left as left:
            return Unreadable(said.get("id", ""), left.reason, left.hint)

    def family(self, model: str) -> str:
        """The family of a catalog model where a row names none: the models of its shape, by one of their keys."""
        return self._shapes.family(model)

    def _read(self, said: Mapping[str, str]) -> PublishedRun:
        model = self.models[_found(self._shapes.named(said["model"], said.get("params", ""))).key]
        card = _found(gpu_named(said["gpu"], said.get("instance_type", ""), self.gpus, self._instances))
        asked = figure(said["metric"])
        if asked is None:
            raise _Left(f"metric {said['metric']!r} is none that is predicted", "tpot, itl, ttft, e2e, tok/s, req/s")
        engine = engine_word(said["engine"])
        if engine is None:
            raise _Left(f"engine {said['engine']!r} has no coefficients", "vllm, trt-llm, sglang, tgi")
        kv = kv_word(said.get("kv_dtype", ""))
        if kv is None:
            raise _Left(f"cache format {said.get('kv_dtype')!r} is none that is known", "leave it empty for 16 bit")
        regime = said.get("regime", "")
        offered = load(said["concurrency_or_rate"], regime)
        if offered is None:
            hint = "write `16 concurrent`, `4 req/s` or `inf rate`"
            raise _Left(f"load {said['concurrency_or_rate']!r} says neither concurrency nor rate", hint)
        told = flags(f"{said.get('flags', '')}; {said['concurrency_or_rate']}")
        for kept, why in (
            (told.speculative, "speculative decoding"),
            (told.disaggregated, "disaggregated prefill"),
            (told.lora, "serving LoRA adapters"),
        ):
            if kept:
                raise _Left(f"{why} is not modelled", "measure without it")
        if told.problem:
            raise _Left(told.problem, "correct the flags")
        dense, experts, taken = _formats(said["weight_dtype"], said["model"], model)
        tp, dp, ep = _ranks(said["gpus"], said["gpu"], told)
        sizes, lengths_assumed = _lengths(said["input_tokens"], said["output_tokens"], told, offered)
        if asked.kind == "tpot" and sizes.output_tokens <= 1.0:
            raise _Left("one output token has no time per output token", "ask for TTFT")
        assumed = (*lengths_assumed, taken, card.assumed, "no prefix hits" if told.prefix_cache else "")
        return PublishedRun(
            id=said["id"],
            model=model.key,
            dense=dense,
            experts=experts,
            kv=kv,
            gpu=card.key,
            gpus=tp * dp,
            tensor_parallel_size=tp,
            data_parallel_size=dp,
            expert_parallel_size=ep,
            engine=engine,
            engine_version=_version(said.get("engine_version", "")),
            date=said.get("date", ""),
            input_tokens=sizes.input_tokens,
            output_tokens=sizes.output_tokens,
            length_low=sizes.low,
            length_high=sizes.high,
            lengths=sizes.lengths,
            concurrency=offered.concurrency,
            rate_per_s=offered.rate_per_s,
            prompts=offered.prompts,
            max_num_seqs=offered.concurrency if told.seqs_follow_load else told.max_num_seqs,
            max_num_batched_tokens=told.max_num_batched_tokens,
            offline=bool(_OFFLINE.search(f"{said.get('flags', '')} {said['concurrency_or_rate']}")),
            gpu_memory_utilization=told.gpu_memory_utilization,
            prefix_cache=told.prefix_cache,
            eager=told.eager,
            chunked_prefill=told.chunked_prefill,
            remote_client=told.remote_client,
            figure=asked,
            value=_value(said.get("value", "")),
            regime=regime,
            quality=said.get("quality", ""),
            family=said.get("family") or self.family(model.key),
            source=said.get("source_group") or said["id"].rpartition("-")[0],
            assumed=tuple(text for text in assumed if text),
        )


class _Left(Exception):
    """A row is left out, and why."""

    def __init__(self, reason: str, hint: str = "") -> None:
        super().__init__(reason)
        self.reason, self.hint = reason, hint


@dataclass(frozen=True, slots=True)
class _Sizes:
    input_tokens: float
    output_tokens: float
    low: float
    high: float
    lengths: QuotedLengths


def _found(name: Named | Gap) -> Named:
    if isinstance(name, Gap):
        raise _Left(name.message, name.hint)
    return name


def _value(stated: str) -> float | None:
    try:
        return float(stated) if stated else None
    except ValueError:
        raise _Left(f"value {stated!r} is not a number", "leave it empty where nothing was measured") from None


def _version(stated: str) -> str:
    """The number in a stated version, outside of remarks; empty when there is none."""
    found = re.search(r"\d+\.\d+[\w.]*", re.sub(r"\(.*?\)", "", stated))
    return found[0] if found else ""


def _formats(word: str, name: str, model: Model) -> tuple[str, str, str]:
    """(format of the dense weights, of the experts, what was assumed) from the stated format or the model's name."""
    found = _FORMAT_IN_NAME.search(name.lower())
    in_name = found[0] if found else ""
    form = weight_word(word or "auto")
    if form == "auto" and in_name:
        form = weight_word(in_name)
    if form is None:
        hint = "bf16, fp8, int8, awq, gptq, mxfp4, nvfp4"
        raise _Left(f"weight format {word or in_name!r} is none that the performance model knows", hint)
    native = model.precisions()[0]
    sparse = model.architecture.experts is not None
    pair: tuple[str, str] = (form, form)
    if form == "auto":
        pair = (native.dense, native.experts)
    elif form == "16-bit":
        pair = ("bf16", "bf16")
    elif form == "fp8" and native.dense == "fp8-block":
        pair = ("fp8-block", "fp8-block")
    elif form == "gptq" and (native.experts == "int4-qat" or _TRAINED_INT4.search(name.lower())):
        pair = ("bf16", "int4-qat")
    elif sparse and (form in ("mxfp4", "int4-qat") or (form == "nvfp4" and EXPERTS_ONLY.match(model.key))):
        pair = ("bf16", form)
    dense, experts = ("bf16" if part == "fp16" else part for part in pair)
    taken = "not stated" in word or not (word or in_name)
    return dense, experts, f"{experts} weights" if taken else ""


def _ranks(stated: str, gpu: str, told: Flags) -> tuple[int, int, int]:
    """(tensor, data, expert parallel size); where only a number of GPUs is stated, one replica spans them."""
    if told.pipeline_parallel > 1:
        raise _Left("pipeline parallelism is not modelled", "measure within one node")
    in_name = re.match(r"\s*(\d+)\s*[xX×]", gpu)
    for number in (stated, in_name[1] if in_name else ""):
        if number and count(number) is None:
            raise _Left(f"number of GPUs {number!r} is no whole number of at least 1", "correct the gpus column")
    gpus = count(stated) or (count(in_name[1]) if in_name else None)
    tp, dp = told.tensor_parallel, told.data_parallel
    if gpus is None:
        if tp is None:
            raise _Left(f"number of GPUs {stated!r} is not stated", "fill the gpus column")
        gpus = tp * (dp or 1)
    if dp is not None and tp is not None and tp * dp > gpus and tp == gpus and tp % dp == 0:
        tp //= dp  # SGLang counts attention's copies inside TP
    tp = tp or (gpus // dp if dp and gpus % dp == 0 else gpus)
    if gpus % tp:
        raise _Left(f"TP {tp} does not fit {gpus} GPUs", "make the gpus column and the flags agree")
    dp = gpus // tp
    return tp, dp, gpus if told.expert_parallel or (told.attention_data_parallel and dp > 1) else 1


def _lengths(inputs: str, outputs: str, told: Flags, offered: QuotedLoad) -> tuple[_Sizes, tuple[str, ...]]:
    """Mean lengths as sent, and what of them was assumed."""
    (into, low, high), into_assumed = _length("input", inputs, SINGLE_STREAM[0], offered)
    (out, _, _), out_assumed = _length("output", outputs, SINGLE_STREAM[1], offered)
    mean = told.stated_mean or (told.low + told.high) / 2.0
    least, most = low * told.low / mean, high * told.high / mean
    lengths = "uniform" if least < most and told.lengths == "not stated" else told.lengths
    sizes = _Sizes(into * mean, out * mean, least, most, lengths)
    return sizes, (into_assumed, out_assumed)


def _length(what: str, stated: str, otherwise: float, offered: QuotedLoad) -> tuple[tuple[float, float, float], str]:
    found = tokens(stated)
    if found is not None:
        return found, ""
    if stated or offered.concurrency != 1:
        raise _Left(f"{what} length is not stated" + (f": {stated!r}" if stated else ""), f"fill {what}_tokens")
    return (otherwise, 1.0, 1.0), f"{otherwise:.0f} {what} tokens"
