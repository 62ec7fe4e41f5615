from __future__ import annotations

import gc
import os
import socket
from pathlib import Path

import pytest

from tests.engine import stage
from tests.tools import require_tool
from twin.stage import PLUGINS, prepare


def test_the_plugins_can_be_started() -> None:
    for name in ("pulumi-resource-aws", "pulumi-resource-kubernetes", "aws"):
        assert os.access(PLUGINS / name, os.X_OK)


@pytest.mark.engine
def test_nothing_of_the_caller_leads_out_of_the_stage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    require_tool("pulumi")
    for name in ("AWS_PROFILE", "PULUMI_ACCESS_TOKEN", "KUBECONFIG", "HELM_NAMESPACE", "SPILLWAY_TWIN_CLUSTER"):
        monkeypatch.setenv(name, "the caller's")
    monkeypatch.setenv("KEPT", "the caller's")
    new_stage = stage(tmp_path / "stage")
    assert [name for name, value in new_stage.environment.items() if value == "the caller's"] == ["KEPT"]
    assert new_stage.environment["PATH"].split(os.pathsep)[0] == str(PLUGINS)
    assert new_stage.environment["PULUMI_BACKEND_URL"].endswith(f"{tmp_path / 'stage' / 'state'}?metadata=skip")
    assert new_stage.account_folder == tmp_path / "stage" / "aws"


@pytest.mark.engine
def test_a_cluster_and_an_account_are_passed_on(tmp_path: Path) -> None:
    require_tool("pulumi")
    new_stage = prepare(tmp_path / "stage", cluster=tmp_path, region="us-west-2", account="111122223333")
    assert new_stage.environment["SPILLWAY_TWIN_CLUSTER"] == str(tmp_path)
    assert new_stage.environment["AWS_REGION"] == "us-west-2"
    assert new_stage.environment["SPILLWAY_TWIN_AWS_ACCOUNT"] == "111122223333"


@pytest.mark.engine
def test_a_stage_with_clusters_has_a_network_that_goes_with_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("https_proxy", "http://the.caller")
    folders = [tmp_path / "one", tmp_path / "two"]
    new_stage = stage(tmp_path / "stage", clusters=folders)
    assert new_stage.environment["SPILLWAY_TWIN_CLUSTER"] == os.pathsep.join(map(str, folders))
    assert "https_proxy" not in new_stage.environment
    address = ("127.0.0.1", int(new_stage.environment["HTTPS_PROXY"].rpartition(":")[2]))
    with socket.create_connection(address, timeout=5):
        pass
    del new_stage
    gc.collect()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(address, timeout=5)
