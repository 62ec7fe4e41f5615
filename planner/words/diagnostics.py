"""A problem that a person can act on: a code, a place in a file, what is wrong, and what to do about it.

One run reports all problems of a file. A `Problem` is a value. `Problems` is the exception that carries them from the
core to the command line, which alone prints them. To render them is pure: it gives text with carets, JSON, or CI
annotations.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import Any, Literal

from planner.words.wrapping import wrapped_lines

Severity = Literal["error", "warning"]
MOST_PROBLEMS = 50
"""Problems of one kind of check that are told one by one."""
MORE = "from here on there are more problems"
"""Message of the last problem where more are found than are told."""
LONGEST_LINE = 240
"""Characters of a source line that are shown whole."""


@dataclass(frozen=True, order=True)
class Span:
    """A place in a text file.

    file: path of the file.
    line, column: where the place begins, counted from 1.
    length: number of characters.
    source: text of the line; empty when it is not known.
    """

    file: str
    line: int
    column: int = 1
    length: int = 1
    source: str = field(default="", compare=False)


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong, or doubtful.

    code: its stable name, like `ENV003`; `spillway explain CODE` tells more.
    message: what is wrong, as a sentence.
    where: the place in a file; None when the problem has no single place.
    hint: what the reader can do next; empty only when the message already says it.
    severity: `error`, or `warning` when nothing has to stop.
    about: path of the environment's key that decides it, for the floor that knows where that key stands.
    """

    code: str
    message: str
    where: Span | None = None
    hint: str = ""
    severity: Severity = "error"
    about: tuple[str | int, ...] = ()

    def sort_key(self) -> tuple[str, int, int, str, str]:
        """Return what problems are sorted by: their place, then code and message."""
        place = self.where or Span("", 0)
        return (place.file, place.line, place.column, self.code, self.message)


class Problems(Exception):
    """All problems that stop a command; at least one of them is an error.

    problems: the problems, sorted.
    exit_code: 2 when the command could not answer (bad file, usage, I/O), 1 when the answer is no (stale, denied,
    infeasible).
    """

    def __init__(self, problems: Iterable[Problem], exit_code: int = 2) -> None:
        self.problems = tuple(sorted(problems, key=Problem.sort_key))
        self.exit_code = exit_code
        super().__init__("; ".join(f"{p.code}: {p.message}" for p in self.problems))


def first_of(problems: Iterable[Problem]) -> tuple[Problem, ...]:
    """Return the problems; of more than `MOST_PROBLEMS` the first ones, and one that says that there are more.

    A file that a program wrote may have thousands. No more of them are made than are told.
    """
    found = tuple(islice(problems, MOST_PROBLEMS + 1))
    if len(found) <= MOST_PROBLEMS:
        return found
    more = replace(found[-1], message=MORE, hint="mend those above first")
    return (*found[:-1], more)


def text_lines(problems: Iterable[Problem], width: int | None = None) -> Iterator[str]:
    """Yield lines for a person: `severity[CODE]: message`, the place, the source line with carets, the hint.

    width: columns of the terminal, at which a message and a hint fold at blanks. With None each of them stays on one
    line, so that a program finds it whole.
    """
    for problem in problems:
        yield from wrapped_lines(problem.message, width, f"{problem.severity}[{problem.code}]: ", "  ")
        if problem.where is not None:
            where = problem.where
            yield f"  --> {where.file}:{where.line}:{where.column}"
            if where.source:
                number = str(where.line)
                source, column, length = _excerpt(where)
                yield f"  {number} | {source}"
                # A tab stays a tab, so that the carets stand in the right place whatever the width of a tab is.
                before = "".join("\t" if c == "\t" else " " for c in source[: column - 1].ljust(column - 1))
                yield f"  {' ' * len(number)} | {before}{'^' * max(1, length)}"
        if problem.hint:
            yield from wrapped_lines(problem.hint, width, "  hint: ", "    ")


def closing_line(problems: Sequence[Problem]) -> str:
    """Return the line that counts several problems and names their files; an empty one for fewer than two.

    Where a check found more than it tells, the line says that there are more.
    """
    told = [problem for problem in problems if problem.message != MORE]
    if len(problems) < 2:
        return ""
    errors = sum(problem.severity == "error" for problem in told)
    counts = [(errors, "problem"), (len(told) - errors, "warning")]
    words = " and ".join(f"{count} {what}{'' if count == 1 else 's'}" for count, what in counts if count)
    files = sorted({problem.where.file for problem in told if problem.where is not None})
    return f"{'more than ' if len(told) < len(problems) else ''}{words}{' in ' if files else ''}{', '.join(files)}"


def _excerpt(where: Span) -> tuple[str, int, int]:
    """Return the source line with the column and the length of the place in it; of a very long line the part around."""
    if len(where.source) <= LONGEST_LINE:
        return where.source, where.column, where.length
    start = max(0, where.column - 1 - LONGEST_LINE // 4)
    part = where.source[start : start + LONGEST_LINE]
    before, after = "…" if start else "", "…" if start + LONGEST_LINE < len(where.source) else ""
    column = where.column - start + len(before)
    return before + part + after, column, min(where.length, LONGEST_LINE + 1 - column + len(before))


def as_json(problems: Iterable[Problem]) -> list[dict[str, Any]]:
    """Return the problems as plain values, for `--format json`."""
    return [
        {
            "code": p.code,
            "severity": p.severity,
            "message": p.message,
            "hint": p.hint,
            "file": p.where.file if p.where else None,
            "line": p.where.line if p.where else None,
            "column": p.where.column if p.where else None,
        }
        for p in problems
    ]


def annotation_lines(problems: Iterable[Problem]) -> Iterator[str]:
    """Yield one GitHub workflow command for each problem, so that a pull request shows it beside the line."""
    for p in problems:
        place = f"file={_property(p.where.file)},line={p.where.line},col={p.where.column}," if p.where else ""
        hint = f" hint: {p.hint}" if p.hint else ""
        yield f"::{p.severity} {place}title={_property(p.code)}::{_escape(p.message + hint)}"


def _escape(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _escape(text).replace(":", "%3A").replace(",", "%2C")
