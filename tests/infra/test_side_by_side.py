"""Three environments through the real engine: two in one account, one in another, each with a way in of its own.

    prod    private; its cluster first from outside, the rest from a runner inside
    dev     public for one address, and private later
    lab     another account, in a network that its owner made

Their lives are run once (`lives`) and judged by several tests. Who reaches which cluster, and that nobody goes back to
the first stage, stands in test_reach.py, without an engine.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from planner.plan.plan import Plan
from planner.plan.platform import ExistingNetwork
from tests.engine import Engine, Outcome, stage
from tests.infra import locks
from tests.infra.checkout import checkout, published
from tests.infra.pods import ClusterView, Pods
from tests.tools import require_cluster_tools
from twin.aws.existing import provide_network
from twin.aws.store import Store
from twin.cluster import LocalCluster
from twin.network import Place, stand

pytestmark = pytest.mark.engine

HOME = Place("outside", "203.0.113.7")
OTHER_ACCOUNT = "210987654321"
POOLS = {"vllm-chat-1xl40s": 4, "vllm-code-2xl40s": 2, "vllm-extraction-1xl40s": 2}
AFTERLIFE = {"aws:kms/key:Key"}


@dataclass
class Lives:
    """What each step gave."""

    steps: dict[str, Outcome] = field(default_factory=dict)
    pods: dict[str, Pods] = field(default_factory=dict)
    made: dict[str, dict[str, list[str]]] = field(default_factory=dict)
    was_touched: dict[str, bool] = field(default_factory=dict)
    """Environment → whether anything was done in its account while another one was destroyed."""


def planned(**platform: Any) -> Plan:
    return locks.on_platform(locks.plan(), **platform)


def in_other_account(text: str) -> str:
    return text.replace(locks.ACCOUNT, OTHER_ACCOUNT)


@pytest.fixture(scope="module")
def lives(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lives]:
    require_cluster_tools()
    folder = tmp_path_factory.mktemp("side-by-side")
    with LocalCluster() as first, LocalCluster() as second:
        root = checkout(folder / "checkout")
        here = stage(folder / "here", clusters=[first.folder, second.folder])
        there = stage(folder / "there", clusters=[second.folder], account=OTHER_ACCOUNT)
        lives, environments = Lives(), root / "environments"
        one, two = ClusterView(first.kubeconfig), ClusterView(second.kubeconfig)

        locks.write(environments, planned(), "prod")
        prod = Engine(here, root / "sub", "prod")
        stand(here.account_folder, HOME)
        prod.configure("stage", "cluster")
        lives.steps["prod, cluster"] = _done(prod.up())
        lives.made["cluster"] = _made(prod)
        published(prod).configure("stage", "all")
        inside = Engine(here, root / "sub", "prod", {"SPILLWAY_RUNNER": "inside"})
        stand(here.account_folder, Place())
        lives.steps["prod, all from inside"] = _done(inside.up())
        lives.pods["prod"] = one.settled()

        text = locks.environment_text(public_cidrs=("203.0.113.7/32",))
        locks.write(environments, planned(cidr="10.65.0.0/16", public_cidrs=("203.0.113.7/32",)), "dev", text)
        stand(here.account_folder, HOME)
        dev = published(Engine(here, root / "sub", "dev", {"SPILLWAY_RUNNER": "203.0.113.7"}))
        lives.steps["dev, public"] = _done(dev.up())
        lives.pods["dev"] = two.settled()
        locks.write(environments, planned(cidr="10.65.0.0/16"), "dev")
        stand(here.account_folder, Place())
        dev.extra["SPILLWAY_RUNNER"] = "inside"
        lives.steps["dev, private"] = _done(dev.up())
        lives.steps["dev, destroyed"] = _done(dev.destroy())
        lives.steps["prod beside it"] = inside.preview()
        lives.pods["prod beside it"] = one.settled()

        found = provide_network(Store(there.account_folder, OTHER_ACCOUNT), "us-east-1", "172.20.0.0/16", locks.ZONES)
        network = ExistingNetwork(vpc=found.vpc, subnets=dict(found.subnets))
        parts = {"nat_zones": (), "log_groups": locks.CLUSTER.log_groups[:1]}
        role = f"arn:aws:iam::{OTHER_ACCOUNT}:role/deploy"
        lab_plan = locks.on_platform(
            locks.plan(cluster=locks.CLUSTER.model_copy(update=parts)),
            account=OTHER_ACCOUNT,
            deploy_role=role,
            admin_roles=(),
            cidr=None,
            network=network,
        )
        subnets = ", ".join(f"{zone}: {subnet}" for zone, subnet in found.subnets.items())
        text = in_other_account(locks.environment_text()).replace(
            "nat: single", f"network: {{vpc: {found.vpc}, subnets: {{{subnets}}}}}"
        )
        locks.write(environments, lab_plan, "lab", text)
        lab = published(Engine(there, root / "sub", "lab", {"SPILLWAY_RUNNER": "inside"}))
        lives.steps["lab"] = _done(lab.up())
        lives.made["lab"], generation = _made(lab), lab.account.load().generation
        lives.pods["lab"] = two.settled()
        lives.steps["prod, destroyed"] = _done(inside.destroy())
        lives.made["prod, destroyed"] = _made(inside)
        lives.was_touched["lab"] = lab.account.load().generation != generation
        lives.pods["lab beside it"] = two.settled()
        lives.steps["lab, destroyed"] = _done(lab.destroy())
        lives.made["lab, destroyed"] = _made(lab)
        yield lives


def test_the_first_stage_makes_the_cluster_from_outside_and_says_what_is_next(lives: Lives) -> None:
    made = lives.made["cluster"]
    assert made["aws:eks/nodeGroup:NodeGroup"] == ["system"]
    assert len(made["aws:eks/cluster:Cluster"]) == 1
    assert "spillway:stage all" in " ".join(lives.steps["prod, cluster"].diagnostics)


def test_the_second_stage_comes_from_a_runner_inside(lives: Lives) -> None:
    assert lives.pods["prod"].ready() == {"gateway": 2, **POOLS}
    assert "delete" not in lives.steps["prod, all from inside"].changed().values()


def test_a_public_endpoint_for_one_address_becomes_private_and_nothing_is_replaced(lives: Lives) -> None:
    assert lives.pods["dev"].ready() == {"gateway": 2, **POOLS}
    changed = lives.steps["dev, private"].changed()
    documents = {name: step for name, step in changed.items() if name.startswith("gateway:gateway/gateway-policy-")}
    assert sorted(documents.values()) == ["create", "delete"]  # the gateway's document names its lock
    others = {name: step for name, step in changed.items() if name not in documents}
    assert others == dict.fromkeys(("spillway-dev", "gateway:gateway/gateway"), "update")


def test_the_end_of_one_environment_leaves_the_other_as_it_was(lives: Lives) -> None:
    beside = lives.steps["prod beside it"]
    assert beside.status == 0, beside.output
    assert beside.changed() == {}
    assert lives.pods["prod beside it"].ready() == lives.pods["prod"].ready()


def test_an_environment_of_another_account_in_an_existing_network(lives: Lives) -> None:
    assert lives.pods["lab"].ready() == {"gateway": 2, **POOLS}
    kinds = {kind.rpartition(":")[2] for kind in lives.made["lab"]}
    assert kinds & {"Vpc", "Subnet", "NatGateway", "VpcEndpoint", "Route", "RouteTable", "FlowLog", "Eip"} == set()
    assert not lives.was_touched["lab"]
    assert lives.pods["lab beside it"].ready() == lives.pods["lab"].ready()


def test_in_the_end_nothing_is_left_but_what_aws_keeps(lives: Lives) -> None:
    assert set(lives.made["prod, destroyed"]) <= AFTERLIFE
    assert set(lives.made["lab, destroyed"]) <= AFTERLIFE


def _done(outcome: Outcome) -> Outcome:
    """The outcome of a step that all later ones rest on."""
    if outcome.status != 0:
        pytest.fail("\n".join([f"pulumi ended with {outcome.status}", *outcome.diagnostics]), pytrace=False)
    return outcome


def _made(pulumi: Engine) -> dict[str, list[str]]:
    """Type → names of what the account holds."""
    state = pulumi.account.load()
    return {token: sorted(r.name for r in records.values()) for token, records in state.records.items() if records}
