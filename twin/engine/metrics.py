"""A replica's `/metrics` in vLLM's names, labels and buckets; times are virtual (unscaled) seconds.

Counters are declared without `_total`, which the text format adds, as vLLM's do. Gauges are read at scrape time. One
metric is the twin's own: `twin:timer_lag_seconds` says how late the replica woke for an emission, in wall seconds. A
machine that is too slow for a rehearsal shows there.
"""

from __future__ import annotations

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from twin.engine.scheduler import Rejection, Scheduler, Sequence

_LABELS = ("model_name", "engine")
_SUB_MINUTE = (0.3, 0.5, 0.8, 1.0, 1.5, 2.0, 2.5, 5.0, 10.0, 15.0, 20.0, 30.0, 40.0, 50.0)
_REQUEST_SECONDS = (*_SUB_MINUTE, 60.0, 120.0, 240.0, 480.0, 960.0, 1920.0, 7680.0)
_TENS = (2.5, 5.0, 7.5, 10.0, 20.0, 40.0, 80.0)
_FIRST_TOKEN_SECONDS = (
    *(0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1.0),
    *(*_TENS, 160.0, 640.0, 2560.0),
)
_TOKEN_SECONDS = (0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1.0, *_TENS)
_LAG_SECONDS = (0.0005, 0.001, 0.002, 0.003, 0.004, 0.006, 0.008, 0.01, 0.012, 0.015, 0.02, 0.05, 0.1, 0.5, 1.0)

FINISHED_REASONS = ("stop", "length", "abort", "error")


class ReplicaMetrics:
    """The metrics of one replica are those that vLLM gives to Prometheus."""

    def __init__(self, model: str, scheduler: Scheduler) -> None:
        self.registry = CollectorRegistry()
        self._labels = {"model_name": model, "engine": "0"}
        self._gauge("num_requests_running", "Requests in the batch.", lambda: scheduler.running)
        self._gauge("num_requests_waiting", "Requests waiting to be batched.", lambda: scheduler.waiting)
        self._gauge(
            "kv_cache_usage_perc",
            "KV-cache usage. 1 means 100 percent usage.",
            lambda: scheduler.kv_tokens_used / scheduler.clock.kv_tokens,
        )
        self.prompt_tokens = self._counter("prompt_tokens", "Prefill tokens.")
        self._generated = self._counter("generation_tokens", "Generated tokens.")
        self._preemptions = self._counter("num_preemptions", "Preemptions.")
        success = Counter("vllm:request_success", "Finished.", (*_LABELS, "finished_reason"), registry=self.registry)
        self.finished = {reason: success.labels(**self._labels, finished_reason=reason) for reason in FINISHED_REASONS}
        rejections = Counter(
            "vllm:admission_rejections", "Turned away by a limit.", ("model_name", "reason"), registry=self.registry
        )
        self._rejected = {
            rejection: rejections.labels(model_name=model, reason=rejection.value) for rejection in Rejection
        }
        self._first_token = self._histogram("time_to_first_token_seconds", "TTFT.", _FIRST_TOKEN_SECONDS)
        self._per_token = self._histogram("request_time_per_output_token_seconds", "TPOT.", _TOKEN_SECONDS)
        self._queue = self._histogram("request_queue_time_seconds", "Time waiting.", _REQUEST_SECONDS)
        self._end_to_end = self._histogram("e2e_request_latency_seconds", "E2E.", _REQUEST_SECONDS)
        self.timer_lag = Histogram(
            "twin:timer_lag_seconds",
            "Lateness of the first token of a wake-up, wall.",
            registry=self.registry,
            buckets=_LAG_SECONDS,
        )
        self._scheduler = scheduler
        self._preemptions_seen = self._generated_seen = 0

    def count_rejection(self, rejection: Rejection) -> None:
        """Count a request that a limit turned away."""
        self._rejected[rejection].inc()

    def count_finish(self, sequence: Sequence, reason: str) -> None:
        """Count a request that got its last token, or lost its client (`abort`)."""
        self.finished[reason].inc()
        first_ms, last_ms = sequence.first_token_ms, sequence.finished_ms
        if first_ms is None or last_ms is None or sequence.scheduled_ms is None:
            return
        self._queue.observe((sequence.scheduled_ms - sequence.arrived_ms) / 1000)
        self._first_token.observe((first_ms - sequence.arrived_ms) / 1000)
        self._end_to_end.observe((last_ms - sequence.arrived_ms) / 1000)
        if sequence.output_tokens > 1:
            self._per_token.observe((last_ms - first_ms) / (sequence.output_tokens - 1) / 1000)

    def exposition(self) -> bytes:
        """Return the text of `/metrics`, brought up to date with the scheduler's own counts."""
        self._preemptions.inc(self._scheduler.preemptions - self._preemptions_seen)
        self._preemptions_seen = self._scheduler.preemptions
        self._generated.inc(self._scheduler.generated_tokens - self._generated_seen)
        self._generated_seen = self._scheduler.generated_tokens
        return generate_latest(self.registry)

    def _gauge(self, name: str, text: str, read: Callable[[], float]) -> None:
        Gauge(f"vllm:{name}", text, _LABELS, registry=self.registry).labels(**self._labels).set_function(read)

    def _counter(self, name: str, text: str) -> Counter:
        return Counter(f"vllm:{name}", text, _LABELS, registry=self.registry).labels(**self._labels)

    def _histogram(self, name: str, text: str, buckets: tuple[float, ...]) -> Histogram:
        histogram = Histogram(f"vllm:{name}", text, _LABELS, registry=self.registry, buckets=buckets)
        return histogram.labels(**self._labels)
