"""The machine of a rehearsal: how it kept up with the replay, and why its latencies may not be believed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

MAX_BUSY_SHARE = 0.75
"""Share of one core above which a program's own queueing shows in the latencies; the gateway's is the first to show."""
MAX_LAG_MS = 150.0
"""Lateness of the machine, 95th percentile, ms; a run that is later says nothing about the plan."""


@dataclass(frozen=True)
class Machine:
    """The machine's figures say whether it kept up with the replay. Times are 95th percentiles, ms.

    lag_p95_ms: how late requests were sent.
    timer_lag_p95_ms: how late engine twins woke.
    probe_p95_ms: how long the gateway took to say that it lives, which is the wait for its event loop.
    processor_share: share of all cores together that was used.
    busiest_program, busiest_share: the program that used most, and its share of the one core that it can use.
    wall_s: time that the replay took, seconds of wall time.
    requests_per_wall_second: requests/s of wall time that the replay really pushed.
    """

    lag_p95_ms: float
    timer_lag_p95_ms: float
    probe_p95_ms: float
    processor_share: float
    busiest_program: str
    busiest_share: float
    cores: int
    wall_s: float
    requests_per_wall_second: float


def machine_doubts(machine: Machine) -> Iterator[str]:
    """Yield the reasons not to believe the latencies that were measured on a machine."""
    advice = "this machine was too slow: lower --speed or rehearse a smaller share of the fleet"
    late = {
        "requests left": machine.lag_p95_ms,
        "engine twins woke": machine.timer_lag_p95_ms,
        "the gateway answered a knock": machine.probe_p95_ms,
    }
    for what, value in late.items():
        if not value <= MAX_LAG_MS:  # NaN, no measurement at all, is a doubt too
            yield f"{what} {value:.0f} ms late at the 95th percentile (at most {MAX_LAG_MS:.0f} real ms); {advice}"
    if machine.busiest_share > MAX_BUSY_SHARE:
        yield (
            f"{machine.busiest_program} used {machine.busiest_share:.0%} of a core (at most {MAX_BUSY_SHARE:.0%}): its "
            f"queueing is in every latency; {advice}"
        )
