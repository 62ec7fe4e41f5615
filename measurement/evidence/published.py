"""One published figure of one benchmark run, read from a row of words into conditions that the model understands.

    row (strings, columns of COLUMNS) → PublishedRun | Unpredictable

Lengths are means of what was really sent: where lengths are drawn evenly from [0.8, 1.0] × nominal, the mean is
0.9 × nominal. What a row leaves open and a prediction needs is assumed only where the source is known to work that way,
and it stands in `assumed`. Any other row is an `Unpredictable` with its reason; nothing is guessed. The column `value`
may be missing. `words`, `loads` and `flags` read single cells, and `names` finds models and GPUs.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from measurement.evidence.engines import EngineName, engine_key
from measurement.evidence.flags import QuotedFlags, QuotedLengths, quoted_flags
from measurement.evidence.loads import QuotedLength, QuotedLoad, quoted_length, quoted_load, whole_number
from measurement.evidence.names import ModelNames, NameMatch, find_gpu
from measurement.evidence.words import QuotedFigure, cache_format, engine_name, quoted_figure, weight_format
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
"""Columns that a table must have. A row says nothing in the other columns where a table leaves them out."""

EXPERTS_ONLY = re.compile(r"deepseek-|kimi-|minimax-|glm-")
"""Models whose nvfp4 checkpoints keep attention in 16 bit, as shipped measurements of them are entered."""
SINGLE_STREAM = (512.0, 256.0)
"""Tokens in and out that are assumed of a single stream whose source states none. Its speed hardly depends on them."""
_TRAINED_INT4 = re.compile(r"kimi-k2(\.5|-thinking)")
_OFFLINE = re.compile(r"offline|benchmark_throughput|trtllm-bench|bench throughput", re.IGNORECASE)
_FORMAT_IN_NAME = re.compile(r"nvfp4|mxfp4|fp4|fp8|awq|gptq|w\da\d+|int[48]|bnb|gguf")


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishedRun:
    """One figure and the conditions that it was measured under, in catalog keys. None is what the row leaves open.

    model, gpu: keys of the catalog.
    dense, experts: formats of the dense weights and of the experts' weights.
    kv: format of the KV cache.
    gpus: all GPUs, which is `tensor_parallel_size` × `data_parallel_size`.
    data_parallel_size: copies of the engine, or of its attention alone where `expert_parallel_size` spans them.
    expert_parallel_size: GPUs that share out whole experts; 1 where tensor parallelism cuts each expert.
    attention_data_parallel: whether each GPU holds a copy of the attention and serves sequences of its own.
    engine_version: number of the version, or empty.
    date: day of the measurement, YYYY-MM-DD, or empty.
    input_tokens, output_tokens: mean tokens of a request.
    length_low, length_high: shortest and longest length over the mean.
    lengths: how the lengths of requests differ.
    concurrency: requests in flight. None together with `rate_per_s` where everything was offered at once.
    rate_per_s: requests offered per second.
    prompts: requests of the whole run.
    max_num_seqs, max_num_batched_tokens: sequences and tokens of one step at most.
    offline: whether the engine was called as a library, without its server.
    gpu_memory_utilization: share of the GPU's memory that the engine may take.
    eager: whether the engine ran without CUDA graphs.
    stream_interval: tokens that the server sends to a client together.
    figure: what was measured.
    value: the measured figure in the row's own unit.
    regime, quality, family, source: as the row states them, for accuracy tables.
    assumed: what the row does not state and the prediction rests on, in words.
    """

    id: str
    model: str
    dense: str
    experts: str
    kv: KvFormat
    gpu: str
    gpus: int
    tensor_parallel_size: int
    data_parallel_size: int
    expert_parallel_size: int
    attention_data_parallel: bool
    engine: EngineName
    engine_version: str
    date: str
    input_tokens: float
    output_tokens: float
    length_low: float
    length_high: float
    lengths: QuotedLengths
    concurrency: int | None
    rate_per_s: float | None
    prompts: int | None
    max_num_seqs: int | None
    max_num_batched_tokens: int | None
    offline: bool
    gpu_memory_utilization: float | None
    eager: bool
    stream_interval: int
    figure: QuotedFigure
    value: float | None
    regime: str
    quality: str
    family: str
    source: str
    assumed: tuple[str, ...]

    @property
    def cell(self) -> tuple[str, str]:
        """(model, GPU). Rows of one cell are alike, so they are held out together."""
        return self.model, self.gpu

    @property
    def voice(self) -> tuple[str, str, str, str]:
        """(source, model, GPU, kind of figure). Rows that share it count as one voice in a fit, however many they
        are."""
        return self.source, self.model, self.gpu, self.figure.kind

    @property
    def engine_key(self) -> str:
        """The key of the engine in the coefficients, one of `fit.ENGINE_KEYS`."""
        return engine_key(self.engine, self.engine_version, self.date, self.offline)

    @property
    def is_all_at_once(self) -> bool:
        """Whether everything was offered at once."""
        return self.concurrency is None and self.rate_per_s is None


@dataclass(frozen=True, slots=True)
class Unpredictable:
    """A row that cannot be predicted.

    reason: why, in words.
    hint: what could be done about it.
    """

    id: str
    reason: str
    hint: str = ""


class RowReader:
    """Reads rows of published tables with the names of one catalog."""

    def __init__(self, catalog: Catalog) -> None:
        self.models = catalog.models
        self.gpus = catalog.all_gpus
        self._instances = catalog.instances
        self._model_names = ModelNames(catalog.models)

    def read(self, row: Mapping[str, str]) -> PublishedRun | Unpredictable:
        """The run of one row, or the first reason why it cannot be predicted."""
        cells = {name: (text or "").strip() for name, text in row.items()}
        try:
            return self._read(cells)
        except _LeftOut as left_out:
            return Unpredictable(cells.get("id", ""), left_out.reason, left_out.hint)

    def family(self, model: str) -> str:
        """The family of a catalog model where a row names none: the models of its shape, by the key of one of them."""
        return self._model_names.family(model)

    def _read(self, cells: Mapping[str, str]) -> PublishedRun:
        model = self.models[_match(self._model_names.find(cells["model"], cells.get("params", ""))).key]
        card = _match(find_gpu(cells["gpu"], cells.get("instance_type", ""), self.gpus, self._instances))
        asked = quoted_figure(cells["metric"])
        if asked is None:
            hint = "tpot, itl, ttft, e2e, tok/s, req/s"
            raise _LeftOut(f"metric {cells['metric']!r} is none that is predicted", hint)
        engine = engine_name(cells["engine"])
        if engine is None:
            raise _LeftOut(f"engine {cells['engine']!r} has no coefficients", "vllm, trt-llm, sglang, tgi")
        kv = cache_format(cells.get("kv_dtype", ""))
        if kv is None:
            raise _LeftOut(f"cache format {cells.get('kv_dtype')!r} is none that is known", "leave it empty for 16 bit")
        regime = cells.get("regime", "")
        load = quoted_load(cells["concurrency_or_rate"], regime)
        if load is None:
            hint = "write `16 concurrent`, `4 req/s` or `inf rate`"
            raise _LeftOut(f"load {cells['concurrency_or_rate']!r} says neither concurrency nor rate", hint)
        flags = quoted_flags(f"{cells.get('flags', '')}; {cells['concurrency_or_rate']}")
        for is_used, what in (
            (flags.speculative, "speculative decoding"),
            (flags.disaggregated, "disaggregated prefill"),
            (flags.lora, "serving LoRA adapters"),
        ):
            if is_used:
                raise _LeftOut(f"{what} is not modelled", "measure without it")
        if flags.problem:
            raise _LeftOut(flags.problem, "correct the flags")
        dense, experts, formats_assumed = _formats(cells["weight_dtype"], cells["model"], model)
        tp, dp, ep = _ranks(cells["gpus"], cells["gpu"], flags)
        sizes, lengths_assumed = _lengths(cells["input_tokens"], cells["output_tokens"], flags, load)
        if asked.kind == "tpot" and sizes.output_tokens <= 1.0:
            raise _LeftOut("one output token has no time per output token", "ask for TTFT")
        assumed = (*lengths_assumed, formats_assumed, card.assumed, "no prefix hits" if flags.prefix_cache else "")
        return PublishedRun(
            id=cells["id"],
            model=model.key,
            dense=dense,
            experts=experts,
            kv=kv,
            gpu=card.key,
            gpus=tp * dp,
            tensor_parallel_size=tp,
            data_parallel_size=dp,
            expert_parallel_size=ep,
            attention_data_parallel=flags.attention_data_parallel,
            engine=engine,
            engine_version=_version(cells.get("engine_version", "")),
            date=cells.get("date", ""),
            input_tokens=sizes.input_tokens,
            output_tokens=sizes.output_tokens,
            length_low=sizes.low,
            length_high=sizes.high,
            lengths=sizes.lengths,
            concurrency=load.concurrency,
            rate_per_s=load.rate_per_s,
            prompts=load.prompts,
            max_num_seqs=load.concurrency if flags.seqs_follow_load else flags.max_num_seqs,
            max_num_batched_tokens=flags.max_num_batched_tokens,
            offline=bool(_OFFLINE.search(f"{cells.get('flags', '')} {cells['concurrency_or_rate']}")),
            gpu_memory_utilization=flags.gpu_memory_utilization,
            eager=flags.eager,
            stream_interval=flags.stream_interval or 1,
            figure=asked,
            value=_value(cells.get("value", "")),
            regime=regime,
            quality=cells.get("quality", ""),
            family=cells.get("family") or self.family(model.key),
            source=cells.get("source_group") or cells["id"].rpartition("-")[0],
            assumed=tuple(text for text in assumed if text),
        )


class _LeftOut(Exception):
    """The reason why a row is left out, and a hint."""

    def __init__(self, reason: str, hint: str = "") -> None:
        super().__init__(reason)
        self.reason, self.hint = reason, hint


@dataclass(frozen=True, slots=True)
class _Sizes:
    """Lengths of the requests. low, high: shortest and longest length over the mean."""

    input_tokens: float
    output_tokens: float
    low: float
    high: float
    lengths: QuotedLengths


def _match(name: NameMatch | Gap) -> NameMatch:
    if isinstance(name, Gap):
        raise _LeftOut(name.message, name.hint)
    return name


def _value(stated: str) -> float | None:
    try:
        return float(stated) if stated else None
    except ValueError:
        raise _LeftOut(f"value {stated!r} is not a number", "leave it empty where nothing was measured") from None


def _version(stated: str) -> str:
    """The number in a stated version, remarks in parentheses aside; empty when there is none."""
    number = re.search(r"\d+\.\d+[\w.]*", re.sub(r"\(.*?\)", "", stated))
    return number[0] if number else ""


def _formats(word: str, name: str, model: Model) -> tuple[str, str, str]:
    """(format of the dense weights, of the experts, what was assumed) from the stated format or the model's name."""
    format_word = _FORMAT_IN_NAME.search(name.lower())
    in_name = format_word[0] if format_word else ""
    form = weight_format(word or "auto")
    if form == "auto" and in_name:
        form = weight_format(in_name)
    if form is None:
        hint = "bf16, fp8, int8, awq, gptq, mxfp4, nvfp4"
        raise _LeftOut(f"weight format {word or in_name!r} is none that the performance model knows", hint)
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
    is_assumed = "not stated" in word or not (word or in_name)
    return dense, experts, f"{experts} weights" if is_assumed else ""


def _ranks(stated: str, gpu: str, flags: QuotedFlags) -> tuple[int, int, int]:
    """(tensor, data, expert parallel size). Where only a number of GPUs is stated, one replica spans them all."""
    if flags.pipeline_parallel > 1:
        raise _LeftOut("pipeline parallelism is not modelled", "measure within one node")
    in_name = _cards_in_name(gpu)
    for number in (stated, in_name):
        if number and whole_number(number) is None:
            raise _LeftOut(f"number of GPUs {number!r} is no whole number of at least 1", "correct the gpus column")
    gpus = whole_number(stated) or whole_number(in_name)
    tp, dp = flags.tensor_parallel, flags.data_parallel
    if gpus is None:
        if tp is None:
            raise _LeftOut(f"number of GPUs {stated!r} is not stated", "fill the gpus column")
        inside = flags.attention_data_parallel and dp is not None and tp % dp == 0
        gpus = tp if inside else tp * (dp or 1)
    if dp is not None and tp is not None and tp * dp > gpus and tp == gpus and tp % dp == 0:
        tp //= dp  # SGLang counts the copies of attention inside TP
    tp = tp or (gpus // dp if dp and gpus % dp == 0 else gpus)
    if gpus % tp:
        raise _LeftOut(f"TP {tp} does not fit {gpus} GPUs", "make the gpus column and the flags agree")
    dp = gpus // tp
    return tp, dp, gpus if flags.expert_parallel or (flags.attention_data_parallel and dp > 1) else 1


def _cards_in_name(gpu: str) -> str:
    """The number of cards in the name of a GPU, as in `8x H100` or `H100 x8`; empty where there is none.

    A year, a size of memory or the width of a PCIe link in the name is no number of cards.
    """
    words = re.sub(r"\bpcie?\W*(?:gen\W*)?(?:\d\b(?:\.0)?)?\s*x\s?\d+", " ", gpu.lower())
    before = re.match(r"\s*(\d{1,3})\s*[x×]", words)
    after = re.search(r"(?<![rg]t)(?:\s[x×]\s*|[x×])(\d{1,3})\b(?!\s*gi?b)", words)
    found = before or after
    return found[1] if found else ""


def _lengths(inputs: str, outputs: str, flags: QuotedFlags, load: QuotedLoad) -> tuple[_Sizes, tuple[str, ...]]:
    """(lengths as they were sent, what was assumed of them in words)."""
    input_length, input_assumed = _length("input", inputs, SINGLE_STREAM[0], load)
    output_length, output_assumed = _length("output", outputs, SINGLE_STREAM[1], load)
    mean = flags.stated_mean or (flags.low + flags.high) / 2.0
    low, high = input_length.low * flags.low / mean, input_length.high * flags.high / mean
    lengths = "uniform" if low < high and flags.lengths == "not stated" else flags.lengths
    sizes = _Sizes(input_length.nominal * mean, output_length.nominal * mean, low, high, lengths)
    return sizes, (input_assumed, output_assumed)


def _length(what: str, stated: str, otherwise: float, load: QuotedLoad) -> tuple[QuotedLength, str]:
    """(a length, what was assumed of it in words). otherwise: tokens that are assumed of a single stream."""
    length = quoted_length(stated)
    if length is not None:
        return length, ""
    if stated or load.concurrency != 1:
        raise _LeftOut(f"{what} length is not stated" + (f": {stated!r}" if stated else ""), f"fill {what}_tokens")
    return QuotedLength(otherwise), f"{otherwise:.0f} {what} tokens"
