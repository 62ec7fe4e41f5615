"""The share of a replica: with the others of its node and the DaemonSets it fits, on every machine of the catalog."""

from __future__ import annotations

import pytest

from infra.sizing import DAEMON_CPU_MILLIS, DAEMON_MEMORY_MIB, load_seconds, replica_share, rollout_seconds
from planner.edges.catalog_files import load_catalog
from tests.infra import locks

MACHINES = sorted(load_catalog().instances.values(), key=lambda machine: machine.key)


@pytest.mark.parametrize("machine", MACHINES, ids=[machine.key for machine in MACHINES])
def test_a_full_node_fits_with_its_daemons(machine) -> None:  # type: ignore[no-untyped-def]
    group = locks.group(locks.plan(), "shared").model_copy(
        update={
            "gpus_per_node": machine.gpu_count,
            "allocatable_cpu_m": machine.allocatable_cpu_m,
            "allocatable_memory_mib": machine.allocatable_memory_mib,
        }
    )
    for gpus in (g for g in (1, 2, 4, 8) if g <= machine.gpu_count):
        share, replicas = replica_share(group, gpus), machine.gpu_count // gpus
        assert share.cpu_millis * replicas + DAEMON_CPU_MILLIS <= machine.allocatable_cpu_m
        assert share.memory_mib * replicas + DAEMON_MEMORY_MIB <= machine.allocatable_memory_mib
        assert share.cpu_millis >= 1000
        assert share.memory_mib >= 4096


def test_quantities() -> None:
    group = locks.group(locks.plan(), "vault")
    # (4,000m - 200m - 500m) and (32 × 900 MiB - 1,024 MiB), rounded down to 10m.
    assert replica_share(group, 1).quantities() == {"cpu": "3300m", "memory": "27776Mi"}


def test_times_follow_the_weights() -> None:
    pool = locks.plan().pools[0]
    assert load_seconds(pool) == 91
    assert rollout_seconds(pool, 4) == 900 + 2 * 91 * 4
