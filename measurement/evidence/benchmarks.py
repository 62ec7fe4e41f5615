"""Published measurements of serving speed, as the rows that a fit and an accuracy table judge the model by.

One row is one figure of one run: `tpot` and `ttft` in ms (median or mean, as published), `throughput` in output
tokens/s of the replica. Runs hold a number of requests in flight (`concurrency`), or offer everything at once (None:
saturation). Rows name catalog keys; a row whose model, GPU or format the catalog lacks becomes a named gap, never a
guess.

It reads no file and fits nothing.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal, cast

from planner.domain.gaps import Gap
from planner.domain.models import Model, Quantization, WeightFormat
from planner.domain.offerings import Gpu
from planner.performance.precision import KvFormat, Unsupported, support

EngineName = Literal["vllm", "trt-llm", "sglang", "tgi"]
_VERSION = re.compile(r"(?<![\d.])(\d+)\.(\d+)")
EARLIER: dict[EngineName, tuple[tuple[int, int], str]] = {
    "vllm": ((0, 6), "2024-09-05"),
    "trt-llm": ((1, 0), "2025-09-24"),
}
"""Releases that changed an engine's own loop, and their days: vLLM's scheduler and output processing no longer held the
GPU up, TensorRT-LLM's PyTorch backend became the default."""


def engine_key(engine: EngineName, version: str, date: str, offline: bool = False) -> str:
    """The key of `Coefficients.engines`: engines before such a release count as ones of their own.

    The date decides where the version is not stated; a row with neither counts as present. offline: called as a
    library. Early vLLM's server ran in the process of its engine and held it up, so that its absence counts as well.
    """
    if engine not in EARLIER:
        return engine
    release, day = EARLIER[engine]
    found = _VERSION.search(version)
    early = (int(found[1]), int(found[2])) < release if found else bool(date) and date < day
    if not early:
        return engine
    return f"{engine}<{release[0]}.{release[1]}" + (" offline" if offline and engine == "vllm" else "")


@dataclass(frozen=True, slots=True)
class Measurement:
    """One published figure, in catalog keys.

    input_tokens, output_tokens: mean tokens of a request. lengths: `fixed` where every request has just these, so that
    clients stay in step with each other; `spread` where they vary or nothing is said. max_num_batched_tokens: tokens of
    one step where stated, None for the engine's default. offline: the engine was called as a library, without its
    server.
    """

    id: str
    model: str
    dense: str
    experts: str
    kv: KvFormat
    gpu: str
    tensor_parallel_size: int
    engine: EngineName
    engine_version: str
    input_tokens: float
    output_tokens: float
    lengths: Literal["fixed", "spread"]
    concurrency: int | None
    max_num_batched_tokens: int | None
    offline: bool
    metric: Literal["tpot", "ttft", "throughput"]
    value: float
    regime: Literal["fixed_concurrency", "saturation", "kv_or_seq_limited", "batch1"]
    quality: Literal["A", "B"]
    date: str

    @property
    def source(self) -> str:
        """The collection that the figure comes from: its id without the number."""
        return self.id.rsplit("-", 1)[0]

    @property
    def cell(self) -> tuple[str, str]:
        """(model, GPU): rows of a cell stand and fall together, so they are held out together."""
        return self.model, self.gpu

    @property
    def voice(self) -> tuple[str, str, str, str]:
        """Rows that share this count as one voice in a fit, however many they are."""
        return self.source, self.model, self.gpu, self.metric

    @property
    def engine_key(self) -> str:
        """The engine as the coefficients know it, one of `fit.ENGINE_KEYS`."""
        return engine_key(self.engine, self.engine_version, self.date, self.offline)


@dataclass(frozen=True, slots=True)
class Subject:
    """A measurement with the catalog rows that it names."""

    measurement: Measurement
    model: Model
    quantization: Quantization
    gpu: Gpu


def subjects(
    rows: Iterable[Measurement], models: Mapping[str, Model], gpus: Mapping[str, Gpu]
) -> tuple[tuple[Subject, ...], tuple[Gap, ...]]:
    """Rows whose model, GPU and formats are known, and one gap for each reason that left rows out."""
    found: list[Subject] = []
    missing: Counter[tuple[str, str, str]] = Counter()
    for row in rows:
        model, gpu = models.get(row.model), gpus.get(row.gpu)
        if model is None or gpu is None:
            missing[("model", row.model, "") if model is None else ("gpu", row.gpu, "")] += 1
            continue
        ways = [support(form, gpu) for form in (row.dense, row.experts)]
        refused = next((way for way in ways if isinstance(way, Unsupported)), None)
        if refused is not None:
            missing[("gpu", row.gpu, refused.reason)] += 1
            continue
        quantization = stored(model, row.dense, row.experts)
        found.append(Subject(row, model, quantization, gpu))
    gaps = tuple(
        Gap(kind, key, f"{count} measured rows are left out: {why or f'{key} is not in the catalog'}", "add the row")
        for (kind, key, why), count in sorted(missing.items())
    )
    return tuple(found), gaps


def stored(model: Model, dense: str, experts: str) -> Quantization:
    """Weights in these formats: by the model's own recipe where its checkpoint in the experts' format is known."""
    known = model.precision(experts)
    if known and (known.dense == dense or known.kept):
        return known
    return Quantization(experts, cast(WeightFormat, dense), cast(WeightFormat, experts), None)
