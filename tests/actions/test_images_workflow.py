"""The workflow that publishes the gateway's image: what it may do, what it pins, and the pull request that it opens."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.actions.conftest import Team, git
from tests.actions.test_workflows import GH
from tests.examples import ROOT

WORKFLOW: dict[Any, Any] = yaml.safe_load((ROOT / "examples/workflows/images.yml").read_text(encoding="utf-8"))
STEPS: list[dict[str, Any]] = WORKFLOW["jobs"]["gateway"]["steps"]
IMAGE = f"123456789012.dkr.ecr.us-east-1.amazonaws.com/gateway:1f2e@sha256:{'a' * 64}"


def test_every_action_is_pinned_and_no_expression_is_a_part_of_a_script() -> None:
    actions = [step["uses"] for step in STEPS if "uses" in step]
    assert len(actions) == 5
    assert [action for action in actions if not re.fullmatch(r"[\w./-]+@[0-9a-f]{40}", action)] == []
    assert [step["name"] for step in STEPS if "${{" in step.get("run", "")] == []
    assert WORKFLOW["permissions"] == {"contents": "write", "id-token": "write", "pull-requests": "write"}
    assert WORKFLOW[True]["push"]["branches"] == ["main"]  # `True`: what YAML 1.1 makes of `on`


def test_the_image_is_built_on_a_digest_with_its_provenance() -> None:
    (build,) = (step["with"] for step in STEPS if step.get("id") == "build")
    assert build["build-args"] == "PYTHON_IMAGE=${{ steps.base.outputs.image }}"
    assert (build["provenance"], build["sbom"], build["push"]) == ("mode=max", True, True)
    assert (ROOT / build["file"]).is_file()
    assert "ARG PYTHON_IMAGE" in (ROOT / build["file"]).read_text()


@pytest.mark.parametrize("open_one", ["", "31"])
def test_the_digest_reaches_every_stack_by_one_pull_request(team: Team, tmp_path: Path, open_one: str) -> None:
    team.write("Pulumi.dev.yaml", "# dev\nconfig: {}\n")
    team.write("Pulumi.prod.yaml", 'config:\n  spillway:protected: "true"\n  spillway:gatewayImage: "old:1"\n')
    team.push("main", "Stacks")
    workspace = team.head("main", tmp_path / "workspace")
    gh, log = tmp_path / "bin" / "gh", tmp_path / "gh.txt"
    gh.parent.mkdir()
    gh.write_text(GH.format(log=log, open=open_one), encoding="utf-8")
    gh.chmod(0o755)
    env = {
        **os.environ,
        "PATH": f"{gh.parent}:{os.environ['PATH']}",
        "HOME": str(tmp_path),
        "BRANCH": WORKFLOW["env"]["BRANCH"],
        "BASE": "main",
        "IMAGE": IMAGE,
        "GITHUB_SHA": "1f2e" * 10,
        "GITHUB_STEP_SUMMARY": str(tmp_path / "summary.md"),
    }
    script = STEPS[-1]["run"]
    subprocess.run(["bash", "-eo", "pipefail", "-c", script], cwd=workspace, env=env, check=True, capture_output=True)
    for name, protected in (("dev", None), ("prod", "true")):
        text = git(team.hosted, "show", f"spillway-gateway-image:environments/Pulumi.{name}.yaml")
        config = yaml.safe_load(text)["config"]
        assert config["spillway:gatewayImage"] == IMAGE
        assert config.get("spillway:protected") == protected
    said = log.read_text(encoding="utf-8")
    assert ("pr create --base main --head spillway-gateway-image" in said) is not bool(open_one)
    assert IMAGE in (tmp_path / "summary.md").read_text()
