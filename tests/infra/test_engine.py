"""The program through the real Pulumi engine onto the twin: the real Kubernetes provider, scheduler and AWS rules.

One environment's life is run once (`life`) and judged by several tests: preview, up, first requests, drift, a change, a
shortage, outages of the cluster's API, a day and a night by the clock, destroy.
"""

from __future__ import annotations

import subprocess
import sys
import time
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from kubernetes.client import AppsV1Api

from infra.deploy_policy import documents, kinds_of
from infra.ingress import NODE_PORT
from planner.plan.plan import Plan
from tests.engine import Engine, Outcome, stage
from tests.infra import clocks as weeks
from tests.infra import locks
from tests.infra.checkout import checkout, published
from tests.infra.pods import SETTLE_SECONDS, ClusterView, Pods
from tests.infra.tampering import tamper
from tests.tools import require_tool
from tools.first_request import Answered, Keys, ask, clocks, offers
from twin.autoscaling.manifests import define
from twin.aws import existing
from twin.aws.account import CALLS, Account
from twin.aws.reachability import Target, may_call, targets
from twin.aws.world import inquiry
from twin.cluster import RunningCluster, unreachable
from twin.workloads import Workloads
from twin.workloads.firewall import OutsideEnd, admits, end_of
from twin.workloads.objects import Cluster

pytestmark = pytest.mark.engine

DAY = {"vllm-chat-1xl40s": 6, "vllm-code-2xl40s": 3}
NIGHT = {"vllm-chat-1xl40s": 3, "vllm-code-2xl40s": 1}
"""Replicas that KEDA wants: by night neither those of the lock nor those of the state, whatever its reasons are."""
POOLS = {"vllm-chat-1xl40s": 4, "vllm-code-2xl40s": 2, "vllm-extraction-1xl40s": 2}
ACTIONS = {
    "s3:DeleteBucketLifecycle": "s3:PutLifecycleConfiguration",
    "s3:DeleteBucketEncryption": "s3:PutEncryptionConfiguration",
    "s3:DeletePublicAccessBlock": "s3:PutBucketPublicAccessBlock",
    "s3:DeleteObjects": "s3:DeleteObject",
    "s3:GetPublicAccessBlock": "s3:GetBucketPublicAccessBlock",
    "s3:HeadBucket": "s3:ListBucket",
    "s3:ListObjectVersions": "s3:ListBucketVersions",
    "s3:ListObjectsV2": "s3:ListBucket",
    "s3:PutBucketEncryption": "s3:PutEncryptionConfiguration",
    "s3:PutBucketLifecycleConfiguration": "s3:PutLifecycleConfiguration",
    "s3:PutPublicAccessBlock": "s3:PutBucketPublicAccessBlock",
}
"""Operation → the action that permits it, where they differ."""
BALANCING = ("elbv2:", "elasticloadbalancing:")
"""The service's name in its interface, and in policies."""
OF_THE_SERVICE = {
    *("ec2:CreateSecurityGroup", "ec2:DeleteSecurityGroup"),  # EKS makes the cluster's own
    *("ec2:DescribeAvailabilityZones", "iam:GetPolicy"),
    "route53:CreateHostedZone",  # the zone stands before the environment
}
"""What the imitation asks and does for AWS's services and for their owners, who have roles of their own."""
AFTERLIFE = {"aws:kms/key:Key"}
"""What AWS keeps of a destroyed environment: the key, pending deletion."""


@dataclass
class Life:
    """What each step of the environment's life gave."""

    steps: dict[str, Outcome] = field(default_factory=dict)
    pods: dict[str, Pods] = field(default_factory=dict)
    left: dict[str, Any] = field(default_factory=dict)
    objects: dict[str, list[str]] = field(default_factory=dict)
    outputs: dict[str, Any] = field(default_factory=dict)
    copied: dict[str, Any] = field(default_factory=dict)
    began: dict[str, Any] = field(default_factory=dict)
    lock: str = ""
    callers: dict[str, bool] = field(default_factory=dict)
    targets: list[Target] = field(default_factory=list)
    calls: set[str] = field(default_factory=set)
    answers: dict[str, Answered] = field(default_factory=dict)
    spot: dict[str, list[str]] = field(default_factory=dict)
    """Zones of the spot machines."""
    let_in: dict[str, bool] = field(default_factory=dict)
    """What calls a gateway's pod: whether its NetworkPolicy lets it in."""


@pytest.fixture(scope="module")
def life(cluster: RunningCluster, tmp_path_factory: pytest.TempPathFactory) -> Life:
    """Run the whole life, in order, once."""
    folder = tmp_path_factory.mktemp("engine")
    root = checkout(folder / "checkout")
    pulumi = Engine(
        stage(folder / "stage", cluster=cluster.folder), root / "sub", "prod", {"SPILLWAY_RUNNER": "inside"}
    )
    published(pulumi)
    pulumi.configure("engineImage", locks.IMAGES["engineImage"])
    life, api = Life(), ClusterView(cluster.kubeconfig)

    zone = existing.provide(pulumi.account, "us-east-1", zones=["example.com"])["example.com"]

    through = {**locks.FROM_INTERNET, "hosted_zone": zone}

    def plan(**sizes: int) -> Plan:
        planned = locks.behind_balancer(sizes=sizes, **through)
        allowed = "{spot: {max_share: 50%}}" if "spot" in sizes else ""
        locks.write(root / "environments", planned, environment=locks.text_for(planned, purchase=allowed))
        return planned

    def twin(*arguments: str) -> None:
        verb, *rest = arguments
        command = [sys.executable, "-m", "twin.aws", verb, "--folder", str(pulumi.stage.account_folder), *rest]
        subprocess.run(command, env=dict(pulumi.stage.environment), check=True, capture_output=True, timeout=240)

    planned = plan()
    life.lock = locks.sealed(planned).digests.content
    life.steps["first preview"] = pulumi.preview()
    life.left["after preview"] = _left(pulumi)
    keys = Keys(planned)
    with keys.brought_to(cluster.kubeconfig):
        life.steps["up"] = _done(pulumi.up())
    sold = offers(planned, keys.of_providers)
    with Workloads(cluster.kubeconfig, folder / "pods", clocks(planned), offers=sold) as running:
        gateway = running.forward("gateway", "gateway", 80)
        life.answers = {route.name: ask(gateway, keys.of_client, route.name) for route in planned.routes}
    life.let_in = _let_in(cluster)
    life.pods["up"], life.outputs = api.settled(), pulumi.outputs()
    life.copied, life.began = api.copied(), api.began()
    life.callers, life.targets = _way_in(pulumi)

    twin("poke", "NodeGroup", "gpu-vault", 'labels={"spillway.dev/node-group": "elsewhere"}')
    tamper(cluster)
    life.steps["preview of drift"] = pulumi.preview()
    life.steps["up over drift"] = _done(pulumi.up())
    life.pods["up over drift"] = api.settled()

    plan(vault_nodes=3)
    life.steps["change"] = _done(pulumi.up())
    life.pods["change"] = api.settled()

    twin("fault", "capacity", "instance_type=g6e.xlarge")
    plan(vault_nodes=4)
    life.steps["shortage"] = pulumi.up()
    twin("fault", "--clear")
    life.steps["after the shortage"] = _done(pulumi.up())
    life.pods["after the shortage"] = api.settled()

    plan(vault_nodes=4, spot=1)
    life.steps["to spot"] = _done(pulumi.up())
    life.pods["to spot"] = api.settled()
    life.spot["before"] = _spot(pulumi)
    twin("reclaim", "gpu-shared-spot", life.spot["before"][0])
    life.pods["reclaimed"] = api.settled()
    life.spot["after"] = _spot(pulumi)
    life.steps["preview after a reclaim"] = pulumi.preview()
    twin("fault", "--clear")

    def outage() -> None:
        with unreachable(cluster.folder):
            time.sleep(3)

    plan(vault_nodes=3, spot=1)
    life.objects["before"] = pulumi.in_kubernetes()
    with unreachable(cluster.folder):
        for verb in ("preview", "up", "refresh", "destroy"):
            life.steps[f"{verb} without the API"] = getattr(pulumi, verb)()
            life.objects[verb] = pulumi.in_kubernetes()
    pulumi.interrupted("refresh", (":Deployment::", '"op":"refresh"'), outage)
    life.objects["outage in refresh"] = pulumi.in_kubernetes()
    pulumi.interrupted("up", (":Deployment::", '"op":"update"'), outage)
    life.objects["outage in up"] = pulumi.in_kubernetes()
    life.steps["up after an outage"] = _done(pulumi.up())
    life.pods["up after an outage"] = api.settled()

    elastic = weeks.elastic(locks.behind_balancer(sizes={"shared_nodes": 3, "vault_nodes": 3}, **through), (3, 2))
    locks.write(root / "environments", elastic)
    life.steps["without KEDA"] = pulumi.preview()
    define(cluster.client(), require_tool("keda-operator").parent / "crds")
    pulumi.configure("keda", "true")
    life.steps["to the clock"] = _done(pulumi.up())
    life.pods["to the clock"] = api.settled()
    twin("clock", "--at", "mon 08:00")
    life.pods["day"] = _as_keda(cluster, api, DAY)
    _as_keda(cluster, api, NIGHT)
    twin("clock", "--at", "mon 20:00")
    life.pods["night"] = api.settled()
    life.steps["preview by night"] = pulumi.preview()
    locks.write(root / "environments", locks.replaced(elastic, "pools", "chat-1xl40s", load_seconds=Decimal(95)))
    life.steps["up by night"] = _done(pulumi.up())
    life.pods["up by night"] = api.settled()
    twin("clock", "--at", "tue 07:42")
    life.pods["morning"] = _as_keda(cluster, api, DAY)
    life.steps["last preview"] = pulumi.preview()
    pulumi.interrupted("destroy", (":Deployment::", '"op":"delete"'), outage)

    life.steps["destroy"] = pulumi.destroy()
    life.calls = set(pulumi.account.load().tables[CALLS])
    life.left["after destroy"] = _left(pulumi)
    life.left["in the cluster"] = api.left()
    life.left["in the state"] = sorted(pulumi.resources())
    return life


def test_the_first_preview_shows_everything_and_makes_nothing(life: Life) -> None:
    preview = life.steps["first preview"]
    assert preview.status == 0, preview.output
    assert preview.diagnostics == []
    assert set(preview.changed().values()) == {"create"}
    assert {"gpu-shared", "gpu-vault", "system"} <= preview.changed().keys()
    assert life.left["after preview"] == {}


def test_up_places_every_replica_on_its_own_node_group(life: Life) -> None:
    up, pods = life.steps["up"], life.pods["up"]
    assert up.status == 0, up.output
    assert set(up.changed()) >= set(life.steps["first preview"].changed())
    assert pods.ready() == {"gateway": 2, **POOLS}
    assert pods.node_groups("vllm-chat-1xl40s") == {"shared"}
    assert pods.node_groups("vllm-code-2xl40s") == {"shared"}
    assert pods.node_groups("vllm-extraction-1xl40s") == {"vault"}
    assert pods.node_groups("gateway") == {"system"}
    assert life.outputs["pools"] == sorted(POOLS)
    assert life.outputs["lock"] == life.lock


def test_the_stated_networks_reach_the_gateway_through_every_system_node(life: Life) -> None:
    assert life.outputs["address"] == "https://llm.example.com"
    assert life.callers == {"203.0.113.7": True, "198.51.100.7": False, "10.64.64.9": False}
    assert len(life.targets) == locks.CLUSTER.system_nodes.nodes
    assert {(target.port, target.reached) for target in life.targets} == {(NODE_PORT, True)}


def test_a_request_of_each_route_is_answered_when_up_has_ended(life: Life) -> None:
    """The keys came into the cluster's Secrets while `up` ran; the pods are asked by way of the gateway's Service."""
    served = {route: (answer.status, answer.served_by) for route, answer in life.answers.items()}
    pools = {"chat": "chat-1xl40s", "code": "code-2xl40s", "extraction": "extraction-1xl40s"}
    assert served == {route: (200, f"pool/{pool}") for route, pool in pools.items()}


def test_calls_reach_the_gateway_by_its_nodes_alone(life: Life) -> None:
    assert life.let_in == {"a node": True, "203.0.113.7": False}


def test_a_preview_after_up_shows_no_change(life: Life) -> None:
    """After the first `up`, the preview of drift shows what was done by hand, and nothing else."""
    preview = life.steps["last preview"]
    assert preview.status == 0, preview.output
    assert preview.changed() == {}
    assert preview.summary["same"] > 60


def test_drift_shows_and_is_put_back(life: Life) -> None:
    """A scaled Deployment, an edited image, and a deleted Service and NetworkPolicy, beside a group of nodes."""
    wanted = {
        "NodeGroup gpu-vault": "update",
        "Deployment vllm-code-2xl40s": "update",
        "Deployment gateway": "update",
        "NetworkPolicy vllm-extraction-1xl40s": "create",
        "Service vllm-chat-1xl40s": "create",
    }
    assert life.steps["preview of drift"].changed_objects() == wanted
    assert life.steps["up over drift"].changed_objects() == wanted
    assert life.pods["up over drift"].ready() == {"gateway": 2, **POOLS}


def test_a_change_of_the_environment_touches_what_it_names(life: Life) -> None:
    named = ("NodeGroup gpu-vault", "Deployment vllm-extraction-1xl40s", "Deployment gateway")
    change = life.steps["change"]
    shown = change.changed_objects()
    documents = {name: step for name, step in shown.items() if name.startswith("ConfigMap gateway-policy-")}
    assert sorted(documents.values()) == ["create", "delete"]  # each document has its own: old pods keep theirs
    assert {name: step for name, step in shown.items() if name not in documents} == dict.fromkeys(named, "update")
    assert change.status == 0, change.output
    assert change.summary["update"] == len(named)
    assert life.pods["change"].ready() == {"gateway": 2, **POOLS, "vllm-extraction-1xl40s": 3}


def test_a_shortage_fails_and_the_next_up_converges(life: Life) -> None:
    shortage, after = life.steps["shortage"], life.steps["after the shortage"]
    assert shortage.status != 0
    assert "capacity" in " ".join(shortage.diagnostics).lower()
    assert after.status == 0, after.output
    assert life.pods["after the shortage"].ready()["vllm-extraction-1xl40s"] == 4


def test_spot_stands_before_the_nodes_on_demand_go(life: Life) -> None:
    """One line of the environment: of two nodes on demand, one is spot."""
    moved, pods = life.steps["to spot"], life.pods["to spot"]
    assert moved.changed_objects()["NodeGroup gpu-shared-spot"] == "create"
    assert moved.changed_objects()["NodeGroup gpu-shared"] == "update"
    stands, shrinks = (moved.moments.index(one) for one in (("ends", "gpu-shared-spot"), ("begins", "gpu-shared")))
    assert stands < shrinks
    assert pods.ready() == {"gateway": 2, **POOLS, "vllm-extraction-1xl40s": 4}
    assert pods.node_groups("vllm-chat-1xl40s") == {"shared"}


def test_replicas_of_spot_that_aws_takes_back_run_elsewhere(life: Life) -> None:
    assert life.spot == {"before": ["use1-az4"], "after": ["use1-az6"]}
    assert life.pods["reclaimed"].ready() == life.pods["to spot"].ready()
    assert life.steps["preview after a reclaim"].changed() == {}


@pytest.mark.parametrize("verb", ["preview", "up", "refresh", "destroy"])
def test_a_cluster_that_does_not_answer_is_an_error_that_keeps_the_state(life: Life, verb: str) -> None:
    refused = life.steps[f"{verb} without the API"]
    assert refused.status != 0
    assert "unreachable" in " ".join(refused.diagnostics)
    assert "Deployment vllm-chat-1xl40s" in life.objects["before"]
    assert life.objects[verb] == life.objects["before"]


@pytest.mark.parametrize("moment", ["outage in refresh", "outage in up"])
def test_an_outage_in_the_middle_keeps_the_state(life: Life, moment: str) -> None:
    assert life.objects[moment] == life.objects["before"]


def test_after_an_outage_the_same_command_converges(life: Life) -> None:
    assert life.pods["up after an outage"].ready() == {"gateway": 2, **POOLS, "vllm-extraction-1xl40s": 3}


def test_nothing_that_runs_is_changed_before_keda_is_there(life: Life) -> None:
    refused = life.steps["without KEDA"]
    assert refused.status != 0
    assert "DEP029" in " ".join(refused.diagnostics)


def test_a_running_pool_is_handed_to_keda_with_all_its_replicas(life: Life) -> None:
    """Its Deployment states no number any more, and would fall to one."""
    changed = life.steps["to the clock"].changed_objects()
    assert {name: step for name, step in changed.items() if name.startswith(("Schedule", "ScaledObject"))} == {
        "Schedule gpu-shared-0742": "create",
        "Schedule gpu-shared-2000": "create",
        "ScaledObject vllm-chat-1xl40s": "create",
        "ScaledObject vllm-code-2xl40s": "create",
    }
    assert changed["NodeGroup gpu-shared"] == "update"
    assert life.pods["to the clock"].ready() == life.pods["up after an outage"].ready()


def test_nodes_and_replicas_of_the_hour_are_no_change(life: Life) -> None:
    """By night two of three nodes run and fewer replicas than by day; every one that is wanted is ready."""
    for moment, wanted in (("day", DAY), ("night", NIGHT), ("morning", DAY)):
        assert life.pods[moment].ready().items() >= wanted.items(), moment
    assert life.steps["preview by night"].status == 0, life.steps["preview by night"].output
    assert life.steps["preview by night"].changed() == {}


def test_up_by_night_changes_what_it_names_and_brings_no_replica_back(life: Life) -> None:
    up = life.steps["up by night"]
    named = {name for name in up.changed_objects() if not name.startswith("ConfigMap")}
    assert named == {"Deployment vllm-chat-1xl40s", "Deployment gateway"}
    assert life.pods["up by night"].ready().items() >= NIGHT.items()


def test_destroy_leaves_nothing_but_what_aws_keeps(life: Life) -> None:
    destroy = life.steps["destroy"]
    assert destroy.status == 0, destroy.output
    assert set(life.left["after destroy"]) <= AFTERLIFE
    assert life.left["in the cluster"] == []
    assert life.left["in the state"] == []


def test_every_call_of_the_life_is_one_that_the_deploy_role_may_make(life: Life) -> None:
    platform = locks.behind_balancer(**locks.FROM_INTERNET).platform
    policies = documents(platform, "prod", kinds_of(platform)).values()
    allowed = {action for policy in policies for statement in policy["Statement"] for action in statement["Action"]}
    made = {ACTIONS.get(call, call.replace(*BALANCING)) for call in life.calls - OF_THE_SERVICE}
    assert len(made) > 40
    assert " ".join(sorted(made - allowed)) == ""


def test_a_refused_lock_stops_the_engine_with_one_message(tmp_path: Path) -> None:
    root = checkout(tmp_path / "checkout")
    locks.write(root / "environments", locks.plan())
    (root / "environments" / "prod.yaml").write_text(locks.environment_text(extraction_rate=5))
    pulumi = Engine(stage(tmp_path / "stage"), root, "prod", {"SPILLWAY_RUNNER": "inside"})
    refused = pulumi.up()
    assert refused.status != 0
    spoken = "\n".join(refused.diagnostics)
    assert "environment `prod` is not deployed; nothing was changed." in spoken
    assert "LOCK010" in spoken
    assert "Traceback" not in refused.output
    assert pulumi.account.is_empty()
    assert pulumi.resources() == {}
    assert pulumi.destroy().status == 0  # asks no lock


def _done(outcome: Outcome) -> Outcome:
    """The outcome of a step that all later ones rest on."""
    if outcome.status != 0:
        pytest.fail("\n".join([f"pulumi ended with {outcome.status}", *outcome.diagnostics]), pytrace=False)
    return outcome


def _as_keda(cluster: RunningCluster, api: ClusterView, wanted: dict[str, int]) -> Pods:
    """Scale Deployments as KEDA's autoscaler does, and return where pods stand once all that are wanted are ready."""
    client = cluster.client()
    for name, count in wanted.items():
        AppsV1Api(client).patch_namespaced_deployment_scale(
            name, "serving", {"spec": {"replicas": count}}, field_manager="kube-controller-manager"
        )
    client.close()
    deadline = time.monotonic() + SETTLE_SECONDS
    pods = api.settled()
    while not pods.ready().items() >= wanted.items() and time.monotonic() < deadline:
        time.sleep(0.2)
        pods = api.settled()
    return pods


def _way_in(pulumi: Engine) -> tuple[dict[str, bool], list[Target]]:
    """Who may call the load balancer that stands, and the machines that it sends calls to."""
    with inquiry(pulumi.account) as (state, world):
        aws = Account(state, world, "us-east-1")
        (balancer,) = state.records["aws:lb/loadBalancer:LoadBalancer"]
        callers = ("203.0.113.7", "198.51.100.7", "10.64.64.9")
        return {caller: may_call(aws, balancer, caller) for caller in callers}, list(targets(aws, balancer))


def _let_in(cluster: RunningCluster) -> dict[str, bool]:
    """Whom the NetworkPolicies let in at the port of the gateway's pods: the load balancer calls by way of a node."""
    view = Cluster(cluster.kubeconfig)
    found = view.read()
    view.close()
    pod = next(pod for pod in found.pods if pod["metadata"]["namespace"] == "gateway")
    callers = {"a node": pod["status"]["hostIP"], "203.0.113.7": "203.0.113.7"}
    target = end_of(pod, found)
    return {name: admits(found.policies, OutsideEnd(ip), target, target.ports["http"]) for name, ip in callers.items()}


def _spot(pulumi: Engine) -> list[str]:
    """Zones of the machines that are spot."""
    rows = pulumi.account.load().tables["ec2.instances"].values()
    return sorted(row["zone_id"] for row in rows if row["capacity_type"] == "SPOT")


def _left(pulumi: Engine) -> dict[str, Any]:
    """Type → names of what the account still holds."""
    state = pulumi.account.load()
    return {token: sorted(r.name for r in records.values()) for token, records in state.records.items() if records}


def test_weights_are_copied_before_the_pools_that_read_them(life: Life) -> None:
    """Each Job is complete when its pool's release begins, and the jobs stay as they are."""
    pools = {"chat-8b": "chat-1xl40s", "code-32b": "code-2xl40s", "extract-7b": "extraction-1xl40s"}
    assert sorted(life.copied) == [f"acme-{model}-0123abc" for model in pools]
    for model, pool in pools.items():
        assert life.copied[f"acme-{model}-0123abc"] <= life.began[f"vllm-{pool}"]
    assert not [name for name in life.steps["change"].changed() if name.startswith("acme-")]
