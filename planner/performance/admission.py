"""How many requests a replica is given at once, and when it refuses more.

The gateway has a gate for each replica: it lets in as many requests as the replica serves at once at its capacity, in
its busiest minute.

    gate = Σ_b (share of the replica's time that band b takes) × (concurrency at the capacity of b)

A pool that is offered more than it can serve then stays near the concurrency at which it keeps its promise, and the
rest spills to an API. `full_gate` lowers the gate of such a pool until its requests keep their targets there.

The limits of the engine itself are the second line, for several gateways that each see only a part of the traffic. vLLM
answers 503 before the first byte in two cases: `max_num_queued_reqs` requests are waiting or running, or
`max_num_queued_tokens` prompt tokens are waiting. The second limit is set to the tokens that the replica can prefill
within the TTFT target, or within what an E2E target leaves for it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from planner.performance.capacity import LatencyTarget
from planner.performance.lengths import Lengths
from planner.performance.step_time import StepClock

GATEWAY_SLACK = 1.25
"""The engine's limit divided by the gate: gateways that share a replica each round their part up."""


def gate(concurrencies: Sequence[tuple[float, float]], max_num_seqs: int) -> int:
    """Return the requests in flight that the gateway lets into one replica: at least 1, and at most the batch cap.

    concurrencies: for each band, the time of the replica that it takes (in any unit), and the mean concurrency at its
    capacity.
    """
    total = sum(time for time, _ in concurrencies)
    concurrency = sum(time * concurrency for time, concurrency in concurrencies) / total
    return max(1, min(max_num_seqs, _next_step(concurrency)))


def _next_step(value: float) -> int:
    """Return the value rounded up to a step of about an eighth of it.

    The step keeps a small change of the mix from restarting every engine.
    """
    step = 1 << max(0, math.floor(math.log2(max(value, 1.0))) - 3)
    return math.ceil(value / step) * step


def queued_requests(max_in_flight: int) -> int:
    """Return `max_num_queued_reqs`: requests that the engine itself accepts at once, waiting and running together."""
    return math.ceil(GATEWAY_SLACK * max_in_flight) + 1


def queued_tokens(
    clock: StepClock,
    lengths: Sequence[Lengths],
    targets: Sequence[LatencyTarget],
    max_num_batched_tokens: int,
    shared_tokens: Sequence[float] | None = None,
) -> int:
    """Return `max_num_queued_tokens`: TTFT target × prefill throughput of the strictest route.

    Where a route promises E2E alone, its mean answer on an idle replica is taken off that target first. The limit is at
    least one longest prompt. shared_tokens: tokens of each route's prompts that are never computed; the engine counts
    whole prompts, so that more of them may wait.
    """
    tokens = math.inf
    for route, target, shared in zip(lengths, targets, shared_tokens or [0.0] * len(lengths), strict=True):
        mean = max(1.0, route.mean_input)
        computed = max(1.0, mean - shared)
        ttft_ms = target.first_token_ms(mean, route.mean_decode_steps * clock.step_ms(1.0, route.mean_context))
        context = mean - computed + computed / 2.0
        throughput = max_num_batched_tokens / clock.step_ms(0.0, 0.0, max_num_batched_tokens, context)
        tokens = min(tokens, ttft_ms * throughput * (mean / computed))
    return max(int(tokens), math.ceil(max(float(route.inputs.max()) for route in lengths)))
