"""Tools that some layers of tests need: found, or the test is skipped with a sentence; in CI a missing one fails it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import NoReturn

import pytest

from twin import binaries


def give_up(why: str) -> NoReturn:
    """Skip the test with a sentence; in CI fail it."""
    if os.environ.get("CI") == "true":
        pytest.fail(why, pytrace=False)
    pytest.skip(why)


def require_tool(name: str) -> Path:
    """The executable of a tool of `tools/tools.toml` (`helm3`, `helm4`, `pulumi`, `kube-apiserver`, …)."""
    try:
        return binaries.require(name)
    except binaries.MissingToolError as error:
        give_up(str(error))


def require_cluster_tools() -> None:
    """All programs of the twin cluster."""
    from twin.cluster.components import TOOLS

    for name in TOOLS:
        require_tool(name)
