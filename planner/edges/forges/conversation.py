"""What the forges share: a pull request's comments, the mark by which ours are found, and the interface of a forge.

The mark is a line of its own that no forge shows, at the start of a comment. It names the environment, the repository,
and the run of the continuous integration that wrote it, so that an older run never overwrites a newer one:

    <!-- spillway:prod:team/serving run=812.1 commit=3f2a… -->
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol
from urllib.parse import quote, unquote


@dataclass(frozen=True)
class Run:
    """A run of the continuous integration.

    number: grows from run to run of a repository; None outside of one.
    attempt: grows with each repetition of the same run.
    commit: what was planned; empty where nobody knows.
    """

    number: int | None = None
    attempt: int = 1
    commit: str = ""

    def is_older_than(self, other: Run) -> bool:
        """Say whether another run came later. Runs without a number are not compared."""
        if self.number is None or other.number is None:
            return False
        return (self.number, self.attempt) < (other.number, other.attempt)


@dataclass(frozen=True)
class Mark:
    """A mark says which comment it is, and of which run.

    environment: name of the environment.
    key: the repository, or what a team calls one of several folders of environments.
    """

    environment: str
    key: str
    run: Run

    def line(self, is_html: bool) -> str:
        """Return the line. is_html: whether the forge hides HTML comments; Bitbucket hides unused references alone."""
        number = "" if self.run.number is None else f" run={self.run.number}.{self.run.attempt}"
        commit = f" commit={self.run.commit}" if re.fullmatch(r"[0-9a-f]{7,64}", self.run.commit) else ""
        text = f"spillway:{_quoted(self.environment)}:{_quoted(self.key)}{number}{commit}"
        return f"<!-- {text} -->" if is_html else f"[//]: # ({text})"


def _quoted(text: str) -> str:
    """Return a name without characters that could end the mark."""
    return quote(text, safe="/", errors="replace")


_MARK = re.compile(
    r"(?:<!-- |\[//\]: # \()spillway:([\w/.~%-]*):([\w/.~%-]*)"
    r"(?: run=(\d{1,18})\.(\d{1,9}))?(?: commit=([0-9a-f]{7,64}))?(?: -->|\))"
)


def mark_of(body: str) -> Mark | None:
    """Return the mark at the start of a comment; None where it has none."""
    found = _MARK.fullmatch(body.lstrip().partition("\n")[0].strip())
    if found is None:
        return None
    environment, key, number, attempt, commit = found.groups()
    run = Run(int(number), int(attempt), commit or "") if number else Run(commit=commit or "")
    return Mark(unquote(environment), unquote(key), run)


def without_mark(body: str) -> str:
    """Return a comment without its mark, in the form in which two of them are compared."""
    text = body.replace("\r\n", "\n").strip()
    return text.partition("\n")[2].strip() if mark_of(text) else text


@dataclass(frozen=True)
class Comment:
    """A comment of a pull request.

    key: by which the forge finds it.
    order: grows from comment to comment.
    body: its Markdown.
    url: where a person reads it.
    is_ours: whether this token wrote it; None where the forge does not say.
    is_hidden: whether it is folded away.
    """

    key: str
    order: int
    body: str
    url: str
    is_ours: bool | None = None
    is_hidden: bool = False


@dataclass(frozen=True)
class Conversation:
    """A conversation is a pull request with all of its comments. head: its newest commit; empty if not known."""

    comments: tuple[Comment, ...]
    head: str = ""


@dataclass(frozen=True)
class Target:
    """A target says which pull request of which repository.

    repository: `OWNER/NAME`, at Azure DevOps `PROJECT/NAME`.
    number: of the pull request.
    api_url: root of the API.
    token: what the API asks for. It is never printed.
    """

    repository: str
    number: int
    api_url: str
    token: str

    def __repr__(self) -> str:
        return f"Target({self.repository!r}, {self.number}, {self.api_url!r})"


class Forge(Protocol):
    """A forge holds pull requests. Every call raises `ForgeError`."""

    @property
    def limit(self) -> int:
        """Most characters of a comment."""

    @property
    def can_hide(self) -> bool:
        """Whether a comment can be folded away."""

    def conversation(self) -> Conversation:
        """Return the pull request with its comments, from all pages."""

    def create(self, body: str) -> Comment:
        """Write a new comment."""

    def update(self, comment: Comment, body: str) -> Comment:
        """Replace the body of a comment."""

    def hide(self, comment: Comment) -> None:
        """Fold a comment away as outdated."""

    def delete(self, comment: Comment) -> None:
        """Delete a comment. One that is not there any more is no error."""


class ForgeError(Exception):
    """A forge did not do what it was asked for.

    status: of HTTP; 0 where there was no answer.
    message: what it said, as a sentence without its end.
    is_unsure: whether it may have done it all the same, as the answer was lost.
    """

    def __init__(self, status: int, message: str, is_unsure: bool = False) -> None:
        self.status = status
        self.message = message
        self.is_unsure = is_unsure
        super().__init__(message)


def ours(comments: Sequence[Comment], environment: str, key: str) -> tuple[tuple[Comment, Mark], ...]:
    """Return our comments of an environment with their marks, the oldest first.

    What somebody else wrote is not ours, whatever mark it has.
    """
    marked = ((comment, mark_of(comment.body)) for comment in comments if comment.is_ours is not False)
    found = [(c, m) for c, m in marked if m is not None and (m.environment, m.key) == (environment, key)]
    return tuple(sorted(found, key=lambda pair: pair[0].order))
