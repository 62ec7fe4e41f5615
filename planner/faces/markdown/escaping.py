"""Foreign text inside Markdown: names, messages and sources are shown as they are, and do nothing.

A text from an environment may hold table bars, HTML, links, `@names` that would be notified, references that would
be linked, formulas, or a command of a forge at the start of a line. Every value that a template prints goes through
`escaped`, unless it is `Markdown` already.

A page is drawn again for each section that falls, so that texts which were escaped already are kept.

Entities and backslashes are used where GitHub, GitLab, Azure DevOps and Bitbucket all know them. No forge has an escape
for mentions and bare links, so that a character without width stands inside them.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache
from typing import Any

from markupsafe import Markup

MOST_CHARACTERS = 1_000
"""Characters of a text that are shown; a longer one ends with `…`."""
MISSING = "—"
NO_WIDTH = "\u200b"
"""Zero-width space: it stands inside what a forge would otherwise link or notify."""
_ENTITIES = {"&": "&amp;", "<": "&lt;", ">": "&gt;", "|": "&vert;"}
"""Entities have names, as `#124` in a number would read like the reference of an issue."""
_BACKSLASHED = frozenset("\\`*[]~")
_LINKED = re.compile(r"(?<=:)(?=//)|(?<=\bwww)(?=\.)|(?<=\bGH-)(?=\d)", re.IGNORECASE)
_CODE = re.compile(r"`([^`|\s](?:[^`|]*[^`|\s])?)`")
"""A name between backticks, as sentences of the planner write it."""
_BLOCK = re.compile(r" ?(?:\d{1,9}(?=[.)](?:\s|$))|(?=[-+#](?:[-#\s]|$)|/))")
"""What would begin a list, a heading, a rule, or a command of GitLab at the start of a text."""


class Markdown(Markup):
    """Markdown that is printed as it stands. Text that is joined to it is escaped."""

    @classmethod
    def escape(cls, value: Any, /) -> Markdown:
        """Return a value as Markdown."""
        return value if isinstance(value, cls) else cls(escaped(str(value)))


def one_line(text: str) -> str:
    """Return a text on one line, without what is not seen: controls, marks of direction, half characters."""
    start = text[: 4 * MOST_CHARACTERS]
    seen = start if start.isprintable() else "".join(_seen(character) for character in start)
    line = " ".join(seen.split())
    return line if len(line) <= MOST_CHARACTERS else line[: MOST_CHARACTERS - 1].rstrip() + "…"


@lru_cache(maxsize=4096)
def escaped(text: str) -> str:
    """Return a text as Markdown that shows it, on one line, wherever in a line it stands.

    A blank at its start and at its end stays, so that a template can join texts. What stands between two backticks is
    code.
    """
    line = one_line(text)
    before, after = (" " if line and text[place].isspace() else "" for place in (slice(0, 1), slice(-1, None)))
    parts = _CODE.split(line)
    return before + "".join(code(part) if n % 2 else _shown(part, n == 0) for n, part in enumerate(parts)) + after


@lru_cache(maxsize=4096)
def _shown(line: str, is_start: bool) -> str:
    """Return a text without code as Markdown that shows it. is_start: whether it may begin a block."""
    start = _BLOCK.match(line) if is_start else None
    parts = [_escaped(line, place) for place in range(len(line))]
    if start and start.end() < len(line):
        parts[start.end()] = "\\" + line[start.end()]
    return _LINKED.sub(NO_WIDTH, "".join(parts))


def code(text: object) -> Markdown:
    """Return a name as code, in which forges link and notify nothing; one that code cannot hold as escaped text."""
    line = one_line(str(text))
    if not line:
        return Markdown(MISSING)
    return Markdown(_shown(line, True)) if "`" in line or "|" in line else Markdown(f"`{line}`")


def plain(text: object) -> Markdown:
    """Return a text for a line of a code block that begins with other characters."""
    return Markdown(one_line(str(text)))


def _seen(character: str) -> str:
    match unicodedata.category(character):
        case "Cc" | "Zl" | "Zp":
            return " " if character.isspace() else ""
        case "Cf":
            return ""
        case "Cs":
            return "\ufffd"
    return character


def _escaped(line: str, place: int) -> str:
    """Return one character of a line as Markdown."""
    character = line[place]
    before, after = line[place - 1 : place], line[place + 1 : place + 2]
    if character in _ENTITIES:
        return _ENTITIES[character]
    if character in _BACKSLASHED or (character == "_" and not (before.isalnum() and after.isalnum())):
        return "\\" + character
    if character == "$" and not after.isdecimal():  # a sum of dollars ends no formula
        return "&dollar;"
    if character in "@#!" and (after.isalnum() or after == "_"):
        return character + NO_WIDTH
    return character
