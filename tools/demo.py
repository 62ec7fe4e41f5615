"""The whole line on one machine, as the commands that a user would type: plan, rehearse, deploy, change, destroy.

    python -m tools.demo plan rehearse      Python alone: about a minute
    python -m tools.demo deploy             the real Pulumi and Kubernetes, onto the twin: about three more

It works on a checkout of its own in a temporary folder, whose `environments/` holds the worked example of
`examples/environments`; it prints every command before it runs, and leaves nothing behind.
No account, no GPU, nothing beyond loopback.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tools.first_request import Keys

ROOT = Path(__file__).resolve().parents[1]
EXAMPLE = ROOT / "examples" / "environments"
LINKED = ("Pulumi.yaml", "__main__.py", "charts", "infra", "planner", "gateway", "twin")
ENVIRONMENT = "prod"
CHANGE = ("requests_per_second: {mean: 4}", "requests_per_second: {mean: 9}")
"""One line of the worked prod.yaml: chat grows from 4 to 9 requests a second."""
INTRODUCTION = """\
This demo plays the worked example in examples/environments, copied to environments/ of a temporary checkout.
Your own environments/ is neither read nor changed."""
PARTS = ("plan", "rehearse", "deploy")
LANDMARKS = (
    r"(eks:(Cluster|NodeGroup)|apps/v1:Deployment) .*(created|updated|deleted|replaced) \("
    r"|^ +[-+~] \d+ |^ +\d+ unchanged|rror"
)
"""Of what Pulumi prints: clusters, node groups and Deployments that are done, the totals, and errors."""
NOTHING = r"(?!)"
COULD_NOT_ANSWER = 2


class Failed(Exception):
    """A command of the demo ended badly; its output has been shown."""


class Shell:
    """Runs commands in one folder and shows them first."""

    def __init__(self, folder: Path, environment: Mapping[str, str]) -> None:
        self.folder, self.environment = folder, dict(environment)

    def run(self, *command: str, only: str = "", accept: Sequence[int] = (0,)) -> int:
        """One command; of its output the lines that match `only` are shown.

        Returns its exit code if that is one to `accept`, else raises `Failed`.
        """
        print(f"\n$ {' '.join(command)}", flush=True)
        wanted = re.compile(only)
        program = subprocess.Popen(
            self._resolved(command),
            cwd=self.folder,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT if only else None,
            text=True,
            start_new_session=True,
        )
        hidden = []
        try:
            assert program.stdout is not None
            for line in program.stdout:
                if wanted.search(line):
                    print(line, end="", flush=True)
                else:
                    hidden.append(line)
            status = program.wait()
        except BaseException:
            if program.poll() is None:
                os.killpg(program.pid, signal.SIGTERM)
                program.wait(timeout=60)
            raise
        if status not in accept:
            raise Failed(f"`{' '.join(command)}` ended with {status}\n{''.join(hidden[-40:])}")
        return status

    def _resolved(self, command: Sequence[str]) -> list[str]:
        found = shutil.which(command[0], path=self.environment["PATH"])
        return [found or command[0], *command[1:]]


def main(arguments: Sequence[str]) -> int:
    """Run the named parts in a checkout of their own."""
    parts = list(arguments) or list(PARTS)
    if unknown := [part for part in parts if part not in PARTS]:
        print(f"unknown part {unknown[0]!r}; parts: {', '.join(PARTS)}", file=sys.stderr)
        return 2
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="spillway-demo-") as name:
        folder = Path(name)
        try:
            shell = _checkout(folder / "checkout")
            print(INTRODUCTION, flush=True)
            for part in parts:
                {"plan": _plan, "rehearse": _rehearse, "deploy": _deploy}[part](shell, folder)
        except Failed as error:
            print(f"\nthe demo stopped: {error}", file=sys.stderr)
            return 1
        except KeyboardInterrupt:
            print("\ninterrupted; everything that was started has been ended", file=sys.stderr)
            return 130
    print(f"\n({', '.join(parts)}: {time.monotonic() - began:.0f} s; nothing is left behind)")
    return 0


def _plan(shell: Shell, _: Path) -> None:
    _say("1. Plan: the cheapest mix of models, GPUs and APIs for environments/prod.yaml, from the real request trace")
    shell.run("spillway", "plan", ENVIRONMENT)


def _rehearse(shell: Shell, _: Path) -> None:
    _say("2. Rehearse: five minutes of the trace at ten times the speed, through the real gateway; one pool is killed")
    status = shell.run("spillway", "rehearse", ENVIRONMENT, accept=(0, COULD_NOT_ANSWER))
    if status == COULD_NOT_ANSWER:
        print("\nThis machine was too busy to judge the plan: run the rehearsal again when it is quiet.")


def _deploy(shell: Shell, folder: Path) -> None:
    """`pulumi up` of prod onto the twin, first requests, one changed line, `pulumi up` again, `pulumi destroy`."""
    sys.path.insert(0, str(ROOT))
    from planner.documents.lock import load
    from tools.first_request import Keys
    from twin.binaries import MissingToolError
    from twin.cluster import down, up
    from twin.stage import prepare

    _say("3. Deploy: the real Pulumi engine and a real Kubernetes control plane, onto imitated AWS machines")
    if shutil.which("git") is None:
        print("skipped: git is not installed; the lock is deployed from a commit")
        return
    cluster = folder / "cluster"
    subprocess.run(["git", "init", "--quiet"], cwd=shell.folder, env=shell.environment, check=True)
    _committed(shell, "the worked example")
    try:
        running = up(cluster)
        stage = prepare(folder / "stage", cluster=running.folder, account=_account(shell.folder))
    except MissingToolError as missing:
        print(f"skipped: {missing}")
        return
    try:
        pulumi = Shell(shell.folder, {**shell.environment, **stage.environment, "SPILLWAY_RUNNER": "inside"})
        pulumi.run("pulumi", "stack", "init", ENVIRONMENT, only=NOTHING)
        pulumi.run("pulumi", "config", "set", "spillway:protected", "false", "--stack", ENVIRONMENT, only=NOTHING)
        for image in ("gateway", "weights"):
            setting = (f"spillway:{image}Image", f"registry.example/spillway-{image}:1.0")
            pulumi.run("pulumi", "config", "set", *setting, "--stack", ENVIRONMENT, only=NOTHING)
        keys = Keys(load(_lock(shell.folder).read_text(), f"{ENVIRONMENT}.lock.json").plan)
        began = time.monotonic()
        with keys.brought_to(running.kubeconfig):
            _up(pulumi)
        _pods(running.kubeconfig)
        _first_requests(running.kubeconfig, folder / "pods", keys, began)
        _say("4. Change one line of the environment, plan it, read the diff, deploy: exactly that pool grows")
        environment = shell.folder / "environments" / f"{ENVIRONMENT}.yaml"
        before = environment.read_text()
        assert CHANGE[0] in before, "the demo's line is no longer in the environment"
        environment.write_text(before.replace(*CHANGE, 1))
        print(f"\nenvironments/{ENVIRONMENT}.yaml, route chat:\n- {CHANGE[0]}\n+ {CHANGE[1]}")
        shell.run("spillway", "plan", ENVIRONMENT, only=NOTHING)
        shell.run("spillway", "diff", ENVIRONMENT, "--base", "HEAD")
        _commit(shell, "chat grows to 9 requests a second")
        _up(pulumi)
        _pods(running.kubeconfig)
        _say("5. Destroy: nothing is left but the key, whose deletion AWS delays")
        pulumi.run("pulumi", "destroy", "--yes", "--skip-preview", "--stack", ENVIRONMENT, only=LANDMARKS)
    finally:
        down(cluster)


def _up(pulumi: Shell) -> None:
    pulumi.run("pulumi", "up", "--yes", "--skip-preview", "--stack", ENVIRONMENT, only=LANDMARKS)


def _first_requests(kubeconfig: Path, folder: Path, keys: Keys, began: float) -> None:
    """Ask the gateway that was deployed for each route, as soon as its pods run.

    began: when `pulumi up` was started, on the monotonic clock.
    """
    from tools.first_request import ask, clocks, offers
    from twin.workloads import Workloads, WorkloadsError

    print(
        "\nThe first requests: the real gateway runs by its pods' arguments, policy and keys, pools are engine twins:"
    )
    try:
        sold = offers(keys.plan, keys.of_providers)
        with Workloads(kubeconfig, folder, clocks(keys.plan), offers=sold) as running:
            gateway = running.forward("gateway", "gateway", 80)
            for route in keys.plan.routes:
                answer = ask(gateway, keys.of_client, route.name)
                if answer.served_by is None:
                    raise Failed(f"route {route.name} was refused: {answer.status} {answer.text}")
                waited = f"{time.monotonic() - began:.0f} s after `pulumi up` began"
                print(f"{route.name:12} {answer.status} from {answer.served_by}, {waited}", flush=True)
    except WorkloadsError as error:
        raise Failed(str(error)) from error


def _pods(kubeconfig: Path) -> None:
    """Every serving pod and the node that the real scheduler gave it."""
    from kubernetes import client, config

    print("\nThe pods of the serving namespace, where the scheduler placed them:")
    api = client.CoreV1Api(config.new_client_from_config(str(kubeconfig)))
    nodes = {node.metadata.name: node.metadata.labels for node in api.list_node().items}
    for pod in sorted(api.list_namespaced_pod("serving").items, key=lambda item: item.metadata.name):
        labels = nodes.get(pod.spec.node_name or "", {})
        machine = labels.get("node.kubernetes.io/instance-type", "-")
        zone = labels.get("topology.k8s.aws/zone-id", "-")
        print(f"{pod.metadata.name:72} {pod.status.phase:8} {machine:14} {zone}")


def _checkout(folder: Path) -> Shell:
    """The product by link, the worked environments as copies, at the place where a team's fork has its own."""
    folder.mkdir(parents=True)
    for name in LINKED:
        (folder / name).symlink_to(ROOT / name)
    (folder / ".venv").symlink_to(sys.prefix)
    shutil.copytree(EXAMPLE, folder / "environments")
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)])
    identity = {"GIT_AUTHOR_NAME": "demo", "GIT_AUTHOR_EMAIL": "demo@localhost"}
    identity |= {"GIT_COMMITTER_NAME": "demo", "GIT_COMMITTER_EMAIL": "demo@localhost", "GIT_CONFIG_GLOBAL": os.devnull}
    environment = {**os.environ, **identity, "PATH": path, "PYTHONUNBUFFERED": "1"}
    environment.setdefault("COLUMNS", str(max(160, shutil.get_terminal_size().columns)))
    environment.pop("SPILLWAY_ENVIRONMENTS", None)
    return Shell(folder, environment)


def _commit(shell: Shell, message: str) -> None:
    print(f"\n$ git commit --all --message '{message}'      (in a team: the pull request that was just reviewed)")
    _committed(shell, message)


def _committed(shell: Shell, message: str) -> None:
    for command in (["add", "environments"], ["commit", "--quiet", "--message", message]):
        subprocess.run(["git", *command], cwd=shell.folder, env=shell.environment, check=True)


def _account(checkout: Path) -> str:
    return str(json.loads(_lock(checkout).read_text())["plan"]["platform"]["account"])


def _lock(checkout: Path) -> Path:
    return checkout / "environments" / f"{ENVIRONMENT}.lock.json"


def _say(text: str) -> None:
    print(f"\n\033[1m{text}\033[0m" if sys.stdout.isatty() else f"\n{text}", flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
