"""What the gateway's image installs: the part of `requirements.lock` that the gateway needs, hashes and all.

The project has one lock of its dependencies; the image needs a dozen of its hundred packages. `part_for` cuts them out
along the lock's own `# via` notes, so the image can hold no version that the tests did not run with.
"""

from __future__ import annotations

import re

HEAD = (
    "# The gateway's part of requirements.lock, for its image. Written by a test: UPDATE_GOLDEN=1 pytest tests/charts\n"
)


def part_for(roots: set[str], lock: str) -> str:
    """The entries of `roots` and of everything that they need, in the lock's order. Raises KeyError for a root that
    the lock does not hold."""
    entries = _entries(lock)
    needed: set[str] = set()
    wanted = {name: entries[name] for name in roots}
    while wanted:
        needed |= wanted.keys()
        wanted = {name: text for name, text in entries.items() if name not in needed and _asked_by(text) & needed}
    return HEAD + "".join(_without_notes(text) for name, text in entries.items() if name in needed)


def _entries(lock: str) -> dict[str, str]:
    """Package → its lines."""
    found: dict[str, str] = {}
    name = ""
    for line in lock.splitlines(keepends=True):
        if start := re.match(r"([a-z0-9][a-z0-9._-]*)==", line):
            name = start[1]
        if name:
            found[name] = found.get(name, "") + line
    return found


def _asked_by(text: str) -> set[str]:
    notes = text.partition("# via")[2]
    return set(re.findall(r"[a-z0-9][a-z0-9._-]*", notes))


def _without_notes(text: str) -> str:
    return text.partition("    # via")[0]
