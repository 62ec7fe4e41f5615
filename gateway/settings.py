"""Every constant of the gateway that is not part of the policy.

These are the gateway's own patience and limits. Fields that end in `_s` are seconds of the wall clock. `at_speed`
shrinks them together, so that a replay at N-fold speed keeps the proportions between traffic and timeouts; counts and
bytes stay.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Self

KIB = 1024
MIB = 1024 * KIB


@dataclass(frozen=True, kw_only=True)
class GatewaySettings:
    """The defaults fit vLLM behind one gateway. Each field says why it is what it is."""

    connect_s: float = 5.0
    """Time to set up TCP and TLS of one upstream connection. A pod that is gone without a reset is noticed by this."""
    api_first_event_s: float = 20.0
    """Longest wait for a hosted API's first event while another API of the chain is still to be tried."""
    chunk_idle_s: float = 10.0
    """Silence inside a started stream that counts as a cut. It is above the stalls that a preemption in vLLM causes."""
    client_write_s: float = 30.0
    """A client that does not read for so long is cut, because its stream holds a place at a pool."""
    body_read_s: float = 30.0
    """Time for a client to send its whole request."""
    idle_connection_s: float = 60.0
    """Time after which the gateway closes an idle upstream connection. It closes first: vLLM's chart sets 75 s."""
    discovery_interval_s: float = 5.0
    """Time between two look-ups of a pool's A records."""
    replica_cooling_s: float = 5.0
    """Time for which a replica that refused a connection is passed over while others are free."""
    document_look_s: float = 1.0
    """Time between two looks at a document that is not yet the one of the rollout."""
    document_wait_s: float = 180.0
    """Longest wait for it. A kubelet carries a changed ConfigMap into a pod within two minutes."""
    key_interval_s: float = 10.0
    """Time between two looks at the files with keys."""
    rate_window_s: float = 60.0
    """The minute of an API's requests and tokens per minute."""
    retry_after_s: float = 1.0
    """Time that a 503 tells the client to wait, where no backend named one."""
    retry_after_most_s: float = 60.0
    """Longest `Retry-After` that is taken from an API."""
    drain_s: float = 30.0
    """Time for requests in flight to end after SIGTERM."""

    body_bytes: int = 10 * MIB
    """Longest request body."""
    bodies_bytes: int = 256 * MIB
    """Most bytes of all request bodies that have not been committed yet."""
    inline_parse_bytes: int = 256 * KIB
    """A larger body is parsed off the event loop."""
    answer_bytes: int = 32 * MIB
    """Longest answer that is not streamed."""
    event_bytes: int = 4 * MIB
    """Longest event of a stream."""
    queue_length: int = 512
    """Requests of one route that may wait for a local place."""
    assumed_output_tokens: int = 512
    """Output that counts against an account's tokens per minute where neither client nor route caps it, until the
    answer reports its usage. It is longer than most chat answers."""
    local_attempts: int = 2
    """Local replicas that are tried: the first one and one other."""
    listen_backlog: int = 4096

    def at_speed(self, speed: float) -> Self:
        """Return the same settings for a clock that runs `speed` times as fast. Raises ValueError unless `speed` is
        above 0."""
        if not speed > 0:
            raise ValueError(f"speed must be above 0, not {speed}")
        durations = {
            field.name: getattr(self, field.name) / speed for field in fields(self) if field.name.endswith("_s")
        }
        return replace(self, **durations)
