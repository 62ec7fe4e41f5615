"""The targets of the Makefile as a table, from the sentences that stand beside them."""

from __future__ import annotations

import re
from pathlib import Path

from tools.figures.marks import table_lines


def parts(makefile: Path) -> dict[str, list[str]]:
    """The generated part of docs/commands.md."""
    found = re.findall(r"^([a-z-]+):.*?## (.*)$", makefile.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return {"targets": table_lines(["target", "what it does"], [(f"`make {name}`", told) for name, told in found])}
