"""A pool that real KEDA scales on the real gateway's demand, on machines that real Karpenter makes."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.autoscaling.scenario import DAY, MACHINE, MOST, STREAMS, Observed
from tests.tools import give_up, require_cluster_tools, require_tool
from twin.autoscaling import network

pytestmark = pytest.mark.autoscaling

LIMIT_S = 300


@pytest.fixture(scope="module")
def life(tmp_path_factory: pytest.TempPathFactory) -> Observed:
    require_cluster_tools()
    for tool in ("helm3", "keda-operator", "keda-adapter", "prometheus", "karpenter"):
        require_tool(tool)
    if not network.can_be_closed():
        sentence = "no network namespace can be made here, and KEDA's adapter would listen beyond loopback"
        give_up(sentence)
    folder = tmp_path_factory.mktemp("autoscaling")
    command = network.closed([sys.executable, "-m", "tests.autoscaling.scenario", str(folder)])
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=LIMIT_S, check=False, cwd=Path(__file__).parents[2]
    )
    assert done.returncode == 0, done.stderr[-4000:]
    return Observed(**json.loads((folder / "observed.json").read_text()))


def test_replicas_follow_the_demand_of_the_gateway(life: Observed) -> None:
    assert {step: life.replicas[step] for step in ("idle", "busy", "idle again")} == {
        "idle": 1,
        "busy": 4,
        "idle again": 1,
    }
    assert life.demand == STREAMS
    assert life.ready == 4 < MOST


def test_the_schedule_is_accepted_beside_the_demand(life: Observed) -> None:
    assert life.cron_accepted


def test_replicas_follow_the_hours_of_a_plan_down_to_none(life: Observed) -> None:
    assert life.clock_accepted
    assert (life.replicas["day"], life.replicas["night"], life.least) == (DAY, 0, 0)


def test_demand_wakes_no_pool_before_its_hour(life: Observed) -> None:
    """Its machines have gone by the clock, so that a replica would wait for one."""
    assert life.replicas["asked by night"] == 0


def test_karpenter_gives_each_replica_the_machine_that_its_node_pool_names(life: Observed) -> None:
    assert life.machines == [MACHINE] * 4


def test_machines_go_with_the_pool(life: Observed) -> None:
    assert life.nodes_left == []
