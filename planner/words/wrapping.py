"""Text that is broken into lines at blanks: a name or a figure is never cut.

A blank beside `×`, and the blank between a number and its unit, are no places to break, because `2 × g6.xlarge` and
`60 ms` read as one. A word that is longer than the line stays whole and sticks out.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator

_BREAK = re.compile(r"(?<![ ×]) +(?![ ×])(?!(?<=\d )(?:%|ms|s|h|GB|MiB|GiB)(?!\w))")


def columns_of(text: str) -> int:
    """Return the columns that a text takes on a terminal. A Chinese character takes two, an accent none."""
    if text.isascii():
        return len(text)
    return sum(
        0 if unicodedata.combining(character) else 2 if unicodedata.east_asian_width(character) in "WF" else 1
        for character in text
    )


def longest_word(text: str) -> int:
    """Return the columns of the longest part of a text that is never broken."""
    return max((columns_of(text[start:end]) for start, end in _words(text)), default=0)


def line_spans(text: str, width: int, later: int | None = None) -> Iterator[tuple[int, int]]:
    """Yield the start and the end of each line of a text that has no line ends.

    Blanks at the start of the text stay. Blanks where a line is broken belong to no line.

    width: columns of the first line.
    later: columns of the other lines; the same unless given.
    """
    start, end, room = 0, 0, width
    for word_start, word_end in _words(text):
        if end > start and columns_of(text[start:word_end]) > room:
            yield start, end
            start, room = word_start, width if later is None else later
        end = word_end
    yield start, end


def wrapped_lines(text: str, width: int | None, first: str = "", rest: str = "") -> Iterator[str]:
    """Yield the lines of a text. The first stands behind `first`, the later ones behind `rest`.

    width: columns; None leaves one line.
    """
    if width is None:
        yield first + text
        return
    for number, (start, end) in enumerate(line_spans(text, width - columns_of(first), width - columns_of(rest))):
        yield (rest if number else first) + text[start:end]


def clipped(text: str, most: int = 60) -> str:
    """Return a text, or of one that is longer than `most` characters its beginning and how long it is."""
    return text if len(text) <= most else f"{text[: most - 20]}… ({len(text):,} characters)"


def _words(text: str) -> Iterator[tuple[int, int]]:
    """Yield the start and the end of each part that is never broken; the first includes the blanks before it."""
    start = len(text) - len(text.lstrip(" "))
    for blank in _BREAK.finditer(text, start):
        yield start, blank.start()
        start = blank.end()
    if text[start:].rstrip(" "):
        yield start, len(text.rstrip(" "))
