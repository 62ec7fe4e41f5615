"""The network between a machine and the endpoints of an account: what it carries, what it drops, and that it ends."""

from __future__ import annotations

import json
import os
import signal
import socket
import ssl
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.twin.aws_program import Program, trust
from twin.aws import control_planes
from twin.aws.account import AwsError
from twin.aws.store import AccountState, ResourceRecord
from twin.cluster import CLUSTER_FOLDER_VARIABLE, RunningCluster
from twin.network import Network, Place, stand
from twin.network.place import place_of
from twin.network.verdict import Carried, Dropped, Refused, verdict

INSIDE, OFFICE, HOME = Place(), Place("connected", "172.16.3.4"), Place("outside", "203.0.113.7")
CLUSTER = "aws:eks/cluster:Cluster"
RULE = "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule"


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Program:
    """A program in an account with two control planes, of which nothing but the certificates exists."""
    folders = [tmp_path / "one", tmp_path / "two"]
    for folder in folders:
        folder.mkdir()
        (folder / "kubeconfig").write_text("{}")
        (folder / "ca.crt").write_text(f"authority of {folder.name}")
    monkeypatch.setenv(CLUSTER_FOLDER_VARIABLE, os.pathsep.join(map(str, folders)))
    return Program(tmp_path)


def host_of(cluster: Any) -> str:
    return str(cluster.outputs["endpoint"]).removeprefix("https://")


def fate(program: Program, cluster: Any, place: Place) -> Carried | Refused | Dropped:
    return verdict(program.store.load(), place, host_of(cluster), 443)


def test_a_cluster_has_an_endpoint_of_eks_and_a_control_plane_of_its_own(program: Program, tmp_path: Path) -> None:
    subnets = program.network()
    role = program.create("aws:iam/role:Role", "control", assumeRolePolicy=trust("eks.amazonaws.com")).outputs["arn"]

    def cluster(name: str) -> Any:
        return program.create(CLUSTER, name, name=name, roleArn=role, vpcConfig={"subnetIds": subnets})

    one, two = cluster("alpha"), cluster("beta")
    assert host_of(one).endswith(".gr7.us-east-1.eks.amazonaws.com")
    assert host_of(one) != host_of(two)
    assert one.outputs["certificateAuthority"] != two.outputs["certificateAuthority"]
    assert fate(program, one, HOME) == Carried(tmp_path / "one")
    assert fate(program, two, HOME) == Carried(tmp_path / "two")
    with pytest.raises(AwsError, match="no control plane left for gamma"):
        cluster("gamma")
    program.delete("alpha")
    assert isinstance(fate(program, one, HOME), Refused)
    assert control_planes.folder_of(program.store.load(), "beta", "us-east-1") == tmp_path / "two"
    assert fate(program, cluster("delta"), HOME) == Carried(tmp_path / "one")


HOST = "A1.gr7.us-east-1.eks.amazonaws.com"


def account(settings: dict[str, Any], admitted: Sequence[tuple[int, str]]) -> AccountState:
    """An account with one cluster in a VPC of 10.0.0.0/16. admitted: ports and networks that its group admits."""
    network = {**settings, "vpcId": "vpc-1", "clusterSecurityGroupId": "sg-1"}
    outputs = {"name": "prod", "endpoint": f"https://{HOST}", "vpcConfig": network}
    rules = {
        f"sgr-{index}": {
            "securityGroupId": "sg-1",
            "ipProtocol": "tcp",
            "fromPort": port,
            "toPort": port,
            "cidrIpv4": cidr,
        }
        for index, (port, cidr) in enumerate(admitted)
    }
    return AccountState(
        "123456789012",
        records={
            CLUSTER: {"prod": ResourceRecord("prod", "us-east-1", {}, outputs)},
            "aws:ec2/vpc:Vpc": {"vpc-1": ResourceRecord("vpc", "us-east-1", {}, {"cidrBlock": "10.0.0.0/16"})},
            RULE: {key: ResourceRecord(key, "us-east-1", {}, rule) for key, rule in rules.items()},
        },
        tables={"eks.control_planes": {"prod|us-east-1": "/one"}},
    )


PUBLIC = {"endpointPublicAccess": True, "publicAccessCidrs": ["203.0.113.0/24"]}
PRIVATE = {"endpointPublicAccess": False, "endpointPrivateAccess": True}
BOTH = {**PUBLIC, "endpointPrivateAccess": True}


@pytest.mark.parametrize(
    ("settings", "admitted", "place", "carried"),
    [
        (PUBLIC, (), HOME, True),
        (PUBLIC, (), Place("outside", "198.51.100.1"), False),
        (PUBLIC, (), OFFICE, False),
        ({"endpointPublicAccess": True}, (), Place("outside", "198.51.100.1"), True),
        (PRIVATE, ("10.0.0.0/16",), HOME, False),
        (PRIVATE, ("0.0.0.0/0",), HOME, False),
        (PRIVATE, (), INSIDE, False),
        (PRIVATE, ("10.0.0.0/16",), INSIDE, True),
        (PRIVATE, ("10.0.0.0/16",), OFFICE, False),
        (PRIVATE, ("172.16.0.0/12",), OFFICE, True),
        (BOTH, ("10.0.0.0/16",), INSIDE, True),
        (BOTH, (), INSIDE, False),
        (BOTH, ("172.16.0.0/12",), OFFICE, False),  # its resolver knows public addresses only
        (BOTH, (), HOME, True),
    ],
)
def test_the_network_admits_as_eks_and_security_groups_do(
    settings: dict[str, Any], admitted: tuple[str, ...], place: Place, carried: bool
) -> None:
    found = verdict(account(settings, [(443, cidr) for cidr in admitted]), place, HOST, 443)
    assert isinstance(found, Carried if carried else Dropped), found


@pytest.mark.parametrize("port", [22, 80])
def test_a_rule_for_another_port_admits_nobody(port: int) -> None:
    assert isinstance(verdict(account(PRIVATE, [(port, "10.0.0.0/8")]), INSIDE, HOST, 443), Dropped)


def test_nothing_but_endpoints_of_the_account_is_reached() -> None:
    state = account(PUBLIC, [])
    assert verdict(state, HOME, "api.pulumi.com", 443) == Refused(
        403, "api.pulumi.com is no EKS endpoint; nothing else leaves loopback"
    )
    unknown = verdict(state, HOME, "A.gr7.us-east-1.eks.amazonaws.com", 443)
    assert isinstance(unknown, Refused)
    assert "no such host" in unknown.reason


def test_a_machine_stands_inside_until_somebody_says_otherwise(tmp_path: Path) -> None:
    assert place_of(tmp_path) == INSIDE
    command = [sys.executable, "-m", "twin.aws", "stand", "--folder", str(tmp_path), "outside", "203.0.113.7"]
    subprocess.run(command, check=True, capture_output=True, timeout=60)
    assert place_of(tmp_path) == HOME
    stand(tmp_path, OFFICE)
    assert place_of(tmp_path) == OFFICE
    with pytest.raises(ValueError, match="no address"):
        Place("outside")


@pytest.mark.cluster
def test_a_client_reaches_the_real_control_plane_through_the_network(
    cluster: RunningCluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(CLUSTER_FOLDER_VARIABLE, str(cluster.folder))
    program = Program(tmp_path / "aws")
    subnets = program.network()
    made = program.cluster(subnets, vpcConfig={"subnetIds": subnets, **PUBLIC})
    trusted = ssl.create_default_context(cafile=str(cluster.folder / "ca.crt"))

    def ask(network: Network) -> int | str:
        handlers = (
            urllib.request.ProxyHandler({"https": network.address}),
            urllib.request.HTTPSHandler(context=trusted),
        )
        try:
            with urllib.request.build_opener(*handlers).open(f"https://{host_of(made)}/readyz", timeout=20) as answer:
                return int(answer.status)
        except urllib.error.URLError as error:
            return str(error.reason)

    with Network(program.store.folder) as network:
        stand(program.store.folder, HOME)
        assert ask(network) == 200
        stand(program.store.folder, Place("outside", "198.51.100.1"))
        assert "i/o timeout" in str(ask(network))
        program.update("cluster", **{**made.inputs, "vpcConfig": {"subnetIds": subnets, **PRIVATE}})
        stand(program.store.folder, HOME)
        assert "no route" in str(ask(network))


@pytest.fixture
def starter(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """A program that starts a network, says its port, and waits."""
    code = (
        "import sys, time; from pathlib import Path; from twin.network import Network; "
        "network = Network(Path(sys.argv[1])); print(network.address, flush=True); time.sleep(60)"
    )
    started = subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    yield started
    started.kill()
    started.communicate()


def test_the_network_ends_when_its_starter_is_killed(starter: subprocess.Popen[str]) -> None:
    assert starter.stdout is not None
    port = int(starter.stdout.readline().rpartition(":")[2])
    assert listens(port)
    os.kill(starter.pid, signal.SIGKILL)
    deadline = time.monotonic() + 10
    while listens(port) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not listens(port)


def listens(port: int) -> bool:
    with socket.socket() as client:
        client.settimeout(2)
        return client.connect_ex(("127.0.0.1", port)) == 0


def test_a_network_is_ended_by_its_starter(tmp_path: Path) -> None:
    network = Network(tmp_path)
    port = int(network.address.rpartition(":")[2])
    assert listens(port)
    assert json.loads(json.dumps(network.environment())).keys() == {"HTTPS_PROXY", "NO_PROXY"}
    network.close()
    network.close()
    assert not listens(port)
