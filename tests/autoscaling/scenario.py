"""One life of a scaled pool, with every part real: gateway, Prometheus, KEDA, Karpenter, control plane, chart.

    python -m tests.autoscaling.scenario FOLDER

It runs in a network namespace with loopback alone and writes what it saw to `FOLDER/observed.json`. The engines behind
the gateway are the twin's; the replicas that KEDA scales are pods of the control plane, which serve nothing.

At the end the pool follows the clock of a plan, with the values that a deployment of it has: first in the hours of a
day, then in those of a night that has none.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
import time
from collections.abc import AsyncIterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
from kubernetes import client

from infra.replica_hours import autoscaling
from planner.plan.fleet import Replicas
from planner.plan.schedule import schedule
from tests.charts.rendering import lasting, merged, one, pool, render
from tests.gateway.stage import document, restricted
from tests.gateway.stage import pool as gateway_pool
from tests.infra import locks
from tests.machines import PLAIN_STEP
from twin.autoscaling import karpenter, keda, manifests, prometheus
from twin.cluster import LocalCluster
from twin.engine.clock import EngineClock
from twin.engine.prompt import hint
from twin.processes import program

NAMESPACE, RELEASE, POOL = "spillway", "vllm-chat", "chat"
MACHINES = {
    "g6.xlarge": 0.8048,
    "g6.12xlarge": 4.6016,
    "g6e.xlarge": 1.861,
    "p5.48xlarge": 55.04,
    "m7i.2xlarge": 0.4032,
}
"""Machines that the cloud sells, USD an hour."""
MACHINE = "g6.xlarge"
"""The machine of the node group, as a plan would name it."""
PROMETHEUS, GATEWAY, ADMIN, ENGINE = 9095, 9180, 9190, 9200
DEMAND_PER_REPLICA, STREAMS, MOST = 10, 35, 5
ANSWER_TOKENS = 7000
"""Some minutes at the engines' pace, which is more than the life needs."""
NODE_GROUP = {"spillway.dev/node-group": "chat"}
PATIENCE_S = 60.0
DAY = 3
"""Replicas by day; there is none by night."""
ASLEEP_S = 12.0
"""Time in which KEDA looks at the demand twice and more, seconds."""


@dataclass
class Observed:
    """What the life showed.

    replicas: wanted replicas of the Deployment after each step.
    seconds: time that each step took, seconds.
    machines: types of the nodes that held the pool's pods at the most.
    """

    replicas: dict[str, int] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)
    machines: list[str] = field(default_factory=list)
    demand: float | None = None
    ready: int = 0
    cron_accepted: bool = False
    clock_accepted: bool = False
    least: int = -1
    """Replicas below which KEDA does not go by night."""
    nodes_left: list[str] = field(default_factory=list)


def main(folder: Path) -> None:
    """Run the life and write what was seen."""
    seen = Observed()
    folder.mkdir(parents=True, exist_ok=True)
    policy = folder / "policy.json"
    urls = [f"http://127.0.0.1:{ENGINE + number}" for number in range(MOST)]
    patient = restricted({POOL: 1.0}, deadline_ms=600_000, spill_after_ms=60_000)
    policy.write_text(json.dumps(document({POOL: gateway_pool(*urls, max_in_flight=12)}, chat=patient)))
    clock = folder / "clock.json"
    clock.write_text(_clock().model_dump_json())
    with contextlib.ExitStack() as running:
        home = {"HOME": str(folder), "PYTHONPATH": str(Path.cwd())}
        engines = [sys.executable, "-m", "twin.engine", f"--clock={clock}", f"--port={ENGINE}", f"--replicas={MOST}"]
        running.enter_context(program("engines", engines, folder, home))
        ports = [f"--port={GATEWAY}", f"--admin-port={ADMIN}"]
        gateway = [sys.executable, "-m", "gateway", f"--policy={policy}", "--no-auth", *ports]
        running.enter_context(program("gateway", gateway, folder, home))
        url = running.enter_context(prometheus.scraping(folder, {"gateway": [f"127.0.0.1:{ADMIN}"]}, PROMETHEUS))
        cluster = running.enter_context(LocalCluster(folder / "cluster"))
        running.enter_context(karpenter.provisioning(cluster, folder, MACHINES, ("us-east-1a", "us-east-1b")))
        running.enter_context(keda.scaling(cluster, folder))
        asyncio.run(_live(cluster.client(), url, seen))
    (folder / "observed.json").write_text(json.dumps(asdict(seen)))


async def _live(api: Any, url: str, seen: Observed) -> None:
    apps, core = client.AppsV1Api(api), client.CoreV1Api(api)
    taint = {"key": "nvidia.com/gpu", "value": "present", "effect": "NoSchedule"}
    core.create_namespace({"metadata": {"name": NAMESPACE}})
    manifests.apply(api, [_device_plugin(), *karpenter.node_pool("chat", MACHINE, NODE_GROUP, [taint])])
    manifests.apply(api, lasting(render("vllm", _values(url), release=RELEASE)))

    def wanted() -> int:
        return int(apps.read_namespaced_deployment(RELEASE, NAMESPACE).spec.replicas)

    def ready() -> int:
        return int(apps.read_namespaced_deployment(RELEASE, NAMESPACE).status.ready_replicas or 0)

    async def reaches(step: str, count: int) -> None:
        began = time.monotonic()
        while wanted() != count or ready() != count:
            if time.monotonic() - began > PATIENCE_S:
                break
            await asyncio.sleep(0.2)
        seen.replicas[step], seen.seconds[step] = wanted(), round(time.monotonic() - began, 1)

    await reaches("idle", 1)
    manifests.until(lambda: prometheus.value(url, "sum(spillway_demand)") == 0, "the gateway's figures in Prometheus")
    async with _streams(STREAMS):
        await reaches("busy", 4)
        seen.demand, seen.ready = prometheus.value(url, "sum(spillway_demand)"), ready()
        seen.machines = sorted(_machines_of(core))
    await reaches("idle again", 1)
    scaled = client.CustomObjectsApi(api).get_namespaced_custom_object(
        "keda.sh", "v1alpha1", NAMESPACE, "scaledobjects", RELEASE
    )
    conditions = {each["type"]: each["status"] for each in scaled["status"]["conditions"]}
    seen.cron_accepted = conditions["Ready"] == "True" and len(scaled["spec"]["triggers"]) == 2
    manifests.apply(api, _following(url, begins=-1))
    await reaches("day", DAY)
    manifests.apply(api, _following(url, begins=6))
    await reaches("night", 0)
    async with _streams(STREAMS):
        await asyncio.to_thread(
            manifests.until,
            lambda: prometheus.value(url, "sum(spillway_demand)") == STREAMS,
            "the demand of the night",
        )
        await asyncio.sleep(ASLEEP_S)
        seen.replicas["asked by night"] = wanted()
    scaled = client.CustomObjectsApi(api).get_namespaced_custom_object(
        "keda.sh", "v1alpha1", NAMESPACE, "scaledobjects", RELEASE
    )
    conditions = {each["type"]: each["status"] for each in scaled["status"]["conditions"]}
    seen.clock_accepted = conditions["Ready"] == "True" and conditions["Active"] == "False"
    seen.least = scaled["spec"]["minReplicaCount"]
    apps.delete_namespaced_deployment(RELEASE, NAMESPACE)
    with contextlib.suppress(TimeoutError):
        manifests.until(lambda: not core.list_node().items, "the nodes' end", 2 * PATIENCE_S)
    seen.nodes_left = [node.metadata.name for node in core.list_node().items]


@contextlib.asynccontextmanager
async def _streams(number: int) -> AsyncIterator[None]:
    """Hold so many long streams open at the gateway."""
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
        streams = [asyncio.create_task(_stream(session)) for _ in range(number)]
        try:
            yield
        finally:
            for stream in streams:
                stream.cancel()
            await asyncio.gather(*streams, return_exceptions=True)


async def _stream(session: aiohttp.ClientSession) -> None:
    asked = [{"role": "user", "content": hint(100, ANSWER_TOKENS)}]
    body = {"model": "chat", "stream": True, "max_tokens": ANSWER_TOKENS, "messages": asked}
    async with session.post(f"http://127.0.0.1:{GATEWAY}/v1/chat/completions", json=body) as answer:
        assert answer.status == 200, await answer.text()
        async for _ in answer.content:
            pass


def _values(url: str) -> dict[str, Any]:
    every_day = {"start": "0 3 * * *", "end": "5 3 * * *", "timezone": "Etc/UTC", "replicas": 2}
    return pool(
        model={"servedName": POOL},
        replicas=3,
        nodeGroup={"name": "chat"},
        placement={"strategy": "pack"},
        autoscaling={
            "enabled": True,
            "demandPerReplica": DEMAND_PER_REPLICA,
            "maxReplicas": MOST,
            "prometheusUrl": url,
            "schedule": [every_day],
            "pollingSeconds": 5,
            "scaleUpSeconds": 0,
            "scaleDownSeconds": 5,
        },
    )


def _following(url: str, begins: int) -> list[dict[str, Any]]:
    """The ScaledObject of a pool of a plan that has replicas for three hours of the week and none in all others.

    begins: when they begin, hours from now.
    """
    now = time.gmtime()
    hour = now.tm_wday * 24 + now.tm_hour
    week = [0] * 168
    for each in range(3):
        week[(hour + begins + each) % 168] = DAY
    plan = locks.plan()
    by_the_clock = schedule("Etc/UTC", tuple(week))
    planned = plan.pools[0].model_copy(update={"replicas": Replicas(min=0, max=DAY, week=by_the_clock)})
    stated = autoscaling(planned, locks.group(plan, planned.node_group), url)
    assert stated is not None
    sooner = {"pollingSeconds": 5, "scaleDownSeconds": 5}
    values = merged(_values(url), {"autoscaling": {**stated, **sooner}})
    return [one(render("vllm", values, release=RELEASE), "ScaledObject")]


def _clock() -> EngineClock:
    return EngineClock(
        version="1.0",
        pool=POOL,
        model="served-name",
        max_model_len=16384,
        max_num_seqs=12,
        max_num_batched_tokens=2048,
        kv_tokens=1_000_000,
        max_num_queued_reqs=20,
        step=PLAIN_STEP,
    )


def _device_plugin() -> dict[str, Any]:
    labels = {"app": "nvidia-device-plugin"}
    container = {"name": "plugin", "image": "nvcr.io/nvidia/k8s-device-plugin:v0.19.3"}
    spec = {"tolerations": [{"operator": "Exists"}], "containers": [container]}
    return {
        "apiVersion": "apps/v1",
        "kind": "DaemonSet",
        "metadata": {"name": "nvidia-device-plugin", "namespace": "kube-system"},
        "spec": {"selector": {"matchLabels": labels}, "template": {"metadata": {"labels": labels}, "spec": spec}},
    }


def _machines_of(core: Any) -> list[str]:
    """Return the instance type of each node that holds a pod of the pool."""
    types = {
        node.metadata.name: node.metadata.labels["node.kubernetes.io/instance-type"] for node in core.list_node().items
    }
    pods = core.list_namespaced_pod(NAMESPACE, label_selector=f"app.kubernetes.io/instance={RELEASE}").items
    return [types[name] for name in {pod.spec.node_name for pod in pods if pod.spec.node_name}]


if __name__ == "__main__":
    main(Path(sys.argv[1]).resolve())
