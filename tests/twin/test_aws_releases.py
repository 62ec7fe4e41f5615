"""EKS recommends other images and add-ons on a later day; what runs stays until somebody asks for them."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.twin.aws_program import Program
from twin.aws.__main__ import main as command

PARAMETER = "/aws/service/eks/optimized-ami/1.36/amazon-linux-2023/x86_64/nvidia/recommended/release_version"


def recommended(program: Program) -> tuple[str, str]:
    invoke = program.provider.invoke
    image = invoke("aws:ssm/getParameter:getParameter", {"name": PARAMETER})["insecureValue"]
    addon = {"addonName": "coredns", "kubernetesVersion": "1.36"}
    return image, invoke("aws:eks/getAddonVersion:getAddonVersion", addon)["version"]


def test_a_later_day_has_other_releases(tmp_path: Path) -> None:
    program = Program(tmp_path)
    before = recommended(program)
    assert before == ("1.36.0-20261101", "v1.36.0-eksbuild.1")
    assert command(["publish", "--folder", str(tmp_path), "20261215"]) == 0
    after = recommended(program)
    assert after[0] == "1.36.0-20261215"
    assert after[1] != before[1]
    assert program.store.is_empty()


@pytest.mark.parametrize("day", ["20261101", "2026-12-15", "soon"])
def test_what_is_no_later_day_is_refused(tmp_path: Path, day: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert command(["publish", "--folder", str(tmp_path), day]) == 2
    assert day in capsys.readouterr().err
