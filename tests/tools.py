"""Tools that some layers of tests need: found, or the test is skipped with a sentence; in CI a missing one fails it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from twin import binaries


def require_tool(name: str) -> Path:
    """The executable of a tool of `tools/tools.toml` (`helm3`, `helm4`, `pulumi`, `kube-apiserver`, …)."""
    try:
        return binaries.require(name)
    except binaries.MissingToolError as error:
        if os.environ.get("CI") == "true":
            pytest.fail(str(error), pytrace=False)
        pytest.skip(str(error))


def require_cluster_tools() -> None:
    """All programs of the twin cluster."""
    from twin.cluster.components import TOOLS

    for name in TOOLS:
        require_tool(name)
