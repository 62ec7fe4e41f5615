"""A profile: what one GPU reached in a micro-benchmark, as the file that `spillway perf profile` writes.

The format is `spillway.profile/1`. Operands come from memory and not from a cache. What could not be measured is a gap
with its reason, and a section may be empty. Unknown keys are not read. The program that measures is
`measurement/profiler/program.py`.
"""

from __future__ import annotations

import datetime
import json
import statistics
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from planner.domain.gpu_names import gpu_reported
from planner.domain.offerings import Gpu
from planner.words.diagnostics import Problem, Problems, Span
from planner.words.spans import read as read_with_places

SCHEMA = "spillway.profile/1"

RESTLESS = 0.2
"""Spread of the median row from which on something else ran on the GPU. On an idle GPU it is some per cent."""

PositiveCount = Annotated[int, Field(ge=1)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]


class ProfileRow(BaseModel):
    """One timed case.

    ms, ms_p10, ms_p90: median, 10th and 90th percentile of the time of one call over the repeats, ms.
    repeats: number of timed repeats.
    graph: whether the calls were played as one CUDA graph, so that launching them took no time.
    """

    model_config = ConfigDict(frozen=True)

    ms: Positive
    ms_p10: Positive
    ms_p90: Positive
    repeats: PositiveCount
    graph: bool = False

    @model_validator(mode="after")
    def _check_order(self) -> Self:
        if not self.ms_p10 <= self.ms <= self.ms_p90:
            raise ValueError("the median lies between p10 and p90")
        return self

    @property
    def spread(self) -> float:
        """(p90 − p10)/median, which says how restless the machine was."""
        return (self.ms_p90 - self.ms_p10) / self.ms


class Bandwidth(ProfileRow):
    """A timed access to memory.

    kind: `read` for a sum, which only reads, or `copy`.
    bytes: bytes that one call moves, in both directions together.
    gb_per_s: rate, GB/s.
    """

    kind: Literal["read", "copy"]
    bytes: PositiveCount
    gb_per_s: Positive

    @model_validator(mode="after")
    def _check_rate(self) -> Self:
        if abs(self.gb_per_s * self.ms * 1e6 / self.bytes - 1) > 0.01:
            raise ValueError("gb_per_s is not bytes over ms")
        return self


class Launch(ProfileRow):
    """A timed chain of small kernels. Here `ms` is the time of one kernel.

    kind: `stream` where the kernels were started one by one, `graph` where they were one CUDA graph.
    kernels: number of kernels in the chain.
    """

    kind: Literal["stream", "graph"]
    kernels: PositiveCount


class Gemm(ProfileRow):
    """A timed matrix product of m tokens with a weight of n outputs and k inputs.

    dtype: type of both operands. Nothing is quantized within the time.
    """

    dtype: Literal["bf16", "fp16", "fp8", "int8"]
    m: PositiveCount
    n: PositiveCount
    k: PositiveCount

    @property
    def tflops(self) -> float:
        """Arithmetic rate, 2·m·n·k over the time, in TFLOP/s, or TOP/s for int8."""
        return 2 * self.m * self.n * self.k / self.ms / 1e9


class Attention(ProfileRow):
    """A timed attention.

    phase: `decode` for one token of each of `batch` sequences over `context` tokens; `prefill` for `context` tokens
        over themselves.
    """

    phase: Literal["decode", "prefill"]
    dtype: Literal["bf16", "fp16"]
    heads: PositiveCount
    kv_heads: PositiveCount
    head_dim: PositiveCount
    batch: PositiveCount
    context: PositiveCount


class TimedAllReduce(ProfileRow):
    """A timed all-reduce between GPUs of one machine. Here `ms` is the longest of the ranks' medians.

    ranks: number of GPUs.
    bytes: size of the message on each GPU.
    """

    ranks: Annotated[int, Field(ge=2)]
    bytes: PositiveCount


class NotMeasured(BaseModel):
    """Cases that are missing for one reason.

    what: section and kind of the cases.
    why: the reason, in words.
    cases: number of cases.
    example: one of the cases.
    """

    model_config = ConfigDict(frozen=True)

    what: str
    why: str
    cases: PositiveCount
    example: dict[str, Any]


class GpuProfile(BaseModel):
    """One GPU, measured on one day.

    form: schema of the document.
    gpu: name by which the driver calls the GPU.
    gpus: number of GPUs that all-reduces could use; 0 on a CPU.
    torch, cuda, driver: versions; None where there is none or it is not known.
    memory_bytes, l2_bytes: size of the memory and of the L2 cache, bytes.
    under_load: clocks in MHz, power in watt and temperature in celsius at work, as far as the driver says.
    grid: `full`, or `quick` for a few shapes that are too small to fill a GPU.
    seconds: how long the measurement took, seconds.
    """

    model_config = ConfigDict(frozen=True)

    form: Annotated[Literal["spillway.profile/1"], Field(alias="schema")]
    date: datetime.date
    device: Literal["cuda", "cpu"]
    gpu: Annotated[str, Field(min_length=1)]
    gpus: Annotated[int, Field(ge=0)]
    torch: str
    cuda: str | None = None
    driver: str | None = None
    compute_capability: str | None = None
    memory_bytes: PositiveCount | None = None
    multiprocessors: PositiveCount | None = None
    l2_bytes: PositiveCount | None = None
    under_load: dict[str, float] = {}
    grid: Literal["full", "quick"] = "full"
    seconds: Positive
    bandwidth: tuple[Bandwidth, ...]
    launch: tuple[Launch, ...]
    gemm: tuple[Gemm, ...]
    attention: tuple[Attention, ...]
    all_reduce: tuple[TimedAllReduce, ...]
    gaps: tuple[NotMeasured, ...]

    @model_validator(mode="after")
    def _check_something_measured(self) -> Self:
        if not (self.bandwidth or self.gemm or self.attention or self.all_reduce):
            raise ValueError("nothing was measured")
        return self

    def catalog_gpu(self, gpus: Mapping[str, Gpu]) -> Gpu | None:
        """The GPU of the catalog that was measured; None for a CPU and for a GPU that the catalog lacks.

        A PCIe card is another GPU than the NVLink board with the same chip, and the driver calls it by another name.
        """
        return gpu_reported(self.gpu, gpus) if self.device == "cuda" else None


def parse(text: str, file: str) -> GpuProfile:
    """The profile in the text of a file.

    Errors: `Problems` (PROF005), all in one run: the text is not JSON, it has another schema, or values do not fit.
    Text that is not JSON may be cut off, or something else may have been printed into it.
    """
    try:
        raw = json.loads(text)
    except json.JSONDecodeError as error:
        where = Span(file, error.lineno, error.colno)
        hint = "a profile ends with a brace: was the copy cut off, or does its log hold an error instead?"
        raise Problems([Problem("PROF005", f"the profile is not JSON: {error.msg}", where, hint)]) from error
    schema = raw.get("schema") if isinstance(raw, dict) else None
    if schema != SCHEMA:
        message = f"this is no profile: its schema is {schema!r}, not {SCHEMA!r}"
        hint = "`spillway perf profile` writes profiles"
        raise Problems([Problem("PROF005", message, Span(file, 1), hint)])
    try:
        return GpuProfile.model_validate(raw)
    except ValidationError as error:
        places = read_with_places(text, file)
        hint = "measure again: a profile is never edited by hand"
        raise Problems(
            Problem(
                "PROF005",
                f"{'.'.join(map(str, detail['loc'])) or 'profile'}: {detail['msg'].removeprefix('Value error, ')}",
                places.at(detail["loc"]) or Span(file, 1),
                hint,
            )
            for detail in error.errors(include_url=False, include_context=False)
        ) from error


def doubts(profile: GpuProfile, gpu: Gpu) -> Iterator[str]:
    """Reasons not to believe a profile: it exceeds the datasheet, or the GPU did something else meanwhile."""
    if profile.grid == "quick":
        yield "it was a quick try: its shapes are too small to fill a GPU"
    spreads = [row.spread for row in (*profile.bandwidth, *profile.gemm, *profile.attention)]
    if spreads and statistics.median(spreads) > RESTLESS:
        yield f"half of the rows vary by more than {RESTLESS:.0%}: something else ran on the GPU"
    fastest = max((row.gb_per_s for row in profile.bandwidth), default=0.0)
    if fastest > gpu.bandwidth_gb_per_s:
        yield f"memory moved {fastest:,.0f} GB/s, but {gpu.key} has {gpu.bandwidth_gb_per_s:,}"
    for dtype, tflops in sorted(gpu.tflops.items()):
        most = max((row.tflops for row in profile.gemm if row.dtype == dtype), default=0.0)
        if most > tflops:
            yield f"{dtype} products reached {most:,.0f} TFLOP/s, but {gpu.key} has {tflops:,.0f}"
