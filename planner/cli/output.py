"""Where answers and errors go: stdout for the answer, stderr for the rest, one exit code for each kind of ending."""

from __future__ import annotations

import json
import os
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from planner.words.diagnostics import Problem, Problems, annotation_lines, as_json, closing_line, text_lines

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

MOST_ANNOTATIONS = 10
"""Annotations that GitHub shows of one step, of errors and of warnings each. It drops the others without a word."""
PLAIN_WIDTH = 160
"""Columns of a table when the output is no terminal."""
UNKNOWN_WIDTH = 80
"""Columns of a terminal that does not say how wide it is."""


def console() -> Console:
    """Return standard output as rich sees it. `NO_COLOR` and `COLUMNS` are honoured."""
    from rich.console import Console

    class Piped(Console):
        """A console whose reader may leave. rich would exit with 1; `report_problems` ends quietly."""

        def on_broken_pipe(self) -> None:
            raise BrokenPipeError

    width = None if sys.stdout.isatty() or "COLUMNS" in os.environ else PLAIN_WIDTH
    return Piped(width=width, highlight=False, soft_wrap=False)


def show(parts: Iterable[RenderableType]) -> None:
    """Print parts with an empty line between them, at once, so that what follows on stderr stands below them."""
    out = console()
    with out.capture() as capture:
        for index, part in enumerate(parts):
            if index:
                out.print()
            out.print(part, crop=False)
    for line in capture.get().splitlines():
        print(line.rstrip())
    sys.stdout.flush()


def show_json(value: Any) -> None:
    """Print exactly one JSON document."""
    print(json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False))


def show_text(text: str) -> None:
    """Print a text as it is."""
    print(text, end="")


def note(text: str) -> None:
    """Print a line of progress or advice on stderr."""
    print(text, file=sys.stderr)


def warn(problems: Iterable[Problem]) -> None:
    """Print problems that do not stop this command, as warnings on stderr."""
    report(replace(problem, severity="warning") for problem in problems if problem.severity == "error")


def report(problems: Iterable[Problem], form: str = "text") -> None:
    """Print problems: for a person or a pull request on stderr, for a program as the one document on stdout.

    A CI runner reads annotations on stderr too. What is beyond those that it shows is text in its log. A person reads
    at the end how many there are.
    """
    listed = tuple(problems)
    if form == "json":
        show_json({"problems": as_json(listed)})
        return
    if os.environ.get("GITHUB_ACTIONS") == "true":
        shown = tuple(problem for problem in listed if _is_annotated(problem))
        for line in annotation_lines(_placed_in_the_repository(problem) for problem in shown):
            note(line)
        listed = tuple(problem for problem in listed if problem not in shown)
    for line in text_lines(listed, _width_of_stderr()):
        note(line)
    if closing := closing_line(listed):
        note(closing)


_annotated = Counter[str]()


def _is_annotated(problem: Problem) -> bool:
    """Say whether this verb has an annotation left for a problem, and count it."""
    _annotated[problem.severity] += 1
    return _annotated[problem.severity] <= MOST_ANNOTATIONS


def _placed_in_the_repository(problem: Problem) -> Problem:
    """Return the problem with its file as GitHub looks for it: relative to the checkout, wherever this command runs."""
    checkout = os.environ.get("GITHUB_WORKSPACE")
    if problem.where is None or not checkout:
        return problem
    file = os.path.relpath(os.path.abspath(problem.where.file), checkout)
    return problem if file.startswith(os.pardir) else replace(problem, where=replace(problem.where, file=file))


def _width_of_stderr() -> int | None:
    """Return the columns of the terminal that shows errors; None where they go to a file or to a program."""
    if not sys.stderr.isatty():
        return None
    try:
        columns = os.get_terminal_size(sys.stderr.fileno()).columns
    except OSError:
        columns = 0
    return columns or UNKNOWN_WIDTH


@contextmanager
def report_problems(form: str) -> Iterator[None]:
    """Turn `Problems` into a report and its exit code. A closed pipe and Ctrl-C end quietly."""
    _annotated.clear()
    try:
        yield
        sys.stdout.flush()  # a short answer meets its closed pipe only here
    except Problems as problems:
        report(problems.problems, form)
        raise SystemExit(problems.exit_code) from None
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise SystemExit(0) from None
    except OSError as error:
        note(f"error[IO002]: the output cannot be written: {error.strerror}")
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise SystemExit(2) from None
    except KeyboardInterrupt:
        note("interrupted")
        raise SystemExit(2) from None
