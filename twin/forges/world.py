"""What the imitated forges share: one pull request with its comments, the tokens, and faults that wait for a call."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

REPOSITORY = "team/serving"
NUMBER = 7
HEAD = "b" * 40


@dataclass(frozen=True)
class User:
    """Who calls. may_write: whether comments may be written. may_ask: whether the API says who it is."""

    name: str
    may_write: bool = True
    may_ask: bool = True


TOKENS = {
    "write-token": User("spillway"),
    "other-token": User("mallory"),
    "read-token": User("spillway", may_write=False),
    "silent-token": User("spillway", may_ask=False),
}
"""Who a token speaks for."""


@dataclass
class Note:
    """A comment. number: unique, in the order of writing."""

    number: int
    author: str
    body: str
    is_hidden: bool = False
    is_deleted: bool = False


@dataclass
class Fault:
    """A fault meets the next calls of a method whose path matches.

    status: of the refusal; 0 carries the call out and loses the answer.
    delay_s: how long the call waits before it is carried out, seconds.
    times: how many calls it meets.
    """

    method: str = ""
    path: str = ""
    status: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    body: Any = None
    delay_s: float = 0.0
    times: int = 1

    def meets(self, method: str, path: str) -> bool:
        """Say whether this call fails."""
        return self.times > 0 and self.method in ("", method) and re.search(self.path, path) is not None


@dataclass
class World:
    """The state of all forges. page_size: most entries of a page."""

    head: str = HEAD
    page_size: int = 100
    notes: list[Note] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    calls: list[str] = field(default_factory=list)
    serial: int = 1000

    def add(self, author: str, body: str) -> Note:
        """Write a comment."""
        self.serial += 1
        self.notes.append(Note(self.serial, author, body))
        return self.notes[-1]

    def note(self, number: int) -> Note | None:
        """Return a comment that was not deleted."""
        return next((note for note in self.notes if note.number == number and not note.is_deleted), None)

    def fault(self, method: str, path: str) -> Fault | None:
        """Return the fault that meets a call, and spend it."""
        found = next((fault for fault in self.faults if fault.meets(method, path)), None)
        if found is not None:
            found.times -= 1
        return found


def document(world: World) -> list[dict[str, Any]]:
    """Return all comments as plain values."""
    return [vars(note) for note in world.notes]
