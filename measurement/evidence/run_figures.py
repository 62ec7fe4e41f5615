"""What a benchmark run would report, by formula. It is quick, so that a fit can try thousands of clocks.

With N requests always in the engine (a closed loop), S tokens in and O tokens out each:

    X     = N·(S + O/2)
    ΔT    = chunks·(step(N, X, S/chunks, S/2) − step(N, X))
    TPOT  = step(N, X) + (N − 1)/O·ΔT
    TTFT  = chunks·step(N, X) + ΔT·(1 + crowding·(N − 1)) + entry
    rate  = N·O/(TTFT + (O − 1)·TPOT)

Times are in ms; the rate is in output tokens per ms and is reported per second. `crowding` is the share of the other
clients that start in the same moment: clients of a closed loop fall into step with each other. Only the simulator tells
how large that share is. So the closed form serves where thousands of clocks are tried, and `reports` where a figure is
given. A run that offers everything at once counts here as a closed loop of as many requests as the engine holds.

Where a server holds the engine up, the clock has an edge: a step takes the longer one of two times. A search needs
slopes, so that here the edge is rounded: step = (engine⁸ + (server·N)⁸)^(1/8).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace

import numpy as np
from numpy.typing import NDArray

from measurement.evidence.deployed_runs import DeployedRun
from measurement.evidence.reports import clients_of, length_range
from planner.performance.step_time import ClockTable
from planner.words.arrays import Floats

FIXED_CROWDING, CROWDING = 0.5, 0.1
"""`crowding` of the closed form where lengths are fixed and where they are spread, as the simulator shows it."""

EDGE = 8.0
"""Power with which the edge of the clock is rounded: 9 % at the edge itself, and nothing at half of it."""


@dataclass(frozen=True)
class Figures:
    """What runs report; each field has the shape (runs,).

    ttft_ms: mean time to the first token, ms.
    tpot_ms: time per output token, ms.
    rate: output tokens per second of all engines.
    """

    ttft_ms: Floats
    tpot_ms: Floats
    rate: Floats

    def by_metric(self, metrics: NDArray[np.str_]) -> Floats:
        """The one figure that each run reports. metrics: `ttft`, `tpot` or `throughput`, one for each run."""
        times = np.where(metrics == "ttft", self.ttft_ms, self.tpot_ms)
        return np.where(metrics == "throughput", self.rate, times)


@dataclass(frozen=True, kw_only=True)
class RunConditions:
    """The conditions of runs; each field has the shape (runs,).

    inputs, outputs: tokens of a request.
    clients: requests at one engine.
    held: of these, the ones that the engine runs at a time, by its limit and its cache.
    fixed: whether all requests have the same lengths.
    step_tokens: tokens of one step at most.
    engines: copies of the engine.
    """

    inputs: Floats
    outputs: Floats
    clients: Floats
    held: Floats
    fixed: NDArray[np.bool_]
    step_tokens: Floats
    engines: Floats

    def only(self, kept: NDArray[np.bool_]) -> RunConditions:
        """The conditions of the runs for which `kept` is true."""
        return RunConditions(**{each.name: getattr(self, each.name)[kept] for each in fields(self)})

    @classmethod
    def of(cls, runs: Sequence[DeployedRun]) -> RunConditions:
        """The conditions of these runs."""
        inputs = np.array([each.run.input_tokens for each in runs])
        outputs = np.array([each.run.output_tokens for each in runs])
        clients = np.array([float(clients_of(each)) for each in runs])
        places = np.minimum(clients, [each.places for each in runs])
        in_cache = np.array([each.kv_tokens for each in runs]) / (inputs + outputs / 2.0)
        ranges = [length_range(each.run) for each in runs]
        return cls(
            inputs=inputs,
            outputs=outputs,
            clients=clients,
            held=np.maximum(np.minimum(places, in_cache), 1.0),
            fixed=np.array([low == high for low, high in ranges]),
            step_tokens=np.array([float(each.step_tokens) for each in runs]),
            engines=np.array([float(each.engines) for each in runs]),
        )


def closed_form(runs: RunConditions, clock: ClockTable, entry_ms: Floats) -> Figures:
    """The figures by the formulas above. The clock's fields and `entry_ms` have the shape (runs,)."""
    n, s, o = runs.held, runs.inputs, runs.outputs
    engine = replace(clock, server_ms_per_sequence=np.zeros_like(n))
    server_ms = clock.server_ms_per_sequence * n

    def step_ms(prefill_tokens: Floats, prefill_context: Floats) -> Floats:
        alone = engine.step_ms(n, context, prefill_tokens, prefill_context)
        return alone * (1.0 + (server_ms / alone) ** EDGE) ** (1.0 / EDGE)

    context = n * (s + o / 2.0)
    chunks = np.maximum(np.ceil(s / runs.step_tokens), 1.0)
    zero = np.zeros_like(n)
    step = step_ms(zero, zero)
    added = chunks * (step_ms(s / chunks, s / 2.0) - step)
    tpot = step + (n - 1.0) / o * added
    ttft = chunks * step + added * (1.0 + np.where(runs.fixed, FIXED_CROWDING, CROWDING) * (n - 1.0)) + entry_ms
    return Figures(ttft, tpot, 1e3 * runs.engines * n * o / (ttft + np.maximum(o - 1.0, 0.0) * tpot))
