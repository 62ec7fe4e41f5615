"""How the program says what does not stop a run."""

from __future__ import annotations

import pulumi

from planner.words.diagnostics import Problem


def warn(problem: Problem) -> None:
    """Say a problem in one line of the engine's log, with what to do about it."""
    pulumi.log.warn("; ".join(filter(None, (f"{problem.code}: {problem.message}", problem.hint))))
