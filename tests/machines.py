"""Pieces that several tests of the twin stand on: a GPU machine, and an engine step of plain numbers."""

from __future__ import annotations

from typing import Any

from twin import nodes
from twin.engine.clock import StepCoefficients

PLAIN_STEP = StepCoefficients(
    dense_read_ms=0,
    dense_compute_ms_per_token=0.1,
    expert_read_ms=0,
    expert_compute_ms_per_token=0,
    expert_hit_fraction=1,
    kv_read_ms_per_token=0,
    attention_ms_per_token_pair=0,
    overhead_ms=20.0,
    overhead_ms_per_sequence=0,
    comm_ms_per_token=0,
    comm_ms_per_step=0,
)
"""20 ms, and 0.1 ms for each token of the step."""


def instance(number: int, instance_type: str = "g5.12xlarge", **changes: Any) -> nodes.Instance:
    """Machine `number` of node group `gpu`."""
    values: dict[str, Any] = {
        "instance_type": nodes.describe(instance_type),
        "instance_id": f"i-{number:017x}",
        "private_dns_name": f"ip-10-0-1-{number}.us-east-1.compute.internal",
        "private_ip": f"10.0.1.{number}",
        "region": "us-east-1",
        "zone": "us-east-1a",
        "zone_id": "use1-az1",
        "node_group": "gpu",
    }
    return nodes.Instance(**{**values, **changes})
