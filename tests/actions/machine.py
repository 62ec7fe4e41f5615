"""An imitated GitHub machine: it runs the `run:` steps of an action or a job in bash, with the files and variables of a
real one. Steps with `uses:` are other people's programs, and are only noted; `uses: ./` is the Action.

The packages are those of the tests: the folder that the step "Install the planner" finds is complete, as from a cache.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from tests.actions import warm
from tests.actions.expressions import Expression, filled
from tests.examples import ROOT
from tools.python_environment import PLANNER, digest

_ASKED: Mapping[str, Callable[[], bool]] = {"always": lambda: True, "success": lambda: True}
WRAPPER = """#!/bin/sh
echo "$@" >> "{log}"
exec "{python}" -I -S "{caller}" "{address}" "$@"
"""


@dataclass
class Done:
    """What a step left behind."""

    name: str
    status: int
    out: str
    err: str
    summary: str

    @property
    def annotations(self) -> list[str]:
        """The workflow commands in its log, in order."""
        lines = (self.out + self.err).splitlines()
        return [line for line in lines if line.startswith(("::error", "::warning", "::notice"))]


@dataclass
class Machine:
    """A machine with a checkout of a pull request.

    home: a folder of its own. workspace: the checkout. spillway: where the command is served. forge: root of the API.
    event: what GitHub says of the run. gives: outputs of other people's actions, by their names.
    """

    home: Path
    workspace: Path
    spillway: Path
    forge: str
    event: Mapping[str, Any]
    actor: str = "ada"
    variables: dict[str, str] = field(default_factory=dict)
    gives: dict[str, dict[str, str]] = field(default_factory=dict)
    used: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    steps: list[Done] = field(default_factory=list)

    def __post_init__(self) -> None:
        for folder in ("temp", "files", "bin"):
            (self.home / folder).mkdir(parents=True)
        (self.home / "event.json").write_text(json.dumps(self.event), encoding="utf-8")
        python = self.home / "bin" / "python"
        python.symlink_to(sys.executable)
        self._make_action()

    @property
    def action_path(self) -> Path:
        return self.home / "action"

    @property
    def called(self) -> list[str]:
        """The command lines of `spillway`, in order."""
        log = self.home / "calls.txt"
        return log.read_text(encoding="utf-8").splitlines() if log.exists() else []

    def act(self, **inputs: str) -> dict[str, str]:
        """Run the Action and return its outputs."""
        action = yaml.safe_load((ROOT / "action.yml").read_text(encoding="utf-8"))
        assert set(inputs) <= set(action["inputs"])
        given = {
            name: inputs.get(name, filled(declared.get("default", ""), {"github": {"token": "write-token"}}))
            for name, declared in action["inputs"].items()
        }
        contexts = self._run(action["runs"]["steps"], given)
        return {name: filled(output["value"], contexts) for name, output in action["outputs"].items()}

    def work(self, workflow: Path) -> None:
        """Run the one job of a workflow; `uses: ./` is the Action."""
        read = yaml.safe_load(workflow.read_text(encoding="utf-8"))
        (job,) = read["jobs"].values()
        self.variables |= read.get("env", {})
        self._run(job["steps"], {})

    @property
    def failed(self) -> list[str]:
        return [step.name for step in self.steps if step.status != 0]

    def step(self, name: str) -> Done:
        (found,) = [step for step in self.steps if step.name == name]
        return found

    def _run(self, steps: list[dict[str, Any]], inputs: Mapping[str, str]) -> dict[str, Any]:
        outputs: dict[str, Any] = {}
        contexts = {"inputs": inputs, "steps": outputs, "github": self._github(), "secrets": {}}
        is_well = True
        for step in steps:
            condition = Expression(str(step.get("if", "success()")), contexts, _ASKED)
            if not condition.value() or (not is_well and "always" not in condition.called):
                continue
            if step.get("uses") == "./":
                before = len(self.steps)
                self.act(**step.get("with", {}))
                is_well = is_well and all(done.status == 0 for done in self.steps[before:])
            elif "uses" in step:
                given = {name: filled(str(value), contexts) for name, value in step.get("with", {}).items()}
                action = step["uses"].partition("@")[0]
                self.used.append((action, given))
                if "id" in step:
                    outputs[step["id"]] = {"outputs": self.gives.get(action, {})}
            else:
                extra = {name: filled(str(value), contexts) for name, value in step.get("env", {}).items()}
                status = self._shell(step, extra, outputs)
                is_well = is_well and status == 0
        return contexts

    def _shell(self, step: Mapping[str, Any], extra: Mapping[str, str], outputs: dict[str, Any]) -> int:
        files = {name: self.home / "files" / name for name in ("OUTPUT", "ENV", "PATH", "STEP_SUMMARY")}
        for file in files.values():
            file.write_text("", encoding="utf-8")
        assert step["shell"] == "bash"
        run = subprocess.run(
            ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", step["run"]],
            cwd=self.workspace,
            env={**self._variables(), **extra, **{f"GITHUB_{name}": str(file) for name, file in files.items()}},
            capture_output=True,
            text=True,
            check=False,
        )
        texts = {name: file.read_text(encoding="utf-8") for name, file in files.items()}
        self.variables |= _pairs(texts["ENV"])
        for line in texts["PATH"].splitlines():
            self.variables["PATH"] = f"{line}:{self._variables()['PATH']}"
        if "id" in step:
            outputs[step["id"]] = {"outputs": _pairs(texts["OUTPUT"])}
        self.steps.append(Done(step["name"], run.returncode, run.stdout, run.stderr, texts["STEP_SUMMARY"]))
        return run.returncode

    def _variables(self) -> dict[str, str]:
        pull_request = self.event.get("pull_request", {})
        known = {
            "PATH": f"{self.home / 'bin'}:/usr/bin:/bin",
            "HOME": str(self.home),
            "GIT_CONFIG_NOSYSTEM": "1",
            "PYTHONPATH": "",
            "CI": "true",
            "GITHUB_ACTIONS": "true",
            "GITHUB_ACTION_PATH": str(self.action_path),
            "GITHUB_ACTOR": self.actor,
            "GITHUB_API_URL": self.forge,
            "GITHUB_BASE_REF": pull_request.get("base", {}).get("ref", ""),
            "GITHUB_HEAD_REF": pull_request.get("head", {}).get("ref", ""),
            "GITHUB_EVENT_NAME": "pull_request" if pull_request else "schedule",
            "GITHUB_EVENT_PATH": str(self.home / "event.json"),
            "GITHUB_REPOSITORY": "team/serving",
            "GITHUB_RUN_ID": "4711",
            "GITHUB_SERVER_URL": "https://github.com",
            "GITHUB_WORKSPACE": str(self.workspace),
            "RUNNER_TEMP": str(self.home / "temp"),
            "XDG_CACHE_HOME": os.environ.get("XDG_CACHE_HOME", str(Path.home() / ".cache")),
        }
        return {**known, **self.variables}

    def _github(self) -> dict[str, Any]:
        return {"token": "write-token", "ref_name": "main", "event": self.event}

    def _make_action(self) -> None:
        """The folder of the Action with its set-up, and packages that look as if they came from the cache."""
        shutil.copytree(
            ROOT / "tools", self.action_path / "tools", ignore=shutil.ignore_patterns("*.mod", "*.sum", "__pycache__")
        )
        (self.action_path / "twin").mkdir()
        for file in ("twin/__init__.py", "twin/binaries.py", "pyproject.toml", PLANNER.lock):
            shutil.copy(ROOT / file, self.action_path / file)
        packages = self.action_path / PLANNER.folder
        (packages / "bin").mkdir(parents=True)
        (packages / "pyvenv.cfg").write_text("version = 3.12.1\n", encoding="utf-8")
        (packages / "bin" / "python").symlink_to(sys.executable)
        (packages / "spillway.stamp").write_text(digest(self.action_path, PLANNER), encoding="ascii")
        wrapper = packages / "bin" / "spillway"
        log = self.home / "calls.txt"
        text = WRAPPER.format(log=log, python=sys.executable, caller=warm.__file__, address=self.spillway)
        wrapper.write_text(text, encoding="utf-8")
        wrapper.chmod(0o755)


def _pairs(text: str) -> dict[str, str]:
    return dict(line.split("=", 1) for line in text.splitlines() if line)
