"""Runs as a team would make them: figures that the model gives for a GPU that is some factor slower."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache
from typing import Any

from measurement.calibration.deployment import FactSource, stated_deployment
from measurement.calibration.runs import BenchRun, Deployment, Latency, OwnRun, expected_figures
from measurement.evidence.deployed_runs import DeployedRun
from planner.edges.catalog_files import load_catalog
from planner.edges.performance_files import load_coefficients
from planner.performance.coefficients import Coefficients

CONDITIONS = ((1, 1024, 128), (16, 1024, 128), (64, 256, 128), (8, 4096, 128), (4, 128, 128), (32, 512, 128))
"""(in flight, tokens in, tokens out)"""


@lru_cache
def class_of(
    model: str = "llama-3.1-8b-instruct", gpu: str = "L4", ranks: int = 1, form: str = "fp8", version: str = ""
) -> Deployment:
    """A deployment of shipped parts."""
    facts = {"model": model, "gpu": gpu, "tensor_parallel_size": str(ranks), "quantization": form}
    if version:
        facts["engine_version"] = version
    found = stated_deployment([FactSource("the test", facts)], None, load_catalog())
    assert isinstance(found, Deployment), found
    return found


def good_run(
    in_flight: int = 8, inputs: float = 1024, outputs: float = 128, tpot: float = 61.5, ttft: float = 742.0
) -> BenchRun:
    """A closed loop that nothing can be said against."""
    completed = max(100, 10 * in_flight)
    e2e = ttft + (outputs - 1) * tpot
    return BenchRun(
        tool="vllm bench serve",
        part="",
        date="2026-11-18",
        model_name="meta-llama/Llama-3.1-8B-Instruct",
        stated={},
        input_tokens=inputs,
        output_tokens=outputs,
        concurrency=in_flight,
        rate_per_s=None,
        completed=completed,
        failed=0,
        duration_s=completed / in_flight * e2e / 1e3 * 1.02,
        ttft_ms=Latency(ttft, ttft),
        tpot_ms=Latency(tpot, tpot),
        e2e_ms=Latency(e2e, e2e),
        same_lengths=True,
    )


def open_run(
    rate: float = 1.0, inputs: float = 1024, outputs: float = 128, tpot: float = 61.5, ttft: float = 742.0
) -> BenchRun:
    """The same under arrivals at a rate that is reached."""
    closed = good_run(8, inputs, outputs, tpot, ttft)
    return replace(closed, concurrency=None, rate_per_s=rate, completed=200, duration_s=200 / (0.99 * rate))


def measured(
    slower: float, later: float = 1.0, conditions: tuple[tuple[int, int, int], ...] = CONDITIONS, **named: Any
) -> tuple[OwnRun, ...]:
    """Runs on a replica whose steps take `slower` and whose first tokens `later` times as long as the model says."""
    ran_on = class_of(**named)
    found = []
    for number, (in_flight, inputs, outputs) in enumerate(conditions):
        asked = own(good_run(in_flight, inputs, outputs), ran_on, number)
        (told,) = expected_figures([asked], load_coefficients(), [slower])
        run = good_run(in_flight, inputs, outputs, told.tpot_ms, told.ttft_ms * later)
        found.append(own(run, ran_on, number))
    return tuple(found)


def own(run: BenchRun, ran_on: Deployment | None = None, number: int = 0) -> OwnRun:
    """A run with its deployment; the number makes its digest."""
    return OwnRun(run, ran_on or class_of(), f"sha256:{number:064x}", f"run-{number}.json")


def unrefined(shipped: Coefficients, _: Sequence[DeployedRun]) -> Coefficients:
    """A `Refine` that changes nothing: all that own runs say then stands in the factors."""
    return shipped
