"""The gateway's Dockerfile keeps what the gateway chart relies on, and installs exactly the locked packages."""

from __future__ import annotations

import ast
import json
import os
import re
import sys
from importlib.metadata import packages_distributions

import pytest
import yaml

from tests.charts.gateway_image import HEAD, part_for
from tests.charts.rendering import CHARTS, ROOT, container, example, one, render

DOCKERFILE = (ROOT / "gateway" / "Dockerfile").read_text(encoding="utf-8")


def _instructions(name: str) -> list[str]:
    return re.findall(rf"^{name} (.+)$", DOCKERFILE.replace("\\\n", " "), re.MULTILINE)


def _imported_distributions() -> set[str]:
    """Distributions that the gateway's code imports, by their own names."""
    modules = set()
    for file in (ROOT / "gateway").rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                modules |= {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                modules.add(node.module.split(".")[0])
    foreign = modules - sys.stdlib_module_names - {"gateway"}
    known = packages_distributions()
    return {known[module][0].lower().replace("_", "-") for module in foreign}


def test_pins_are_the_gateways_part_of_the_projects_lock() -> None:
    wanted = part_for(_imported_distributions(), (ROOT / "requirements.lock").read_text(encoding="utf-8"))
    file = ROOT / "gateway" / "requirements.lock"
    if os.environ.get("UPDATE_GOLDEN") == "1":
        file.write_text(wanted, encoding="utf-8")
    assert file.read_text(encoding="utf-8") == wanted, "run with UPDATE_GOLDEN=1 to write it anew"


def test_the_part_follows_what_a_package_needs_and_nothing_else() -> None:
    lock = (
        "a==1 \\\n    --hash=sha256:00\n    # via project\n"
        "b==2 \\\n    --hash=sha256:01\n    # via\n    #   a\n    #   z\n"
        "c==3 ; sys_platform == 'win32' \\\n    --hash=sha256:02\n    # via b\n"
        "z==4 \\\n    --hash=sha256:03\n    # via project\n"
    )
    assert part_for({"a"}, lock).removeprefix(HEAD) == (
        "a==1 \\\n    --hash=sha256:00\n"
        "b==2 \\\n    --hash=sha256:01\n"
        "c==3 ; sys_platform == 'win32' \\\n    --hash=sha256:02\n"
    )
    with pytest.raises(KeyError):
        part_for({"missing"}, lock)


def test_every_pin_has_a_hash_and_the_install_demands_them() -> None:
    pins = (ROOT / "gateway" / "requirements.lock").read_text(encoding="utf-8")
    for entry in re.split(r"^(?=[a-z])", pins.removeprefix(HEAD), flags=re.MULTILINE)[1:]:
        assert "--hash=sha256:" in entry, entry.splitlines()[0]
    (install,) = (json.loads(run) for run in _instructions("RUN") if '"install"' in run)
    assert {"--require-hashes", "--no-deps", "--only-binary=:all:"} <= set(install)


def test_the_image_needs_no_shell_and_no_root() -> None:
    for instruction in ("RUN", "ENTRYPOINT"):
        for text in _instructions(instruction):
            assert isinstance(json.loads(text), list), f"{instruction} {text} would need a shell"
    assert _instructions("USER") == ["65532:65532"]
    values = yaml.safe_load((CHARTS / "gateway" / "values.yaml").read_text(encoding="utf-8"))
    assert values["securityContext"]["runAsUser"] == 65532


def test_both_stages_have_one_base_that_a_build_can_pin() -> None:
    assert _instructions("ARG") == ["PYTHON_IMAGE=python:3.12-slim"]
    assert _instructions("FROM") == ["${PYTHON_IMAGE} AS build", "${PYTHON_IMAGE}"]


def test_only_code_and_pins_enter_the_build() -> None:
    lines = (ROOT / "gateway" / "Dockerfile.dockerignore").read_text(encoding="utf-8").splitlines()
    assert [line for line in lines if not line.startswith("#")] == [
        "*",
        "!gateway/**/*.py",
        "!gateway/requirements.lock",
    ]


@pytest.mark.charts
def test_chart_and_image_start_the_same_program_on_the_same_ports() -> None:
    objects = render("gateway", example("gateway", "spilling"))
    gateway = container(objects)
    assert gateway["command"] == json.loads(_instructions("ENTRYPOINT")[0])
    exposed = [int(port) for port in _instructions("EXPOSE")[0].split()]
    assert [port["containerPort"] for port in gateway["ports"]] == exposed
    security = one(objects, "Deployment")["spec"]["template"]["spec"]["securityContext"]
    assert f"{security['runAsUser']}:{security['runAsGroup']}" == _instructions("USER")[0]
