"""What a reader of a terminal sees of renderables: plain text of a fixed width."""

from __future__ import annotations

import io
from collections.abc import Iterable

from rich.console import Console, RenderableType

WIDTH = 120


def shown(*parts: RenderableType, width: int = WIDTH) -> str:
    """The parts with an empty line between them, without colour or blanks at the ends of lines."""
    return _printed(parts, Console(file=io.StringIO(), width=width, highlight=False, no_color=True))


def coloured(*parts: RenderableType) -> str:
    """The same with the codes of a terminal."""
    console = Console(file=io.StringIO(), width=WIDTH, highlight=False, force_terminal=True, color_system="standard")
    return _printed(parts, console)


def _printed(parts: Iterable[RenderableType], console: Console) -> str:
    for index, part in enumerate(parts):
        if index:
            console.print()
        console.print(part)
    assert isinstance(console.file, io.StringIO)
    return "\n".join(line.rstrip() for line in console.file.getvalue().splitlines())
