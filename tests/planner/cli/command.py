"""Runs `spillway` inside the test's own process: what it said on each stream, and how it ended."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from typer.testing import CliRunner

from planner.cli.main import app

WIDTH = "120"
_UNSET = ("GITHUB_ACTIONS", "NO_COLOR", "FORCE_COLOR", "TTY_COMPATIBLE", "SPILLWAY_ENVIRONMENTS")


@dataclass(frozen=True)
class Ended:
    """How a command ended."""

    status: int
    out: str
    err: str

    @property
    def document(self) -> Any:
        """The answer, which must be exactly one JSON document."""
        return json.loads(self.out)

    @property
    def codes(self) -> list[str]:
        """Codes of the problems that stand in the JSON answer, in order."""
        return [problem["code"] for problem in self.document["problems"]]


def spillway(*arguments: str, **variables: str) -> Ended:
    """Run a command line with these environment variables besides a fixed width; only an exit is caught."""
    environment = {**dict.fromkeys(_UNSET), "COLUMNS": WIDTH, **variables}
    result = CliRunner().invoke(app, arguments, env=environment, catch_exceptions=False, prog_name="spillway")
    return Ended(result.exit_code, result.stdout, result.stderr)
