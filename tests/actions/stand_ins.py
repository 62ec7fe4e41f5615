"""`spillway` as the Action's tests start it. Where no forge is imitated, a comment is written nowhere.

A verb or a format that this checkout lacks is played by a few lines, which go away with the verb that they play.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from planner.cli import main as command_line  # noqa: E402
from planner.cli.output import show_text  # noqa: E402

VERBS = {command.callback.__name__ for command in command_line.app.registered_commands if command.callback}


def played(arguments: list[str]) -> bool:
    """Play what is missing, and say whether something was."""
    verb = arguments[0]
    if verb == "diff" and "markdown" in arguments and not hasattr(command_line, "DiffFormat"):
        del arguments[arguments.index("--format") : arguments.index("--format") + 2]
        show_text(f"## {arguments[1]}\n\n")
        return False
    if verb == "report" and "report" not in VERBS:
        Path(arguments[arguments.index("-o") + 1]).write_text("<!doctype html>\n", encoding="utf-8")
        return True
    return verb == "comment" and ("comment" not in VERBS or not {"GITHUB_API_URL", "CI_API_V4_URL"} & set(os.environ))


if __name__ == "__main__":
    line = sys.argv[1:]
    if not played(line):
        sys.argv[1:] = line
        command_line.main()
