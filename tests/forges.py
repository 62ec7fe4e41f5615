"""The imitated forges as a process of their own, and how a test sets and reads them."""

from __future__ import annotations

import json
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from planner.edges.forges.conversation import Forge, Target
from planner.edges.forges.forge import forge_at
from planner.edges.forges.runner import ForgeName
from tests.examples import ROOT

REPOSITORY, NUMBER = "team/serving", 7
HEAD = "b" * 40
ROOTS: dict[ForgeName, str] = {
    "github": "github",
    "gitlab": "gitlab/api/v4",
    "bitbucket": "bitbucket/2.0",
    "azure": "azure",
}
FORGES: tuple[ForgeName, ...] = tuple(ROOTS)


@dataclass(frozen=True)
class Forges:
    """Imitated forges. address: where they listen."""

    address: str

    def root(self, name: ForgeName) -> str:
        """Root of the API of a forge."""
        return f"{self.address}/{ROOTS[name]}"

    def forge(self, name: ForgeName, token: str = "write-token", number: int = NUMBER) -> Forge:
        """A client of one of them."""
        return forge_at(name, Target(REPOSITORY, number, self.root(name), token))

    def begin(self, **state: Any) -> None:
        """Forget everything; `head`, `page_size` and `comments` may be given."""
        self._asked("PUT", "state", state)

    def strike(self, **fault: Any) -> None:
        """Let the next calls fail."""
        self._asked("POST", "faults", fault)

    def comments(self) -> list[dict[str, Any]]:
        """All comments, in the order of writing."""
        found: list[dict[str, Any]] = self._asked("GET", "state")["comments"]
        return found

    def bodies(self) -> list[str]:
        """Bodies of the comments that a reader sees."""
        return [note["body"] for note in self.comments() if not note["is_hidden"] and not note["is_deleted"]]

    def calls(self) -> list[str]:
        """Method and path of every call."""
        found: list[str] = self._asked("GET", "state")["calls"]
        return found

    def _asked(self, method: str, path: str, value: Any = None) -> Any:
        body = None if value is None else json.dumps(value).encode()
        request = urllib.request.Request(f"{self.address}/twin/{path}", data=body, method=method)
        with urllib.request.urlopen(request, timeout=20) as answer:
            return json.load(answer)


@contextmanager
def serving() -> Iterator[Forges]:
    """The forges, until the block ends."""
    command = [sys.executable, "-m", "twin.forges"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            port = json.loads(process.stdout.readline())["port"]
            yield Forges(f"http://127.0.0.1:{port}")
        finally:
            process.terminate()
