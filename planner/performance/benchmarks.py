"""Published measurements of serving speed, as the rows that a fit and an accuracy table judge the model by.

One row is one figure of one run: `tpot` and `ttft` in ms (median or mean, as published), `throughput` in output
tokens/s of the replica. Runs hold a number of requests in flight (`concurrency`), or offer everything at once (None:
saturation). Rows name catalog keys; a row whose model, GPU or format the catalog lacks becomes a named gap, never a
guess.

It reads no file and fits nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Literal, cast

from planner.domain.gaps import Gap
from planner.domain.models import Format, Model, Quantization
from planner.domain.offerings import Gpu
from planner.performance.precision import KvFormat, Unsupported, support

Engine = Literal["vllm", "trt-llm", "sglang", "tgi"]


@dataclass(frozen=True, slots=True)
class Measurement:
    """One published figure, in catalog keys. Lengths are mean tokens of a request."""

    id: str
    model: str
    dense: str
    experts: str
    kv: KvFormat
    gpu: str
    tensor_parallel_size: int
    engine: Engine
    engine_version: str
    input_tokens: float
    output_tokens: float
    concurrency: int | None
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
    def voice(self) -> tuple[str, str, str]:
        """Rows that share this count as one voice in a fit, however many they are."""
        return self.model, self.gpu, self.metric


@dataclass(frozen=True, slots=True)
class Subject:
    """A measurement with the catalog rows that it names."""

    measurement: Measurement
    model: Model
    quantization: Quantization
    gpu: Gpu


def measured_gpus(gpus: Mapping[str, Gpu]) -> dict[str, Gpu]:
    """The catalog's GPUs, and those that were measured but are not sold: the A100 on a PCIe card (1,935 GB/s, no
    NVLink)."""
    known = dict(gpus)
    if "A100-80GB" in gpus:
        known["A100-80GB-PCIe"] = replace(
            gpus["A100-80GB"],
            key="A100-80GB-PCIe",
            name="NVIDIA A100-80GB PCIe",
            bandwidth_gb_per_s=1935,
            link="pcie4",
            link_gb_per_s=0,
        )
    return known


def subjects(
    rows: Iterable[Measurement], models: Mapping[str, Model], gpus: Mapping[str, Gpu]
) -> tuple[tuple[Subject, ...], tuple[Gap, ...]]:
    """Rows whose model, GPU and formats are known, and one gap for each reason that left rows out."""
    known = measured_gpus(gpus)
    found: list[Subject] = []
    missing: dict[str, int] = {}
    for row in rows:
        model, gpu = models.get(row.model), known.get(row.gpu)
        if model is None or gpu is None:
            what = f"model/{row.model}" if model is None else f"gpu/{row.gpu}"
            missing[what] = missing.get(what, 0) + 1
            continue
        ways = [support(form, gpu) for form in (row.dense, row.experts)]
        refused = next((way for way in ways if isinstance(way, Unsupported)), None)
        if refused is not None:
            missing[f"gpu/{row.gpu}: {refused.reason}"] = missing.get(f"gpu/{row.gpu}: {refused.reason}", 0) + 1
            continue
        name = row.experts if row.experts != row.dense else row.dense
        quantization = Quantization(name, cast(Format, row.dense), cast(Format, row.experts), None)
        found.append(Subject(row, model, quantization, gpu))
    gaps = tuple(
        Gap(what.split(":")[0], f"{count} measured rows are left out: {what} is not in the catalog", "add the row")
        for what, count in sorted(missing.items())
    )
    return tuple(found), gaps
