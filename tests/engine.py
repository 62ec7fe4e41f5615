"""The real Pulumi CLI on a stage of the twin, for tests: run a command, read its answer, never leave anything."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.tools import require_tool
from twin.aws.store import DEFAULT_ACCOUNT, Store
from twin.stage import PulumiStage, prepare

COMMAND_LIMIT_S = 240
_OF_PLUGINS = ("from $PATH at", "is expected to have version")
"""What the engine says of plugins: that they stand on the PATH, and that the library of the Kubernetes provider is
older than its SDK."""


@dataclass(frozen=True)
class Outcome:
    """What one command did."""

    status: int
    summary: dict[str, int]
    """Operation (`create`, `update`, `replace`, `delete`, `same`) -> how many resources."""
    steps: list[dict[str, Any]]
    diagnostics: list[str]
    output: str
    seconds: float
    moments: list[tuple[str, str]] = field(default_factory=list)
    """In order: `begins` or `ends`, and the logical name, of all resources that are not left as they are."""

    def changed(self) -> dict[str, str]:
        """Logical name -> operation, of all resources that are not left as they are."""
        replacing = {"create-replacement": "replace", "delete-replaced": "replace"}
        return {
            step["urn"].rsplit("::", 1)[-1]: replacing.get(step["op"], step["op"])
            for step in self.steps
            if step["op"] not in ("same", "read", "refresh")
        }

    def changed_objects(self) -> dict[str, str]:
        """Kind and logical name -> operation: what of a chart changed, whose objects share a name."""
        replacing = {"create-replacement": "replace", "delete-replaced": "replace"}
        return {
            kind_and_name(step["urn"]): replacing.get(step["op"], step["op"])
            for step in self.steps
            if step["op"] not in ("same", "read", "refresh")
        }

    def changed_properties(self, name: str) -> set[str]:
        """Paths that an update of one resource changes."""
        for step in self.steps:
            if step["urn"].endswith(f"::{name}") and step["op"] not in ("same", "refresh"):
                return set(step.get("detailedDiff") or ()) | set(step.get("diffReasons") or ())
        return set()


@dataclass
class Engine:
    """One stack of one program on one stage."""

    stage: PulumiStage
    project: Path
    stack: str = "dev"
    extra: dict[str, str] = field(default_factory=dict)
    """Variables of the environment that the program needs."""

    def __post_init__(self) -> None:
        self._text("stack", "select", "--create", self.stack)

    @property
    def account(self) -> Store:
        """The imitated AWS account."""
        return Store(self.stage.account_folder)

    def preview(self, *options: str) -> Outcome:
        return self._outcome("preview", "--json", *options)

    def up(self, *options: str) -> Outcome:
        return self._outcome("up", "--yes", "--skip-preview", "--json", *options)

    def refresh(self, *options: str) -> Outcome:
        return self._outcome("refresh", "--yes", "--skip-preview", "--json", *options)

    def destroy(self, *options: str) -> Outcome:
        return self._outcome("destroy", "--yes", "--skip-preview", "--json", *options)

    def cancel(self) -> None:
        """Take away the lock that a killed command left."""
        self._text("cancel", "--yes", "--stack", self.stack)

    def configure(self, key: str, value: str) -> None:
        self._text("config", "set", key, value, "--stack", self.stack)

    def stack_export(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self._text("stack", "export", "--stack", self.stack))
        return found

    def resources(self) -> dict[str, dict[str, Any]]:
        """Logical name -> resource, of everything in the state but the stack and the providers."""
        return {
            item["urn"].rsplit("::", 1)[-1]: item
            for item in self.stack_export()["deployment"].get("resources", ())
            if not item["type"].startswith("pulumi:")
        }

    def in_kubernetes(self) -> list[str]:
        """Kind and name of every object of the state that lies in a cluster, sorted."""
        found = self.stack_export()["deployment"].get("resources", ())
        return sorted(kind_and_name(item["urn"]) for item in found if item["custom"] and "kubernetes:" in item["type"])

    def outputs(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self._text("stack", "output", "--json", "--stack", self.stack))
        return found

    def interrupted(self, verb: str, moment: tuple[str, ...], happening: Callable[[], None]) -> int:
        """Run a verb, and let something happen when the engine first says all of `moment` in a line of JSON.

        The answer is the exit status.
        """
        running = self.start(verb, "--yes", "--skip-preview", "--json")
        reader = threading.Timer(COMMAND_LIMIT_S, running.kill)
        reader.start()
        try:
            assert running.stdout is not None
            told = False
            for line in running.stdout:
                if not told and all(word in line for word in moment):
                    happening()
                    told = True
            assert told, f"`pulumi {verb}` never said {moment}"
            return running.wait()
        finally:
            reader.cancel()
            kill(running)

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """A command left running, in a group of its own; end it with `kill`."""
        return self._popen(*arguments, "--stack", self.stack)

    def _outcome(self, *arguments: str) -> Outcome:
        began = time.monotonic()
        status, output, errors = self._run(*arguments, "--stack", self.stack)
        return _parsed(status, output, errors, time.monotonic() - began)

    def _text(self, *arguments: str) -> str:
        status, output, errors = self._run(*arguments)
        if status != 0:
            raise AssertionError(f"pulumi {' '.join(arguments)} ended with {status}:\n{output}\n{errors}")
        return output

    def _run(self, *arguments: str) -> tuple[int, str, str]:
        running = self._popen(*arguments)
        try:
            output, errors = running.communicate(timeout=COMMAND_LIMIT_S)
        except BaseException:
            kill(running)
            raise
        return running.returncode, output, errors

    def _popen(self, *arguments: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [str(self.stage.pulumi), *arguments, "--non-interactive"],
            cwd=self.project,
            env={**self.stage.environment, **self.extra},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )


def kind_and_name(urn: str) -> str:
    """`Deployment vllm-chat`, from a resource's URN. Of a chart's object, the name is the one in the cluster."""
    *_, kind, name = urn.split("::")
    return f"{kind.rsplit(':', 1)[-1]} {name.rsplit('/', 1)[-1] if '$kubernetes:' in kind else name}"


def kill(running: subprocess.Popen[str]) -> None:
    """End a command at once, with all it started: its language host would wait minutes for an engine that is gone."""
    started = _descendants(running.pid)
    if running.poll() is None:
        os.killpg(running.pid, signal.SIGKILL)
    for number in started:
        with contextlib.suppress(ProcessLookupError):
            os.kill(number, signal.SIGKILL)
    running.wait()


def _descendants(number: int) -> list[int]:
    """Everything a program started and what that started; where the system does not tell, nothing."""
    found: list[int] = []
    for path in Path(f"/proc/{number}/task").glob("*/children"):
        for child in map(int, path.read_text().split()):
            found += [child, *_descendants(child)]
    return found


def engine(folder: Path, program: str, *, cluster: Path | None = None, stack: str = "dev") -> Engine:
    """An engine for a program given as source; skips the test when the tools are missing."""
    project = folder / "project"
    project.mkdir(parents=True)
    (project / "Pulumi.yaml").write_text(
        f"name: twin-test\nruntime:\n  name: python\n  options:\n    virtualenv: {sys.prefix}\n"
    )
    (project / "__main__.py").write_text(program)
    return Engine(stage(folder / "stage", cluster=cluster), project, stack)


def stage(
    folder: Path,
    *,
    cluster: Path | None = None,
    clusters: Sequence[Path] = (),
    region: str = "us-east-1",
    account: str = DEFAULT_ACCOUNT,
) -> PulumiStage:
    """A stage; skips the test when the tools are missing."""
    for tool in ("pulumi", "pulumi-language-python", "pulumi-resource-kubernetes"):
        require_tool(tool)
    return prepare(folder, cluster=cluster, clusters=clusters, region=region, account=account)


def _parsed(status: int, output: str, errors: str, seconds: float) -> Outcome:
    """A preview prints one document; the other commands print an event a line."""
    outcome = Outcome(status, {}, [], [], output + errors, seconds)
    for document in _documents(output):
        outcome.summary.update(document.get("changeSummary", {}))
        outcome.steps.extend(document.get("steps", ()))
        outcome.diagnostics.extend(_spoken(document.get("diagnostics", ())))
        if "resourcePreEvent" in document:
            step = document["resourcePreEvent"]["metadata"]
            outcome.steps.append({**step, "diffReasons": step.get("diffs")})
        for event, word in (("resourcePreEvent", "begins"), ("resOutputsEvent", "ends")):
            step = document.get(event, {}).get("metadata", {"op": "same"})
            if step["op"] not in ("same", "read", "refresh"):
                outcome.moments.append((word, step["urn"].rsplit("::", 1)[-1]))
        if "diagnosticEvent" in document:
            outcome.diagnostics.extend(_spoken([document["diagnosticEvent"]]))
        if "summaryEvent" in document:
            outcome.summary.update(document["summaryEvent"].get("resourceChanges") or {})
    return outcome


def _spoken(diagnostics: list[dict[str, Any]]) -> list[str]:
    """Messages without debugging, the program's own output and remarks on the plugins that stand on the PATH."""
    return [
        item["message"].strip()
        for item in diagnostics
        if item.get("severity") in ("info", "warning", "error")
        and not any(remark in item["message"] for remark in _OF_PLUGINS)
    ]


def _documents(output: str) -> list[dict[str, Any]]:
    decoder, position, found = json.JSONDecoder(), 0, []
    while (start := output.find("{", position)) >= 0:
        try:
            document, position = decoder.raw_decode(output, start)
        except ValueError:
            position = start + 1
        else:
            found.append(document)
    return found
