"""The worked environments, which tests, documents and the demo are pinned to.

`environments/` is the team's own: a fork changes it as it likes, and no test reads it, save the one that plans and
checks what it finds there (`tests/planner/test_starting_environments.py`). A test holds every other one to that
(`tests/test_environments_are_the_teams.py`).
"""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
ENVIRONMENTS = ROOT / "examples" / "environments"
"""The folder with `NAME.yaml`, `NAME.lock.json` and `Pulumi.NAME.yaml` of each."""


def environment_paths() -> list[Path]:
    """The files of the worked environments, sorted by name."""
    return sorted(path for path in ENVIRONMENTS.glob("*.yaml") if not path.name.startswith("Pulumi."))


def lock_paths() -> list[Path]:
    """Their locks, sorted by name."""
    return sorted(ENVIRONMENTS.glob("*.lock.json"))


def environment_name(path: Path) -> str:
    """The environment that a file or a lock belongs to: `prod.yaml` and `prod.lock.json` are of `prod`."""
    return path.name.partition(".")[0]
