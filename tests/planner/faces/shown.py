"""What a reader of a terminal sees of renderables: plain text of a fixed width."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable

from rich.console import Console, RenderableType

from planner.words.wrapping import columns_of, longest_word

WIDTH = 120
WIDTHS = (60, 66, 72, 80, 88, 100, 120, 140, 160, 200)
"""Terminals on which every view is tried."""


def shown(*parts: RenderableType, width: int = WIDTH) -> str:
    """The parts with an empty line between them, without colour or blanks at the ends of lines."""
    return _printed(parts, Console(file=io.StringIO(), width=width, highlight=False, no_color=True))


def coloured(*parts: RenderableType) -> str:
    """The same with the codes of a terminal."""
    console = Console(file=io.StringIO(), width=WIDTH, highlight=False, force_terminal=True, color_system="standard")
    return _printed(parts, console)


def assert_fits(text: str, width: int) -> None:
    """No line is wider, save one that holds a single name."""
    for line in text.splitlines():
        word = line.strip()
        assert columns_of(line) <= width or longest_word(word) == columns_of(word), f"{width}: {line}"


def assert_folds(view: Callable[[], Iterable[RenderableType]]) -> None:
    """On every terminal the lines of a view fit, and each of its words is whole.

    The words are those of a terminal that is wide enough for everything. A part of a name that was cut in two is none
    of them.
    """
    wide = shown(*view(), width=100_000)
    for width in WIDTHS:
        text = shown(*view(), width=width)
        assert_fits(text, width)
        lines = [line for line in text.splitlines() if not line.startswith("left out: ") or line in wide]
        cut = _words("\n".join(lines)) - _words(wide) - {"·"}
        assert cut <= _words(" ".join(LONG_TITLES)), f"{width}: {sorted(cut)}"


LONG_TITLES = ("TTFT p95", "TTFT in SLO", "TPOT p95", "TPOT in SLO", "TPOT shipped", "TTFT now")
"""Labels of columns whose title is shorter where all columns stand side by side."""


def _words(text: str) -> set[str]:
    return {word.removesuffix(":") for word in text.split()}


def _printed(parts: Iterable[RenderableType], console: Console) -> str:
    for index, part in enumerate(parts):
        if index:
            console.print()
        console.print(part, crop=False)
    assert isinstance(console.file, io.StringIO)
    return "\n".join(line.rstrip() for line in console.file.getvalue().splitlines())
