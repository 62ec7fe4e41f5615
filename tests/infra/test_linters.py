"""Linters that others trust, over what is deployed: no finding, or one that is argued in `argued.py`.

cfn-lint reads the program as a CloudFormation template, with every IAM policy that it makes and those of the role that
deploys it. kube-score reads the rendered charts. checkov reads both and the gateway's Dockerfile, and parliament the
policies; the two stand in an environment of their own.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cfnlint.api import ManualArgs, lint

from infra.deploy_policy import documents, kinds_of
from tests.charts.rendering import ALL_EXAMPLES, example, template
from tests.examples import ROOT
from tests.infra.argued import ARGUED, unargued, unused
from tests.infra.conftest import Run
from tests.infra.template import template as as_template
from tests.infra.variants import everything
from tests.tools import give_up, require_tool

BIN = ROOT / ".venv-linters" / "bin"
PARLIAMENT = """
import json, sys, warnings
warnings.simplefilter("ignore")
import parliament
for name, text in json.load(sys.stdin).items():
    for finding in parliament.analyze_policy_string(text).findings:
        print(f"parliament {finding.issue} {name}: {finding.detail}")
"""


@pytest.fixture
def deployed(run: Run) -> dict[str, Any]:
    """The program with everything, and the policies of its deploy role, as a template."""
    plan = everything()
    platform = plan.platform
    return as_template(run(plan).resources, documents(platform, "prod", kinds_of(platform)))


def cfn_lint(whole: dict[str, Any]) -> list[str]:
    checks = ManualArgs(include_checks=["I", "W", "E"], regions=["us-east-1"])
    return [
        f"cfn-lint {match.rule.id} {'/'.join(map(str, match.path or ()))}: {match.message}"
        for match in lint(json.dumps(whole), config=checks)
    ]


def test_cfn_lint_finds_nothing(deployed: dict[str, Any]) -> None:
    findings = cfn_lint(deployed)
    assert unargued(findings) == []
    assert unused(findings, "cfn-lint") == []


def test_cfn_lint_would_find_an_action_that_is_none_and_one_on_the_wrong_resource(deployed: dict[str, Any]) -> None:
    resources = deployed["Resources"]
    policy = next(one for name, one in resources.items() if name.endswith("WeightsRolepolicy"))
    allowed = policy["Properties"]["PolicyDocument"]["Statement"][0]
    allowed["Action"] += ["s3:GetObjects"]
    flows = next(one for name, one in resources.items() if name.endswith("LogsRolepolicy"))
    flows["Properties"]["PolicyDocument"]["Statement"][0]["Resource"] = "arn:aws:s3:::elsewhere"
    role = next(one for one in resources.values() if one["Type"] == "AWS::IAM::Role")
    role["Properties"]["AssumeRolePolicyDocument"]["Statement"][0]["Effect"] = "Permit"
    rules = {finding.split()[1] for finding in unargued(cfn_lint(deployed))}
    assert {"W3037", "I3510", "E3530"} <= rules, rules


@pytest.fixture(scope="module")
def charts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with both charts, rendered from their examples."""
    folder = tmp_path_factory.mktemp("charts")
    for chart, name in ALL_EXAMPLES:
        (folder / f"{chart}-{name}.yaml").write_text(template(chart, example(chart, name)))
    return folder


@pytest.mark.charts
def test_kube_score_finds_nothing(charts: Path) -> None:
    command = [str(require_tool("kube-score")), "score", "--output-format", "json", "--kubernetes-version", "v1.36"]
    files = [str(path) for path in sorted(charts.iterdir())]
    answer = subprocess.run([*command, *files], capture_output=True, text=True, timeout=120)
    findings = list(kube_score(json.loads(answer.stdout)))
    assert len(findings) > 10
    assert unargued(findings) == []
    assert unused(findings, "kube-score") == []


def kube_score(objects: list[dict[str, Any]]) -> Iterator[str]:
    for one in objects:
        for check in one["checks"]:
            for comment in check["comments"] or ():
                if check["grade"] <= 5 and not check["skipped"]:
                    about = f"{check['check']['id']} "
                    if check["check"]["id"] == "container-resources":
                        about += f"{comment['summary'].removesuffix(' is not set')} "
                    yield f"kube-score {about}{one['type_meta']['kind']}: {comment['summary']}"


@pytest.fixture(scope="module")
def linters() -> Path:
    """The folder with checkov and parliament."""
    if not (BIN.parent / "complete").exists():
        missing = "there is no checkov in .venv-linters: `make test-linters` installs it (0.3 GB) and asks it"
        give_up(missing)
    return BIN


@pytest.mark.linters
def test_checkov_finds_nothing(linters: Path, deployed: dict[str, Any], charts: Path, tmp_path: Path) -> None:
    (tmp_path / "template.json").write_text(json.dumps(deployed))
    (tmp_path / "Dockerfile").write_text((ROOT / "gateway" / "Dockerfile").read_text())
    for chart in charts.iterdir():
        (tmp_path / chart.name).write_text(chart.read_text())
    findings = checkov(linters, tmp_path)
    assert {finding.split()[1].split("_")[1] for finding in findings} == {"AWS", "DOCKER", "K8S"}
    assert unargued(findings) == []
    assert unused(findings, "checkov") == []


@pytest.mark.linters
def test_checkov_would_find_an_open_port(linters: Path, tmp_path: Path) -> None:
    port = {"IpProtocol": "tcp", "FromPort": 22, "ToPort": 22, "CidrIp": "0.0.0.0/0"}
    group = {"GroupDescription": "open", "VpcId": "vpc-00000000", "SecurityGroupIngress": [port]}
    whole = {"Resources": {"Open": {"Type": "AWS::EC2::SecurityGroup", "Properties": group}}}
    (tmp_path / "template.json").write_text(json.dumps(whole))
    assert "checkov CKV_AWS_24" in {" ".join(finding.split()[:2]) for finding in unargued(checkov(linters, tmp_path))}


def checkov(folder: Path, where: Path) -> list[str]:
    kinds = [word for kind in ("cloudformation", "kubernetes", "dockerfile") for word in ("--framework", kind)]
    command = [str(folder / "checkov"), "--quiet", "--compact", "--skip-download", "--output", "json", *kinds]
    answer = subprocess.run([*command, "--directory", str(where)], capture_output=True, text=True, timeout=300)
    reports = json.loads(answer.stdout)
    return [
        f"checkov {check['check_id']} {check['resource']}: {check['check_name']}"
        for report in (reports if isinstance(reports, list) else [reports])
        for check in report.get("results", {}).get("failed_checks", ())
    ]


@pytest.mark.linters
def test_parliament_finds_nothing(linters: Path, deployed: dict[str, Any]) -> None:
    policies = {
        name: json.dumps(one["Properties"]["PolicyDocument"])
        for name, one in deployed["Resources"].items()
        if one["Type"] in ("AWS::IAM::RolePolicy", "AWS::IAM::ManagedPolicy")
    }
    assert len(policies) > 5
    findings = parliament(linters, policies)
    assert unargued(findings) == []
    assert unused(findings, "parliament") == []
    strange = {
        "strange": policies.popitem()[1].replace('"Allow", "Action": [', '"Allow", "Action": ["s3:GetObjects", ')
    }
    assert [finding for finding in parliament(linters, strange) if "UNKNOWN_ACTION" in finding] != []


def parliament(folder: Path, policies: dict[str, str]) -> list[str]:
    command = [str(folder / "python"), "-c", PARLIAMENT]
    answer = subprocess.run(
        command, input=json.dumps(policies), capture_output=True, text=True, timeout=120, check=True
    )
    return answer.stdout.splitlines()


def test_every_argument_says_something() -> None:
    assert all(len(reason) > 10 for reason in ARGUED.values())
