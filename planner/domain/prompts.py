"""How much of a route's prompts was sent before: by all requests alike, or by the same session.

Teams declare it (`tokens.shared_prefix`, `tokens.session_hit`), or a trace with block hashes or sessions tells it. What
a replica or an API then still has of it is another matter: `performance.prefix` and `decision.candidates.price_parts`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from planner.domain.route import Route
from planner.domain.traces import TraceSummary

ASSUMED_PAUSE_MS = 60_000.0
"""Time between an answer and the next request of the same session, ms, where `traffic.users.think_time` is not stated.
"""


@dataclass(frozen=True)
class RepeatedPrompts:
    """What a route's prompts repeat.

    shared_tokens: tokens with which all of them begin.
    session_share: share of the other tokens that the same session sent before.
    pause_ms: time between an answer and the next request of the same session, ms.
    pause_stated: whether the environment says so.
    guessed: whether the share is guessed from sessions whose prompts grow, and neither stated nor measured by hashes.
    curve: (tokens of one cache that serves a whole trace, share of the other tokens that it finds), where a trace has
    hashes.
    requests_per_ms: mean rate of that trace, requests/ms.
    """

    shared_tokens: float = 0.0
    session_share: float = 0.0
    pause_ms: float = ASSUMED_PAUSE_MS
    pause_stated: bool = False
    guessed: bool = False
    curve: tuple[tuple[float, float], ...] = ()
    requests_per_ms: float = 0.0

    def times(self, ratio: float) -> RepeatedPrompts:
        """Return the same for a tokenizer that makes `ratio` tokens of one."""
        curve = tuple((tokens * ratio, share) for tokens, share in self.curve)
        return replace(self, shared_tokens=self.shared_tokens * ratio, curve=curve)


NOTHING_REPEATED = RepeatedPrompts()
"""Every prompt is new from its first token on."""


def repeated_prompts(route: Route, trace: TraceSummary | None) -> RepeatedPrompts:
    """Return what a route's prompts repeat: as declared, and the rest as the trace tells from which its lengths come.

    Where a session's share is declared, the trace's curve says nothing of it.
    """
    users, tokens = route.traffic.users, route.tokens
    pause, pause_stated = (users.think_time, True) if users else (ASSUMED_PAUSE_MS, False)
    told = _of_trace(trace) if trace is not None and route.lengths is None else NOTHING_REPEATED
    told = replace(told, pause_ms=pause, pause_stated=pause_stated)
    if tokens is not None and tokens.shared_prefix is not None:
        told = replace(told, shared_tokens=float(tokens.shared_prefix))
    if tokens is not None and tokens.session_hit is not None:
        share = float(tokens.session_hit)
        told = replace(told, session_share=share, guessed=False, curve=(), requests_per_ms=0.0)
    return told


def _of_trace(trace: TraceSummary) -> RepeatedPrompts:
    seen = trace.prefix
    if seen is None:
        return NOTHING_REPEATED
    return RepeatedPrompts(
        shared_tokens=seen.shared_tokens or 0.0,
        session_share=seen.session_share,
        guessed=seen.measured == "sessions" and seen.session_share > 0,
        curve=tuple((float(tokens), share) for tokens, share in seen.curve),
        requests_per_ms=trace.burst.mean_rps / 1e3,
    )
