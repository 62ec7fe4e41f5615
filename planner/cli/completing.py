"""What a shell offers for arguments of verbs: names of environments, and codes. Nothing heavy is loaded for it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from planner.edges.environment_names import environment_names


def environments(ctx: Any, incomplete: str) -> list[str]:
    """Return the environments that begin so, of the folder that the command line or a variable names.

    ctx: the command line as far as it is written. What stands there already is not offered again.
    """
    folder = Path(ctx.params.get("folder") or "environments")
    written = ctx.params.get("environments") or ()
    return [name for name in environment_names(folder) if name.startswith(incomplete) and name not in written]


def environments_and_codes(ctx: Any, incomplete: str) -> list[str]:
    """Return the environments that begin so, and the codes, which are written in capitals."""
    from planner.documents.codes import CODES

    codes = [code for code in sorted(CODES) if incomplete[:1].isupper() and code.startswith(incomplete)]
    return [*environments(ctx, incomplete), *codes]
