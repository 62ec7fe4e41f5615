"""One environment on two clusters that are there already, told by different labels, through the real engine.

The first is a team's own with GPU feature discovery; its nodes are not set apart at the beginning, and its namespaces
are made. The second has GKE's labels and taints, with a namespace and a volume of weights that the team made.

On the first, whose replicas fill their nodes, images of the engine are tried by canaries: one is promoted, and one is
taken back.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from kubernetes import client

from infra.charts import chart_image
from infra.existing_facts import Right
from infra.existing_rights import rights_needed
from planner.domain.engine_image import EngineCanary, EngineImage
from tests.engine import Engine, Outcome, stage
from tests.infra import existing_sites, locks
from tests.infra.checkout import checkout
from tests.infra.existing_sites import GKE, ON_PREMISES, OWN_LABEL, OWN_TAINT, Site
from tests.infra.pods import SETTLE_SECONDS, ClusterView
from tests.tools import require_cluster_tools
from twin.cluster import LocalCluster, RunningCluster
from twin.nodes import ApiServer, wait_ready
from twin.nodes.plain import join_plain, taint_object

pytestmark = pytest.mark.engine

PLACES = {
    "vllm-chat-1xl40s": {"rack-4xl40s-1", "rack-4xl40s-2"},
    "vllm-code-2xl40s": {"rack-4xl40s-1", "rack-4xl40s-2"},
    "vllm-extraction-1xl40s": {"rack-1xl40s-1", "rack-1xl40s-2"},
}
"""The nodes on which the pods of each release stand."""
IMAGES = [chart_image("vllm").reference, *(f"vllm/vllm-openai:v0.{n}.0@sha256:{str(n % 10) * 64}" for n in (34, 35))]
"""Images of the engine: that of the chart, the one that is promoted, and the one that is taken back."""
WHOLE = {"vllm-chat-1xl40s": 4, "vllm-code-2xl40s": 2, "vllm-extraction-1xl40s": 2}
SPLIT = {name: count - 1 for name, count in WHOLE.items()} | {f"{name}-canary": 1 for name in WHOLE}
GATEWAY_IMAGE = "registry.example/spillway-gateway:1.0@sha256:" + "1" * 64


@dataclass
class Life:
    """What each step gave, and what stands in the cluster after some of them."""

    steps: dict[str, Outcome] = field(default_factory=dict)
    places: dict[str, set[str]] = field(default_factory=dict)
    ready: dict[str, int] = field(default_factory=dict)
    outputs: dict[str, Any] = field(default_factory=dict)
    before: set[str] = field(default_factory=set)
    after: set[str] = field(default_factory=set)
    policies: list[Any] = field(default_factory=list)
    aws_is_empty: bool = False
    stood: dict[str, dict[str, tuple[int, set[str]]]] = field(default_factory=dict)
    """Step → release → its ready replicas, and the images of its pods."""
    fewest: dict[str, dict[str, int]] = field(default_factory=dict)
    """Step → pool → the fewest ready replicas of it and its canary that were seen on the way."""
    weights: dict[str, dict[str, dict[str, float]]] = field(default_factory=dict)
    """Step → route → weights of the gateway's policy."""


@pytest.fixture(scope="module")
def other() -> Iterator[RunningCluster]:
    require_cluster_tools()
    with LocalCluster() as running:
        yield running


@pytest.fixture(scope="module")
def on_premises(cluster: RunningCluster, other: RunningCluster, tmp_path_factory: pytest.TempPathFactory) -> Life:
    """First its nodes are not set apart; they are, and it goes up; then its context leads to the other cluster.

    Whoever deploys has the rights that are asked for, what preflight reads, and no other.
    """
    life, core = Life(), client.CoreV1Api(cluster.client())
    _furnish(core, cluster, ON_PREMISES, set_apart=False)
    deployer = _as_deployer(core, cluster)
    life.before = _objects(core)
    kubeconfig = tmp_path_factory.mktemp("kube") / "config"
    kubeconfig.write_text(deployer)
    pulumi = _engine(tmp_path_factory.mktemp("on-premises"), ON_PREMISES, kubeconfig, cluster)
    life.steps["too early"] = pulumi.preview()
    for name in ("rack-1xl40s-1", "rack-1xl40s-2"):
        key, _, value = OWN_LABEL.partition("=")
        core.patch_node(name, {"metadata": {"labels": {key: value}}, "spec": {"taints": [taint_object(OWN_TAINT)]}})
    _through_life(life, pulumi, core, cluster)
    new, newest = IMAGES[1:]
    _with_engine(life, "raise", pulumi, core, EngineImage(canary=EngineCanary(image=new)))
    life.steps["raised"] = pulumi.preview()
    _with_engine(life, "promote", pulumi, core, EngineImage(image=new))
    _with_engine(life, "raise the next", pulumi, core, EngineImage(image=new, canary=EngineCanary(image=newest)))
    _with_engine(life, "take back", pulumi, core, EngineImage(image=new))
    kubeconfig.write_text(other.kubeconfig.read_text())
    life.steps["another cluster"] = pulumi.preview()
    kubeconfig.write_text(deployer)
    _down(life, pulumi, core)
    return life


@pytest.fixture(scope="module")
def gke(other: RunningCluster, tmp_path_factory: pytest.TempPathFactory) -> Life:
    """Without the claim it is refused; then it goes up and down."""
    life, core = Life(), client.CoreV1Api(other.client())
    _furnish(core, other, GKE, set_apart=True)
    pulumi = _engine(tmp_path_factory.mktemp("gke"), GKE, other.kubeconfig, other)
    core.create_namespace({"metadata": {"name": "serving"}})
    life.steps["too early"] = pulumi.preview()
    core.patch_namespace("serving", {"metadata": {"labels": {"spillway.dev/environment": "prod"}}})
    claim = {"accessModes": ["ReadOnlyMany"], "resources": {"requests": {"storage": "100Gi"}}}
    core.create_namespaced_persistent_volume_claim(
        "serving", {"metadata": {"name": "models"}, "spec": {**claim, "volumeName": "weights"}}
    )
    source = {"nfs": {"server": "192.0.2.1", "path": "/models"}}
    volume = {"accessModes": ["ReadOnlyMany"], "capacity": {"storage": "100Gi"}, **source}
    bound = {"claimRef": {"name": "models", "namespace": "serving"}}
    core.create_persistent_volume({"metadata": {"name": "weights"}, "spec": {**volume, **bound}})
    life.before = _objects(core)
    _through_life(life, pulumi, core, other)
    life.steps["second up"] = pulumi.up()
    _down(life, pulumi, core)
    return life


@pytest.mark.parametrize("name", ["on_premises", "gke"])
def test_every_pod_stands_on_the_nodes_that_its_labels_name(name: str, request: pytest.FixtureRequest) -> None:
    life: Life = request.getfixturevalue(name)
    assert life.steps["up"].status == 0, life.steps["up"].output
    assert life.ready == {
        "gateway": 2,
        "vllm-chat-1xl40s": 4,
        "vllm-code-2xl40s": 2,
        "vllm-extraction-1xl40s": 2,
    }
    assert {release: life.places[release] for release in PLACES} == PLACES
    assert life.places["gateway"] == {"cpu-1", "cpu-2"} if name == "gke" else len(life.places["gateway"]) == 2


def test_a_second_up_changes_nothing(gke: Life) -> None:
    """Of the other cluster, a preview after the first step of a canary shows it."""
    second = gke.steps["second up"]
    assert second.status == 0, second.output
    assert second.changed() == {}


@pytest.mark.parametrize("name", ["on_premises", "gke"])
def test_destroy_leaves_what_was_there_and_nothing_else(name: str, request: pytest.FixtureRequest) -> None:
    life: Life = request.getfixturevalue(name)
    assert life.steps["destroy"].status == 0, life.steps["destroy"].output
    assert life.after == life.before
    assert life.aws_is_empty


def test_nodes_that_are_not_set_apart_are_told_with_the_commands_that_do_it(on_premises: Life) -> None:
    refused = on_premises.steps["too early"]
    told = "\n".join(refused.diagnostics)
    assert refused.status != 0
    assert "DEP043" in told
    assert "node group `vault` needs 2 × rack.1xl40s; 0 of the 2 nodes" in told
    assert f"kubectl --context twin label node rack-1xl40s-1 rack-1xl40s-2 {OWN_LABEL}" in told
    assert f"kubectl --context twin taint node rack-1xl40s-1 rack-1xl40s-2 {OWN_TAINT}" in told
    assert "Traceback" not in refused.output


def test_a_namespace_and_a_volume_of_nobody_are_told_in_one_run(gke: Life) -> None:
    told = "\n".join(gke.steps["too early"].diagnostics)
    assert gke.steps["too early"].status != 0
    for words in (
        "DEP046",
        "label namespace serving spillway.dev/environment=prod",
        "DEP048",
        "no volume claim `models`",
    ):
        assert words in told


@pytest.mark.parametrize(
    ("step", "image", "canary"),
    [
        ("raise", IMAGES[0], IMAGES[1]),
        ("promote", IMAGES[1], None),
        ("raise the next", IMAGES[1], IMAGES[2]),
        ("take back", IMAGES[1], None),
    ],
)
def test_each_step_of_a_canary_ends_with_every_replica_in_its_place(
    on_premises: Life, step: str, image: str, canary: str | None
) -> None:
    assert on_premises.steps[step].status == 0, "\n".join(on_premises.steps[step].diagnostics)
    stood = on_premises.stood[step]
    assert {name: ready for name, (ready, _) in stood.items()} == (SPLIT if canary else WHOLE)
    for name, (_, images) in stood.items():
        assert images == {canary if name.endswith("-canary") else image}, name


@pytest.mark.parametrize("step", ["raise", "promote", "raise the next", "take back"])
def test_no_pool_is_ever_short_of_more_than_one_replica(on_premises: Life, step: str) -> None:
    assert on_premises.fewest[step].keys() == WHOLE.keys()
    for pool, fewest in on_premises.fewest[step].items():
        assert fewest >= WHOLE[pool] - 1, pool


def test_the_gateway_splits_each_weight_by_replicas_and_only_while_there_is_a_canary(on_premises: Life) -> None:
    for step in ("raise", "raise the next"):
        assert on_premises.weights[step]["chat"] == {"chat-1xl40s": 0.75, "chat-1xl40s-canary": 0.25}
        assert on_premises.weights[step]["extraction"] == {"extraction-1xl40s": 0.5, "extraction-1xl40s-canary": 0.5}
    for step in ("promote", "take back"):
        assert on_premises.weights[step]["chat"] == {"chat-1xl40s": 1.0}


def test_a_canary_comes_after_its_pool_and_goes_after_the_gateway(on_premises: Life) -> None:
    came = list(on_premises.steps["raise"].changed_objects())
    for name in WHOLE:
        places = [came.index(f"Deployment {each}") for each in (name, f"{name}-canary", "gateway")]
        assert places == sorted(places)
    went = list(on_premises.steps["take back"].changed_objects())
    for name in WHOLE:
        places = [went.index(f"Deployment {each}") for each in (name, "gateway", f"{name}-canary")]
        assert places == sorted(places)


def test_a_raised_canary_stays_as_it_is(on_premises: Life) -> None:
    assert on_premises.steps["raised"].status == 0, on_premises.steps["raised"].output
    assert on_premises.steps["raised"].changed() == {}


def test_a_context_that_leads_to_another_cluster_is_refused(on_premises: Life) -> None:
    refused = on_premises.steps["another cluster"]
    assert refused.status != 0
    told = "\n".join(refused.diagnostics)
    assert "DEP041" in told
    assert on_premises.outputs["cluster_uid"] in told


def test_pools_reach_the_store_and_the_dns_that_are_stated(gke: Life, on_premises: Life) -> None:
    near = {block for rule in _egress(gke, "vllm-chat-1xl40s") for block in _blocks(rule)}
    assert near == {("169.254.20.10/32", 53)}
    store = {block for rule in _egress(on_premises, "vllm-chat-1xl40s") for block in _blocks(rule)}
    assert store == {("192.0.2.0/28", 9000)}


def _engine(folder: Path, site: Site, kubeconfig: Path, cluster: RunningCluster) -> Engine:
    root = checkout(folder / "checkout")
    existing_sites.write(root / "environments", site, "twin")
    pulumi = Engine(stage(folder / "stage", cluster=cluster.folder), root, "prod")
    pulumi.configure("gatewayImage", GATEWAY_IMAGE)
    pulumi.configure("kubeconfig", str(kubeconfig))
    return pulumi


def _as_deployer(core: Any, cluster: RunningCluster) -> str:
    """A kubeconfig for somebody who may do what the program asks for, and read what it reads."""
    plan = existing_sites.plan(ON_PREMISES, "twin")
    lock = locks.sealed(plan, environment=ON_PREMISES.environment_text("twin"))
    assert plan.platform.existing is not None
    read = [Right("list", "", name) for name in ("namespaces", "nodes", "persistentvolumeclaims", "pods")]
    rules = [
        {"apiGroups": [right.group], "resources": [right.resource], "verbs": [right.verb]}
        for right in (*rights_needed(lock, plan.platform.existing), *read)
    ]
    account = {"kind": "ServiceAccount", "name": "deployer", "namespace": "kube-system"}
    role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "deployer"}
    core.create_namespaced_service_account("kube-system", {"metadata": {"name": "deployer"}})
    access = client.RbacAuthorizationV1Api(core.api_client)
    access.create_cluster_role({"metadata": {"name": "deployer"}, "rules": rules})
    access.create_cluster_role_binding({"metadata": {"name": "deployer"}, "roleRef": role, "subjects": [account]})
    asked = {"spec": {"audiences": [], "expirationSeconds": 7200}}
    token = core.create_namespaced_service_account_token("deployer", "kube-system", asked).status.token
    text = yaml.safe_load(cluster.kubeconfig.read_text())
    for user in text["users"]:
        user["user"] = {"token": token}
    return yaml.safe_dump(text)


def _furnish(core: Any, cluster: RunningCluster, site: Site, set_apart: bool) -> None:
    nodes = site.nodes(set_apart)
    server = ApiServer(cluster.kubeconfig)
    join_plain(server, nodes)
    wait_ready(server, [node.name for node in nodes])
    core.create_namespace({"metadata": {"name": "monitoring"}})
    core.create_namespaced_config_map("monitoring", {"metadata": {"name": "rules"}, "data": {"a": "1"}})


def _through_life(life: Life, pulumi: Engine, core: Any, cluster: RunningCluster) -> None:
    life.steps["up"] = pulumi.up()
    if life.steps["up"].status != 0:
        pytest.fail("\n".join(life.steps["up"].diagnostics), pytrace=False)
    life.ready = ClusterView(cluster.kubeconfig).settled().ready()
    for namespace in ("serving", "gateway"):
        for pod in core.list_namespaced_pod(namespace).items:
            release = pod.metadata.labels["app.kubernetes.io/instance"]
            life.places.setdefault(release, set()).add(pod.spec.node_name)
    life.policies = client.NetworkingV1Api(core.api_client).list_namespaced_network_policy("serving").items
    life.outputs = pulumi.outputs()


def _with_engine(life: Life, step: str, pulumi: Engine, core: Any, engine: EngineImage) -> None:
    """Deploy the lock with these images of the engine, and see meanwhile how many replicas of each pool are ready."""
    existing_sites.write(pulumi.project / "environments", replace(ON_PREMISES, engine=engine), "twin")
    fewest, done = dict(WHOLE), threading.Event()

    def watch() -> None:
        while not done.wait(0.1):
            ready = _ready(core)
            for pool in fewest:
                count = ready.get(pool, (0, set()))[0] + ready.get(f"{pool}-canary", (0, set()))[0]
                fewest[pool] = min(fewest[pool], count)

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        life.steps[step] = pulumi.up()
        if life.steps[step].status != 0:
            pytest.fail("\n".join(life.steps[step].diagnostics), pytrace=False)
        wanted, deadline = SPLIT if engine.canary else WHOLE, time.monotonic() + SETTLE_SECONDS
        while {name: ready for name, (ready, _) in _ready(core).items()} != wanted and time.monotonic() < deadline:
            time.sleep(0.2)
    finally:
        done.set()
        watcher.join()
    life.stood[step], life.fewest[step] = _ready(core), fewest
    policy = _policy(core)
    life.weights[step] = {name: route["bands"][0]["weights"] for name, route in policy["routes"].items()}


def _policy(core: Any) -> dict[str, Any]:
    """The document that the gateway's pods are rolled out for: each has a ConfigMap of its own."""
    pods = client.AppsV1Api(core.api_client).read_namespaced_deployment("gateway", "gateway").spec.template.spec
    (name,) = [volume.config_map.name for volume in pods.volumes if volume.name == "policy"]
    found: dict[str, Any] = json.loads(core.read_namespaced_config_map(name, "gateway").data["policy.json"])
    return found


def _ready(core: Any) -> dict[str, tuple[int, set[str]]]:
    """Release → its ready pods, and the images of all of them that are not on their way out."""
    found: dict[str, tuple[int, set[str]]] = {}
    for pod in core.list_namespaced_pod("serving").items:
        if pod.metadata.deletion_timestamp is None:
            release = pod.metadata.labels["app.kubernetes.io/instance"]
            ready, images = found.get(release, (0, set()))
            is_ready = any(c.type == "Ready" and c.status == "True" for c in pod.status.conditions or ())
            found[release] = (ready + is_ready, images | {pod.spec.containers[0].image})
    return found


def _down(life: Life, pulumi: Engine, core: Any) -> None:
    life.steps["destroy"] = pulumi.destroy()
    life.after = _objects(core)
    life.aws_is_empty = pulumi.account.is_empty()


def _objects(core: Any) -> set[str]:
    """Everything that a team may have in its cluster, but for what the control plane keeps of each namespace."""
    api = core.api_client
    lists = {
        "namespace": core.list_namespace,
        "node": core.list_node,
        "config map": core.list_config_map_for_all_namespaces,
        "service": core.list_service_for_all_namespaces,
        "secret": core.list_secret_for_all_namespaces,
        "service account": core.list_service_account_for_all_namespaces,
        "volume": core.list_persistent_volume,
        "claim": core.list_persistent_volume_claim_for_all_namespaces,
        "deployment": client.AppsV1Api(api).list_deployment_for_all_namespaces,
        "daemon set": client.AppsV1Api(api).list_daemon_set_for_all_namespaces,
        "network policy": client.NetworkingV1Api(api).list_network_policy_for_all_namespaces,
        "disruption budget": client.PolicyV1Api(api).list_pod_disruption_budget_for_all_namespaces,
        "priority class": client.SchedulingV1Api(api).list_priority_class,
    }
    return {
        f"{kind} {item.metadata.namespace}/{item.metadata.name}"
        for kind, found in lists.items()
        for item in found().items
    }


def _egress(life: Life, release: str) -> list[Any]:
    (policy,) = [policy for policy in life.policies if policy.metadata.name == release]
    rules: list[Any] = policy.spec.egress
    return rules


def _blocks(rule: Any) -> set[tuple[str, int]]:
    ports = {port.port for port in rule.ports}
    return {(peer.ip_block.cidr, port) for peer in rule.to if peer.ip_block for port in ports}
