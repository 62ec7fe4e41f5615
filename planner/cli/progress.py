"""What a long command is doing, on a terminal. It vanishes when the command ends, and no file ever holds it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import Progress, ProgressColumn, Task
from rich.text import Text

QUIET_S = 1.0
"""Seconds of a command during which nothing is shown, because short ones need no company."""


class Doing(ProgressColumn):
    """What is done, and for how many seconds already."""

    def render(self, task: Task) -> Text:
        """Return the line; nothing in the first second."""
        elapsed_s = task.elapsed or 0.0
        return Text("" if elapsed_s < QUIET_S else f"{task.description} · {elapsed_s:.0f} s", style="dim")


@contextmanager
def stages(what: str, console: Console | None = None) -> Iterator[Callable[[str], None]]:
    """Show what is done while the block runs; yield what is told each stage of it.

    On a pipe, in a file and on a terminal that cannot move its cursor, nothing is shown.
    """
    console = console or Console(stderr=True)
    if not console.is_terminal or console.is_dumb_terminal:
        yield lambda stage: None
        return
    with Progress(
        Doing(), console=console, transient=True, redirect_stdout=False, redirect_stderr=False, refresh_per_second=4
    ) as progress:
        task = progress.add_task(what, total=None)
        yield lambda stage: progress.update(task, description=f"{what}: {stage}")
