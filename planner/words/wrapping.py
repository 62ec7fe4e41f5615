"""Text that is broken into lines at blanks: a name or a figure is never cut.

A blank beside `×` and the blank between a number and its unit are no places to break, for `2 × g6.xlarge` and `60 ms`
read as one. A word that is longer than the line stays whole and stands out.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator

_BREAK = re.compile(r"(?<![ ×]) +(?![ ×])(?!(?<=\d )(?:%|ms|s|h|GB|MiB|GiB)(?!\w))")


def columns_of(text: str) -> int:
    """Columns that a text takes on a terminal: a Chinese character takes two, an accent none."""
    if text.isascii():
        return len(text)
    return sum(
        0 if unicodedata.combining(character) else 2 if unicodedata.east_asian_width(character) in "WF" else 1
        for character in text
    )


def longest_word(text: str) -> int:
    """Columns of the longest part that is never broken."""
    return max((columns_of(text[start:end]) for start, end in _words(text)), default=0)


def line_spans(text: str, width: int, later: int | None = None) -> Iterator[tuple[int, int]]:
    """Start and end of each line of a text without line ends.

    width: columns of the first line; later: columns of the others, the same unless given. Blanks at the start stay,
    those where a line is broken belong to no line.
    """
    start, end, room = 0, 0, width
    for word_start, word_end in _words(text):
        if end > start and columns_of(text[start:word_end]) > room:
            yield start, end
            start, room = word_start, width if later is None else later
        end = word_end
    yield start, end


def wrapped_lines(text: str, width: int | None, first: str = "", rest: str = "") -> Iterator[str]:
    """The lines of a text behind `first`, the later ones behind `rest`; one line where `width` is None."""
    if width is None:
        yield first + text
        return
    for number, (start, end) in enumerate(line_spans(text, width - columns_of(first), width - columns_of(rest))):
        yield (rest if number else first) + text[start:end]


def _words(text: str) -> Iterator[tuple[int, int]]:
    start = len(text) - len(text.lstrip(" "))
    for blank in _BREAK.finditer(text, start):
        yield start, blank.start()
        start = blank.end()
    if text[start:].rstrip(" "):
        yield start, len(text.rstrip(" "))
