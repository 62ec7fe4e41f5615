"""Published measurements of serving speed, as the rows that a fit and an accuracy table judge the model by.

One row is one figure of one run: `tpot` and `ttft` are in ms (median or mean, as published), `throughput` is in output
tokens/s of the replica. A run holds a number of requests in flight (`concurrency`), or it offers everything at once
(`concurrency` is None). Rows name catalog keys. A row whose model, GPU or format the catalog lacks becomes a named gap;
nothing is guessed.

This module reads no file and fits nothing.
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
EARLY_RELEASES: dict[EngineName, tuple[tuple[int, int], str]] = {
    "vllm": ((0, 6), "2024-09-05"),
    "trt-llm": ((1, 0), "2025-09-24"),
}
"""The release that changed an engine's own loop, and its day. From vLLM 0.6 on, the scheduler and the processing of
outputs no longer hold up the GPU. From TensorRT-LLM 1.0 on, the PyTorch backend is the default."""


def engine_key(engine: EngineName, version: str, date: str, offline: bool = False) -> str:
    """The key of `Coefficients.engines`. An engine before the release in `EARLY_RELEASES` counts as one of its own.

    The date decides where the version is not stated; a row with neither counts as a present release. The server of
    early vLLM ran in the same process as the engine and held it up, so an early engine without its server counts as
    one of its own too.

    version: the version as stated, or empty.
    date: the day of the measurement, YYYY-MM-DD, or empty.
    offline: whether the engine was called as a library, without its server.
    """
    if engine not in EARLY_RELEASES:
        return engine
    release, day = EARLY_RELEASES[engine]
    stated = _VERSION.search(version)
    early = (int(stated[1]), int(stated[2])) < release if stated else bool(date) and date < day
    if not early:
        return engine
    return f"{engine}<{release[0]}.{release[1]}" + (" offline" if offline and engine == "vllm" else "")


@dataclass(frozen=True, slots=True, kw_only=True)
class Measurement:
    """One published figure, in catalog keys.

    id: name of the collection, a hyphen and a number.
    model, gpu: keys of the catalog.
    dense, experts: formats of the dense weights and of the experts' weights.
    kv: format of the KV cache.
    tensor_parallel_size: GPUs of the replica.
    engine_version: version as stated, or empty.
    input_tokens, output_tokens: mean tokens of a request.
    lengths: `fixed` where every request has exactly these lengths, so that clients stay in step with each other;
        `spread` where lengths vary or the source does not say.
    concurrency: requests in flight; None where everything was offered at once.
    max_num_batched_tokens: tokens of one step at most; None for the engine's default.
    offline: whether the engine was called as a library, without its server.
    value: the figure, in ms or in output tokens/s.
    quality: A for a record that states its conditions, B for one that leaves some of them open.
    date: day of the measurement, YYYY-MM-DD, or empty.
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
        """The collection that the figure comes from, which is its id without the number."""
        return self.id.rsplit("-", 1)[0]

    @property
    def cell(self) -> tuple[str, str]:
        """(model, GPU). Rows of one cell are alike, so they are held out together."""
        return self.model, self.gpu

    @property
    def voice(self) -> tuple[str, str, str, str]:
        """(source, model, GPU, metric). Rows that share it count as one voice in a fit, however many they are."""
        return self.source, self.model, self.gpu, self.metric

    @property
    def engine_key(self) -> str:
        """The key of the engine in the coefficients, one of `fit.ENGINE_KEYS`."""
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
    """(rows whose model, GPU and formats are known, one gap for each reason that left rows out)."""
    usable: list[Subject] = []
    missing: Counter[tuple[str, str, str]] = Counter()
    for row in rows:
        model, gpu = models.get(row.model), gpus.get(row.gpu)
        if model is None or gpu is None:
            missing[("model", row.model, "") if model is None else ("gpu", row.gpu, "")] += 1
            continue
        ways = [support(form, gpu) for form in (row.dense, row.experts)]
        unsupported = next((way for way in ways if isinstance(way, Unsupported)), None)
        if unsupported is not None:
            missing[("gpu", row.gpu, unsupported.reason)] += 1
            continue
        quantization = stored_quantization(model, row.dense, row.experts)
        usable.append(Subject(row, model, quantization, gpu))
    gaps = tuple(
        Gap(kind, key, f"{count} measured rows are left out: {why or f'{key} is not in the catalog'}", "add the row")
        for (kind, key, why), count in sorted(missing.items())
    )
    return tuple(usable), gaps


def stored_quantization(model: Model, dense: str, experts: str) -> Quantization:
    """How the weights are stored in these formats.

    Where the catalog knows the model's checkpoint in the experts' format, its recipe holds.
    """
    recipe = model.precision(experts)
    if recipe and (recipe.dense == dense or recipe.kept):
        return recipe
    return Quantization(experts, cast(WeightFormat, dense), cast(WeightFormat, experts), None)
