from __future__ import annotations

import contextlib
import json
import os
import signal
import ssl
import subprocess
import sys
import textwrap
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from kubernetes.client import CoreV1Api, VersionApi
from kubernetes.client.exceptions import ApiException

from tests.tools import require_cluster_tools, require_tool
from twin import nodes
from twin.binaries import MissingToolError
from twin.cluster import ClusterError, LocalCluster, RunningCluster, down, record, running_cluster, unreachable, up
from twin.cluster.components import TOOLS, ClusterLayout, Ports, command_lines

ROOT = Path(__file__).resolve().parents[2]


def wait_for(condition: Callable[[], Any], patience_s: float = 20.0) -> Any:
    deadline = time.monotonic() + patience_s
    while not (result := condition()):
        assert time.monotonic() < deadline, "the condition did not come true in time"
        time.sleep(0.05)
    return result


def instance(number: int) -> nodes.Instance:
    return nodes.Instance(
        instance_type=nodes.describe("m7i.2xlarge"),
        instance_id=f"i-{number:017x}",
        private_dns_name=f"ip-10-0-2-{number}.us-east-1.compute.internal",
        private_ip=f"10.0.2.{number}",
        region="us-east-1",
        zone="us-east-1b",
        zone_id="use1-az2",
        node_group="system",
    )


# The record: what is ended, and what never is.


@pytest.fixture
def sleeper() -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    yield process
    process.kill()
    process.wait()


def test_a_process_that_got_a_recorded_id_later_is_never_signalled(sleeper: subprocess.Popen[bytes]) -> None:
    stranger = record.Program("etcd", sleeper.pid, "boot of-before ticks 1")
    record.end(
        record.ClusterRecord(record.READY, "https://127.0.0.1:1", "kubeconfig", stranger, (stranger,)), patience_s=0.2
    )
    assert sleeper.poll() is None


def test_a_recorded_process_is_ended(sleeper: subprocess.Popen[bytes], tmp_path: Path) -> None:
    program = record.observe("etcd", sleeper.pid)
    assert program is not None
    record.write(
        record.ClusterRecord(record.READY, "https://127.0.0.1:1", "kubeconfig", program, ()), tmp_path / "c.json"
    )
    content = record.read(tmp_path / "c.json")
    assert content is not None
    record.end(content)
    assert not record.alive(program)
    assert sleeper.wait(timeout=5) == -signal.SIGTERM


def test_a_file_of_another_kind_is_refused(tmp_path: Path) -> None:
    (tmp_path / "cluster.json").write_text(json.dumps({"name": "something else"}), encoding="utf-8")
    with pytest.raises(ValueError, match="not the record of a twin cluster"):
        record.read(tmp_path / "cluster.json")


def test_a_folder_without_a_cluster_is_named_with_the_way_to_start_one(tmp_path: Path) -> None:
    with pytest.raises(ClusterError, match=r"python -m twin\.cluster up"):
        running_cluster(tmp_path)
    assert down(tmp_path) is False


def test_without_the_tools_the_message_says_how_to_get_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(MissingToolError, match="make tools"), LocalCluster(tmp_path / "cluster"):
        pass
    assert not (tmp_path / "cluster").exists()


def test_only_loopback_is_listened_on(tmp_path: Path) -> None:
    lines = command_lines({name: Path(name) for name in TOOLS}, ClusterLayout(tmp_path), Ports(1, 2, 3, 4, 5))
    for name in ("kube-apiserver", "kube-controller-manager", "kube-scheduler"):
        assert "--bind-address=127.0.0.1" in lines[name]
    assert all("127.0.0.1" in argument for argument in lines["etcd"] if "://" in argument)
    assert not any("address" in argument for argument in lines["kwok"])


# The real control plane.


@pytest.mark.cluster
def test_the_control_plane_is_the_version_and_strictness_of_eks(cluster: RunningCluster) -> None:
    client = cluster.client()
    version = VersionApi(client).get_code()
    assert (version.major, version.minor) == ("1", "36")

    core = CoreV1Api(client)
    core.create_namespace(
        {"metadata": {"name": "guarded", "labels": {"pod-security.kubernetes.io/enforce": "restricted"}}}
    )
    wait_for(lambda: core.list_namespaced_service_account("guarded").items)
    loose = {"metadata": {"name": "loose"}, "spec": {"containers": [{"name": "c", "image": "example.test/c:1"}]}}
    with pytest.raises(ApiException, match="violates PodSecurity"):
        core.create_namespaced_pod("guarded", loose)


@pytest.mark.cluster
def test_nobody_gets_in_without_credentials_nor_past_rbac(cluster: RunningCluster) -> None:
    context = ssl.create_default_context(cafile=ClusterLayout(cluster.folder).authority)
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context))
    with pytest.raises(urllib.error.HTTPError) as anonymous:
        opener.open(f"{cluster.endpoint}/api/v1/namespaces/default/secrets", timeout=5)
    assert anonymous.value.code == 403

    core = CoreV1Api(cluster.client())
    token = core.create_namespaced_service_account_token("default", "default", {"spec": {}}).status.token
    request = urllib.request.Request(f"{cluster.endpoint}/api/v1/namespaces/default/secrets")
    request.add_header("Authorization", f"Bearer {token}")
    with pytest.raises(urllib.error.HTTPError) as account:
        opener.open(request, timeout=5)
    assert account.value.code == 403
    assert "system:serviceaccount:default:default" in account.value.read().decode()


@pytest.fixture
def chart(tmp_path: Path) -> Path:
    """A chart with a Deployment and a Job as a hook, the two things that `helm install --wait` waits for."""
    container = {"name": "c", "image": "example.test/c:1"}
    server = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "server"},
        "spec": {
            "replicas": 2,
            "selector": {"matchLabels": {"app": "server"}},
            "template": {
                "metadata": {
                    "labels": {"app": "server"},
                    "annotations": {"twin.spillway/ready-after": "{{ .Values.readyAfter }}"},
                },
                "spec": {"containers": [container], "initContainers": [{**container, "name": "fetch"}]},
            },
        },
    }
    job = {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": "warm-up", "annotations": {"helm.sh/hook": "post-install"}},
        "spec": {"template": {"spec": {"containers": [container], "restartPolicy": "Never"}}},
    }
    folder = tmp_path / "chart"
    (folder / "templates").mkdir(parents=True)
    (folder / "Chart.yaml").write_text(yaml.safe_dump({"apiVersion": "v2", "name": "probe", "version": "0.1.0"}))
    (folder / "values.yaml").write_text(yaml.safe_dump({"readyAfter": "0s"}))
    (folder / "templates" / "server.yaml").write_text(yaml.safe_dump(server))
    (folder / "templates" / "job.yaml").write_text(yaml.safe_dump(job))
    return folder


def helm(binary: Path, cluster: RunningCluster, *arguments: str) -> subprocess.CompletedProcess[str]:
    home = cluster.folder / "helm"
    environment = {**os.environ, **cluster.environment(), "HELM_CACHE_HOME": str(home), "HELM_CONFIG_HOME": str(home)}
    return subprocess.run(
        [binary, *arguments], env=environment, capture_output=True, text=True, timeout=60, check=False
    )


@pytest.mark.cluster
@pytest.mark.parametrize("helm_name", ["helm3", "helm4"])
def test_helm_installs_and_waits(cluster: RunningCluster, chart: Path, helm_name: str) -> None:
    binary, client = require_tool(helm_name), cluster.client()
    core, server = CoreV1Api(client), nodes.ApiServer(cluster.kubeconfig)
    nodes.wait_ready(server, nodes.join(server, [instance(1)]))
    wide = ("--namespace", helm_name, "--create-namespace", "--wait")

    slow = helm(binary, cluster, "install", "slow", str(chart), *wide, "--timeout=2s", "--set=readyAfter=30s")
    assert slow.returncode != 0, "pods that are not Ready must not satisfy --wait"
    started = [pod for pod in core.list_namespaced_pod(helm_name).items if pod.status.phase == "Running"]
    assert len(started) == 2
    assert helm(binary, cluster, "uninstall", "slow", "--namespace", helm_name, "--wait").returncode == 0

    installed = helm(binary, cluster, "install", "quick", str(chart), *wide, "--timeout=20s")
    assert installed.returncode == 0, installed.stderr
    phases = sorted(pod.status.phase for pod in core.list_namespaced_pod(helm_name).items)
    assert phases == ["Running", "Running", "Succeeded"]

    upgraded = helm(binary, cluster, "upgrade", "quick", str(chart), *wide, "--timeout=20s", "--set=readyAfter=100ms")
    assert upgraded.returncode == 0, upgraded.stderr
    history = helm(binary, cluster, "history", "quick", "--namespace", helm_name, "--output", "json")
    assert [entry["status"] for entry in json.loads(history.stdout)] == ["superseded", "deployed"]


@pytest.mark.cluster
def test_gpu_pods_load_as_long_as_the_cluster_was_told(tmp_path: Path) -> None:
    require_cluster_tools()
    with LocalCluster(tmp_path, gpu_ready_after_s=2.0) as cluster:
        client = cluster.client()
        core = CoreV1Api(client)
        (name,) = nodes.join(nodes.ApiServer(cluster.kubeconfig), [instance(1)])
        core.patch_node_status(
            name, {"status": {"allocatable": {"nvidia.com/gpu": "1"}, "capacity": {"nvidia.com/gpu": "1"}}}
        )
        container = {"name": "c", "image": "example.test/c:1"}
        gpu = {**container, "resources": {"limits": {"nvidia.com/gpu": "1"}}}
        core.create_namespaced_pod("default", {"metadata": {"name": "gpu"}, "spec": {"containers": [gpu]}})
        core.create_namespaced_pod("default", {"metadata": {"name": "plain"}, "spec": {"containers": [container]}})

        def condition(pod: str) -> Any:
            conditions = core.read_namespaced_pod(pod, "default").status.conditions or ()
            return next((c for c in conditions if c.type == "Ready" and c.status == "True"), None)

        wait_for(lambda: condition("plain"))
        assert condition("gpu") is None
        ready = wait_for(lambda: condition("gpu"))
        started = core.read_namespaced_pod("gpu", "default").status.start_time
        assert 1 <= (ready.last_transition_time - started).total_seconds() <= 10
    assert not any(record.alive(program) for program in programs_of(tmp_path).values())


def programs_of(folder: Path) -> dict[str, record.Program]:
    """The supervisor and the programs that the record of a folder names."""
    content = record.read(ClusterLayout(folder).record)
    assert content is not None
    return {program.name: program for program in (content.supervisor, *content.programs)}


# Ends: whatever happens to whoever started it, nothing stays.

HOLDER = """
    import sys, time
    from pathlib import Path
    from twin.cluster import LocalCluster
    with LocalCluster(Path(sys.argv[1])):
        print("up", flush=True)
        time.sleep(120)
"""


@pytest.mark.cluster
@pytest.mark.parametrize("victim", ["starter", "supervisor", "kube-scheduler"])
def test_nothing_outlives_a_kill(tmp_path: Path, victim: str) -> None:
    require_cluster_tools()
    holder = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(HOLDER), str(tmp_path)], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    try:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "up\n"
        programs = programs_of(tmp_path)
        assert set(programs) == {"supervisor", *TOOLS}
        assert all(record.alive(program) for program in programs.values())

        os.kill(holder.pid if victim == "starter" else programs[victim].pid, signal.SIGKILL)
        wait_for(lambda: not any(record.alive(program) for program in programs.values()), patience_s=10)
        with pytest.raises(ClusterError, match="not running any more"):
            running_cluster(tmp_path)
    finally:
        holder.kill()
        holder.wait()
        down(tmp_path)


@pytest.mark.cluster
def test_an_api_server_that_was_away_knows_everything_again(cluster: RunningCluster) -> None:
    core = CoreV1Api(cluster.client())
    name = "kept-over-an-outage"
    core.create_namespace({"metadata": {"name": name}})
    with unreachable(cluster.folder):
        with pytest.raises(urllib.error.URLError):
            urllib.request.urlopen(f"{cluster.endpoint}/readyz", timeout=2)
        assert running_cluster(cluster.folder) == cluster
    assert core.read_namespace(name).metadata.name == name
    core.delete_namespace(name)


@pytest.mark.cluster
def test_up_outlives_its_command_and_down_ends_it(tmp_path: Path) -> None:
    require_cluster_tools()

    def command(verb: str) -> subprocess.CompletedProcess[str]:
        arguments = [sys.executable, "-m", "twin.cluster", verb, "--folder", str(tmp_path)]
        return subprocess.run(arguments, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)

    try:
        started = command("up")
        assert started.returncode == 0, started.stderr
        assert f"export KUBECONFIG={tmp_path}/kubeconfig" in started.stdout
        cluster = running_cluster(tmp_path)
        CoreV1Api(cluster.client()).create_namespace({"metadata": {"name": "kept"}})

        assert up(tmp_path) == cluster  # a second up finds the first one's cluster, with what is in it
        assert CoreV1Api(cluster.client()).read_namespace("kept").metadata.name == "kept"
        programs = programs_of(tmp_path)
        assert len(programs) == 6

        assert command("down").returncode == 0
        assert not any(record.alive(program) for program in programs.values())
        assert command("status").returncode == 1
        assert command("down").stderr == f"no cluster in {tmp_path}\n"
    finally:
        with contextlib.suppress(ValueError):
            down(tmp_path)
