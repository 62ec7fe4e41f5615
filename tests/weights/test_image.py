"""The image of the copy of weights installs exactly the locked packages, and needs neither shell nor root."""

from __future__ import annotations

import json
import os
import re

from tests.charts.gateway_image import HEAD, part_for
from tests.examples import ROOT

DOCKERFILE = (ROOT / "weights" / "Dockerfile").read_text(encoding="utf-8")
OWN_HEAD = "# Its part of requirements.lock, for its image. Written by a test: UPDATE_GOLDEN=1 pytest tests/weights\n"


def _instructions(name: str) -> list[str]:
    return re.findall(rf"^{name} (.+)$", DOCKERFILE.replace("\\\n", " "), re.MULTILINE)


def test_pins_are_its_part_of_the_projects_lock() -> None:
    lock = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    wanted = OWN_HEAD + part_for({"boto3"}, lock).removeprefix(HEAD)
    file = ROOT / "weights" / "requirements.lock"
    if os.environ.get("UPDATE_GOLDEN") == "1":
        file.write_text(wanted, encoding="utf-8")
    assert file.read_text(encoding="utf-8") == wanted, "run with UPDATE_GOLDEN=1 to write it anew"
    assert {"boto3", "botocore", "s3transfer"} <= set(re.findall(r"^([a-z0-9-]+)==", wanted, re.MULTILINE))


def test_it_is_built_as_the_gateways_image_is() -> None:
    theirs = (ROOT / "gateway" / "Dockerfile").read_text(encoding="utf-8")
    kept = [line for line in theirs.splitlines() if not line.startswith(("EXPOSE", "STOPSIGNAL"))]
    pairs = zip(DOCKERFILE.splitlines(), kept, strict=True)
    other = [own for own, line in pairs if own != line.replace("gateway", "weights") and not own.startswith("#")]
    assert [line.split("=")[0].strip() for line in other] == ["org.opencontainers.image.description"]
    assert _instructions("USER") == ["65532:65532"]
    assert json.loads(_instructions("ENTRYPOINT")[0]) == ["python", "-m", "weights"]


def test_only_code_and_pins_enter_the_build() -> None:
    lines = (ROOT / "weights" / "Dockerfile.dockerignore").read_text(encoding="utf-8").splitlines()
    assert [line for line in lines if not line.startswith("#")] == [
        "*",
        "!weights/**/*.py",
        "!weights/requirements.lock",
    ]
