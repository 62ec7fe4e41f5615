"""Sentences for the terminal: they fold at blanks to the width that there is, and keep names whole.

Rich alone would cut a name that is longer than the line, or drop its end.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from rich.console import Console, ConsoleOptions, RenderResult
from rich.text import Text

from planner.words.wrapping import line_spans

Words = str | Text
"""Words with a style, or without one."""


@dataclass(frozen=True)
class Prose:
    """Sentences that fold at blanks.

    words: one sentence or more; a line end in them stays a line end.
    first: what stands before each sentence, like `· `.
    rest: what stands before the other lines into which a sentence folds.
    """

    words: Words
    first: str = ""
    rest: str = ""

    def lines(self, width: int) -> Iterator[Text]:
        """Yield what is printed on a terminal with `width` columns."""
        for sentence in text_of(self.words).split("\n", allow_blank=True):
            for number, line in enumerate(folded_lines(sentence, width - len(self.first), width - len(self.rest))):
                yield Text.assemble(self.rest if number else self.first, line)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        yield from exact_lines(self.lines(options.max_width))


def folded_lines(sentence: Text, width: int, later: int | None = None) -> Iterator[Text]:
    """Yield a sentence in lines of at most `width` columns, or of `later` columns from the second line on.

    A sentence that starts with blanks is indented. Its later lines are indented by two columns more.
    """
    indent = len(sentence.plain) - len(sentence.plain.lstrip(" "))
    hanging = " " * (indent + 2 if indent else 0)
    room = (width if later is None else later) - len(hanging)
    for number, (start, end) in enumerate(line_spans(sentence.plain, width, room)):
        yield Text.assemble(hanging, sentence[start:end]) if number else sentence[start:end]


def exact_lines(lines: Iterator[Text]) -> Iterator[Text]:
    """Yield the lines so marked that rich prints them as they are, however wide."""
    for line in lines:
        line.no_wrap, line.overflow = True, "ignore"
        yield line


def text_of(words: Words) -> Text:
    """Return words with their style; plain words have none."""
    return words if isinstance(words, Text) else Text(words)
