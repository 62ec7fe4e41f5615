"""A checkout of its own for a test of the engine: the program and charts by link, the environments its own.

`pulumi` writes into the folder of stack settings, so a test never runs in the repository itself.
"""

from __future__ import annotations

import sys
from pathlib import Path

from tests.engine import Engine
from tests.examples import ROOT
from tests.infra.locks import PUBLISHED

LINKED = ("Pulumi.yaml", "__main__.py", "charts", "infra", "planner")


def checkout(folder: Path) -> Path:
    """The root of a new checkout in `folder`, with an empty `environments/` and a subfolder `sub/`."""
    for name in LINKED:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).symlink_to(ROOT / name)
    (folder / ".venv").symlink_to(sys.prefix)
    (folder / "environments").mkdir()
    (folder / "sub").mkdir()
    return folder


def published(engine: Engine) -> Engine:
    """The same stack, for which the project's own images are published."""
    for key, value in PUBLISHED.items():
        engine.configure(key, value)
    return engine
