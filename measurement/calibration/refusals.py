"""Why a benchmark run may not calibrate anything: every reason that holds, with what to do about it.

- Too few requests: fewer than `LEAST_COMPLETED` were completed.
- Failed requests: more than `MOST_FAILED` of all requests failed.
- Saturated: everything was offered at once; or less than `LEAST_ACHIEVED` of the offered rate was served; or latencies
  climb to the end of the run; or more requests were in flight than the KV cache holds.
- Limited by the client: fewer requests were in flight (completed/duration · E2E) than the client was to hold, beyond
  what its last round leaves empty; or the client sent late; or there were fewer than `LEAST_ROUNDS` rounds, so that the
  start and the end rule the run.
- Warm cache: the file states cached or repeated prompts; or prompts were computed faster than `FASTEST_SHARE` of the
  GPU's peak allows.
- Another thing: measured TPOT is more than `MOST_OFF` times off what the shipped model expects, either way, which no
  GPU explains.

No prompt can be computed in less time than this:

    2·active parameters·tokens/(TP·peak)

A run that measures another thing than the model describes would be believed, and would make plans wrong. So these are
refusals and no warnings. Nothing here reads a file; `measurement.files` finds problems with the form of a file.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from statistics import median

from measurement.calibration.runs import BenchRun, Deployment, OwnRun, expected_figures
from measurement.evidence.deployed_runs import NODE_GPUS
from measurement.evidence.engines import engine_key
from planner.performance.coefficients import Coefficients
from planner.performance.memory import NoFit, dense_bytes, memory_fit
from planner.performance.precision import Unsupported, peak_flops, support

LEAST_COMPLETED = 100
"""Completed requests of a run at least."""
MOST_FAILED = 0.02
"""Share of the requests that may fail."""
LEAST_ACHIEVED = 0.9
"""Share of the offered rate that is served at least; below it, requests pile up."""
LEAST_ROUNDS = 3
"""Completed requests for each request in flight; in an open loop, duration of the run over that of a request."""
MOST_LATE = 0.1
"""Share of a request's E2E that the client may spend before it sends the request."""
CLIMB = 1.25
"""Median latency of the last third over that of the middle third from which on a queue grows."""
CERTAIN = 3.0
"""Standard deviations of the rank sum from which on a climb is no chance."""
FASTEST_SHARE = 0.75
"""Share of the datasheet's peak that no run exceeds. Of the published runs that we hold, the fastest prompt is computed
at 0.55 of the peak, and the fastest whole run at 0.60."""
CACHED_SHARE, CACHED_TOKENS = 0.05, 32.0
"""Share and tokens of a prompt that may come from the prefix cache: a chat template has a common beginning."""
LEAST_DECODED = 8.0
"""Output tokens of a request from which on its TPOT is an average of steps."""
OVER_MEMORY = 1.25
"""Requests in flight over those that the memory model holds, from which on the rest certainly queued."""
MOST_OFF = 3.0
"""Measured over expected TPOT, or its inverse, from which on something else ran than was stated."""
FASTER_CLIENT = "give the client more processes or another machine"
"""Hint for a client that did not keep up."""


@dataclass(frozen=True, slots=True)
class RunRefusal:
    """One reason why a run may not calibrate anything.

    code: a diagnostic of `planner.documents.codes`.
    message, hint: what is wrong, and what to do about it.
    key: the word of the file where it shows; empty when it shows at no word.
    """

    code: str
    message: str
    hint: str
    key: str = ""


def refusals(own: OwnRun) -> tuple[RunRefusal, ...]:
    """Every reason against a run; none when it may be used."""
    return (*run_refusals(own.run), *deployment_refusals(own.run, own.deployment))


def run_refusals(run: BenchRun) -> tuple[RunRefusal, ...]:
    """The reasons that the run alone gives."""
    checks: tuple[Callable[[BenchRun], Iterator[RunRefusal]], ...] = (
        _few_requests,
        _failed_requests,
        _strange_conditions,
        _saturation,
        _slow_client,
        _warm_cache,
    )
    return tuple(refusal for check in checks for refusal in check(run))


def deployment_refusals(run: BenchRun, deployment: Deployment) -> tuple[RunRefusal, ...]:
    """The reasons that follow from what the run ran on: formats, memory, the speed of the GPU."""
    forms = (deployment.quantization.dense, deployment.quantization.experts)
    ways = [support(form, deployment.gpu) for form in forms]
    unsupported = next((way for way in ways if isinstance(way, Unsupported)), None)
    if unsupported is not None:
        hint = "check --gpu and --quantization: this run cannot have been on it"
        return (RunRefusal("CAL003", unsupported.reason, hint),)
    if deployment.tensor_parallel_size > NODE_GPUS:
        reason = f"an engine over {deployment.tensor_parallel_size} GPUs spans several nodes, which are not modelled"
        return (RunRefusal("CAL003", reason, "check --tensor-parallel-size"),)
    reasons: list[RunRefusal] = []
    for check in (_old_version, _too_little_memory, _faster_than_memory, _faster_than_the_gpu):
        reasons += check(run, deployment)
        if any(refusal.code == "CAL003" for refusal in reasons):
            break  # it did not run on this deployment, so that all other reasons would only follow from that
    return tuple(reasons)


def expectation_refusals(own: OwnRun, shipped: Coefficients) -> tuple[RunRefusal, ...]:
    """The reason that a run lies far off what the shipped model expects of its deployment.

    It is asked for a run against which there is no other reason.
    """
    measured = own.figures().get("tpot")
    if measured is None:
        return ()
    (expected,) = expected_figures([own], shipped, [1.0])
    ratio = measured / expected.tpot_ms
    if 1.0 / MOST_OFF <= ratio <= MOST_OFF:
        return ()
    off = f"{ratio:.1f} times as long as" if ratio > 1.0 else f"{1.0 / ratio:.1f} times shorter than"
    message = (
        f"{measured:.1f} ms per output token, {off} the {expected.tpot_ms:.1f} ms expected of {own.deployment}: beyond "
        f"{MOST_OFF:g} times, something else was measured"
    )
    hint = (
        "check --model, --gpu, --tensor-parallel-size, --quantization and --kv-cache-dtype, that nothing else used the "
        "GPU, and that the client kept up"
    )
    return (RunRefusal("CAL016", message, hint, "median_tpot_ms"),)


def least_compute_ms(deployment: Deployment, tokens: float) -> float:
    """The least time in which the replica computes that many tokens, ms.

    It computes them at `FASTEST_SHARE` of its peak, without attention and without overhead. Raises ValueError when the
    GPU does not run the format.
    """
    shape, ranks = deployment.model.architecture, deployment.tensor_parallel_size
    hit = shape.experts.experts_per_token / shape.experts.experts if shape.experts else 0.0
    parts = (
        (deployment.quantization.dense, float(shape.dense_params)),
        (deployment.quantization.experts, shape.routed_expert_params * hit),
    )
    seconds = 0.0
    for form, weights in parts:
        way = support(form, deployment.gpu)
        if isinstance(way, Unsupported):
            raise ValueError(way.reason)
        seconds += 2.0 * weights * tokens / (FASTEST_SHARE * ranks * peak_flops(deployment.gpu, way.compute))
    return seconds * 1e3


def climbs(latencies: Sequence[float]) -> bool:
    """Whether the last third of the requests took longer than the middle third, by more than chance.

    The rank-sum test says what is more than chance.
    """
    third = len(latencies) // 3
    if third < 10:
        return False
    middle, last = latencies[third : 2 * third], latencies[2 * third :]
    if median(last) < CLIMB * median(middle):
        return False
    order = sorted([(value, 0) for value in middle] + [(value, 1) for value in last])
    ranks = sum(rank for rank, (_, of_last) in enumerate(order, 1) if of_last)
    n, m = len(last), len(middle)
    spread = math.sqrt(n * m * (n + m + 1) / 12.0)
    return (ranks - n * (n + m + 1) / 2.0) / spread > CERTAIN


def _few_requests(run: BenchRun) -> Iterator[RunRefusal]:
    if run.completed < LEAST_COMPLETED:
        message = f"{run.completed} requests were completed; {LEAST_COMPLETED} are the least that tell anything"
        yield RunRefusal("CAL010", message, "make the run longer", "completed")


def _failed_requests(run: BenchRun) -> Iterator[RunRefusal]:
    share = run.failed / max(run.failed + run.completed, 1)
    if share > MOST_FAILED:
        message = f"{run.failed} of {run.failed + run.completed} requests failed ({share:.1%})"
        hint = f"find out why; at most {MOST_FAILED:.0%} may fail, since what failed did not load the engine"
        yield RunRefusal("CAL011", message, hint, "failed")


def _strange_conditions(run: BenchRun) -> Iterator[RunRefusal]:
    for condition in run.strange:
        yield RunRefusal("CAL015", condition, "measure without it: the performance model does not describe it")


def _saturation(run: BenchRun) -> Iterator[RunRefusal]:
    if run.rate_per_s is None and run.concurrency is None:
        if run.strange:
            return
        message = "all requests were offered at once, so their times tell of the queue and not of the engine"
        hint = "hold a number in flight (`--max-concurrency N` of vllm bench serve) or give a rate that is reached"
        yield RunRefusal("CAL012", message, hint, "request_rate")
        return
    if run.is_closed_loop:
        return
    rate, achieved = run.rate_per_s or 0.0, run.requests_per_s
    if achieved < LEAST_ACHIEVED * rate:
        message = f"{rate:g} requests/s were offered and {achieved:.3g} completed: the run is saturated"
        hint = f"offer less than {achieved:.2g} requests/s"
        if _ends_late(run):
            message = f"{rate:g} requests/s were offered and {achieved:.3g} completed: its end rules the run"
            hint = "make the run longer, so that its last requests do not matter"
        yield RunRefusal("CAL012", message, hint, "request_rate")
    elif climbs(run.in_order_ms):
        message = "latencies climb to the end of the run: more was offered than the engine serves"
        yield RunRefusal("CAL012", message, f"offer less than {rate:g} requests/s", "request_rate")


def _ends_late(run: BenchRun) -> bool:
    """Whether a run fell behind its rate only because its last requests were still running when all were sent."""
    rest = run.duration_s - (run.mean_e2e_ms or 0.0) / 1e3
    fast = rest > 0.0 and run.completed / rest >= 0.95 * (run.rate_per_s or 0.0)
    return fast and bool(run.in_order_ms) and not climbs(run.in_order_ms)


def _slow_client(run: BenchRun) -> Iterator[RunRefusal]:
    in_flight, e2e = run.in_flight, run.mean_e2e_ms
    for doubt in run.doubts:
        yield RunRefusal("CAL013", f"the tool itself warns: {doubt}", FASTER_CLIENT)
    if run.client_delay_ms is not None and e2e and run.client_delay_ms > MOST_LATE * e2e:
        message = (
            f"the client sent requests {run.client_delay_ms:.0f} ms late on average, of {e2e:.0f} ms that they took"
        )
        yield RunRefusal("CAL013", message, FASTER_CLIENT)
    if in_flight is None or e2e is None:
        return
    if run.is_closed_loop:
        asked = run.concurrency or 0
        rounds = run.completed / max(asked, 1)
        if asked and rounds < LEAST_ROUNDS:
            message = f"{run.completed} requests over {asked} in flight: their start and end rule the run"
            yield RunRefusal("CAL013", message, f"send {10 * asked} requests", "completed")
        elif asked and in_flight < 0.9 * (1.0 - 0.5 / rounds) * asked:
            message = (
                f"{asked} requests were to be in flight, {in_flight:.1f} were: the client was slow, not the engine"
            )
            yield RunRefusal("CAL013", message, FASTER_CLIENT, "max_concurrency")
    elif run.duration_s < LEAST_ROUNDS * e2e / 1e3:
        message = f"the run took {run.duration_s:.1f} s and a request {e2e / 1e3:.1f} s: start and end rule it"
        yield RunRefusal("CAL013", message, "make the run longer", "duration")


def _warm_cache(run: BenchRun) -> Iterator[RunRefusal]:
    hint = "use prompts that differ (another --seed each run), or serve with --disable-prefix-caching"
    cached = run.cached_tokens or 0.0
    if cached > max(CACHED_TOKENS, CACHED_SHARE * run.input_tokens):
        message = f"{cached:.0f} of {run.input_tokens:.0f} prompt tokens came from a warm prefix cache"
        yield RunRefusal("CAL014", message, hint)
    elif run.repeated_prompts:
        yield RunRefusal("CAL014", f"{run.repeated_prompts}, so the prefix cache was warm", hint)


def _old_version(run: BenchRun, deployment: Deployment) -> Iterator[RunRefusal]:
    if engine_key("vllm", deployment.engine_version, run.date) != "vllm":
        stated = deployment.engine_version or f"of {run.date}"
        yield RunRefusal(
            "CAL015", f"vLLM {stated} runs another loop than today's", "measure with the version you deploy"
        )


def _too_little_memory(run: BenchRun, deployment: Deployment) -> Iterator[RunRefusal]:
    """The deployment does not load, or its KV cache does not hold the requests in flight."""
    context = run.input_tokens + run.output_tokens / 2.0
    fit = memory_fit(
        deployment.model,
        deployment.quantization,
        deployment.gpu,
        tensor_parallel_size=deployment.tensor_parallel_size,
        max_num_seqs=16,
        max_model_len=max(1, int(run.input_tokens + run.output_tokens)),
        max_num_batched_tokens=deployment.batched_tokens,
        kv_format=deployment.kv,
    )
    if isinstance(fit, NoFit):
        hint = "check --gpu, --tensor-parallel-size and --quantization: this run cannot have been on it"
        yield RunRefusal("CAL003", f"{deployment}: {fit.reason}", hint)
        return
    asked = float(run.concurrency or 0) if run.is_closed_loop else (run.in_flight or 0.0)
    places = fit.sequences(context)
    if asked > OVER_MEMORY * places:
        message = f"{asked:.0f} requests were in flight and the KV cache holds about {places:.0f}: the rest waited"
        yield RunRefusal("CAL012", message, f"hold at most {max(1, int(places))} in flight", "max_concurrency")


def _faster_than_memory(run: BenchRun, deployment: Deployment) -> Iterator[RunRefusal]:
    """A token took less time than reading the weights that every token needs."""
    shape, step = deployment.model.architecture, run.tpot_ms.typical
    read = dense_bytes(shape, deployment.quantization, deployment.tensor_parallel_size)
    least = read / (deployment.gpu.bandwidth_gb_per_s * 1e6)
    if step is not None and run.output_tokens >= LEAST_DECODED and step < least:
        message = f"{step:.1f} ms per output token; {deployment} needs {least:.1f} ms to read its weights once"
        hint = "check --gpu, --tensor-parallel-size, --quantization and the model; nothing may draft tokens"
        yield RunRefusal("CAL003", message, hint, "median_tpot_ms")


def _faster_than_the_gpu(run: BenchRun, deployment: Deployment) -> Iterator[RunRefusal]:
    """A prompt or the whole run took less time than the GPU needs to compute it, so it was not computed."""
    if any(refusal.code == "CAL014" for refusal in _warm_cache(run)):
        return
    hint = (
        "prompts of an earlier run were in the prefix cache: give each run its own --seed, or serve with "
        "--disable-prefix-caching; if not, check --gpu, --tensor-parallel-size and the model"
    )
    first, computed = run.ttft_ms.average, run.input_tokens - (run.cached_tokens or 0.0)
    least = least_compute_ms(deployment, computed)
    share = FASTEST_SHARE
    if first is not None and first < least:
        message = (
            f"{first:.0f} ms to the first token of {run.input_tokens:.0f}; {deployment} needs {least:.0f} ms to "
            f"compute them at {share:.0%} of its peak"
        )
        yield RunRefusal("CAL014", message, hint, "median_ttft_ms")
        return
    whole = least_compute_ms(deployment, run.completed * (computed + run.output_tokens)) / 1e3
    if run.duration_s < whole:
        message = (
            f"the run took {run.duration_s:.0f} s; {deployment} needs {whole:.0f} s to compute its tokens at "
            f"{share:.0%} of its peak"
        )
        yield RunRefusal("CAL014", message, hint, "duration")
