from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from twin.aws.get_token import credentials
from twin.stage import PLUGINS

COMMAND = ["eks", "get-token", "--region", "us-east-1", "--cluster-name", "prod", "--role-arn", "arn:aws:iam::1:role/d"]


def kubeconfig(**user: str) -> dict[str, Any]:
    return {"users": [{"name": "u", "user": user}]}


def aws(folder: Path | None, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {k: v for k, v in os.environ.items() if k != "SPILLWAY_TWIN_CLUSTER"}
    environment |= {"SPILLWAY_TWIN_PYTHON": sys.executable, "PYTHONPATH": str(PLUGINS.parents[1])}
    if folder is not None:
        environment["SPILLWAY_TWIN_CLUSTER"] = str(folder)
    return subprocess.run(
        [PLUGINS / "aws", *arguments], env=environment, capture_output=True, text=True, timeout=30, check=False
    )


def test_tokens_and_certificates_are_handed_on() -> None:
    assert credentials(kubeconfig(token="t"))["status"] == {"token": "t"}
    encoded = {
        "client-certificate-data": base64.b64encode(b"CERT").decode(),
        "client-key-data": base64.b64encode(b"KEY").decode(),
    }
    status = credentials(kubeconfig(**encoded))["status"]
    assert status == {"clientCertificateData": "CERT", "clientKeyData": "KEY"}


def test_the_command_answers_for_the_twin_cluster(tmp_path: Path) -> None:
    (tmp_path / "kubeconfig").write_text(json.dumps(kubeconfig(token="t")))
    run = aws(tmp_path, *COMMAND)
    assert run.returncode == 0, run.stderr
    assert json.loads(run.stdout)["kind"] == "ExecCredential"


@pytest.mark.parametrize(
    ("arguments", "status"),
    [(COMMAND, 255), (["eks", "get-token"], 252), (["s3", "ls"], 252)],
)
def test_everything_else_is_refused(arguments: list[str], status: int) -> None:
    run = aws(None, *arguments)
    assert run.returncode == status
    assert run.stderr.startswith("aws (twin): ")
