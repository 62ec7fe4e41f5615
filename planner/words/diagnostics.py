"""A problem that a person can act on: a code, a place in a file, what is wrong, and what to do about it.

One run reports all problems of a file. A `Problem` is a value; `Problems` is the exception that carries them from the
core to the command line, which alone prints them. Rendering is pure: text with carets, JSON, or CI annotations.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, Literal

from planner.words.wrapping import wrapped_lines

Severity = Literal["error", "warning"]


@dataclass(frozen=True, order=True)
class Span:
    """A place in a text file. Lines and columns count from 1; `length` is in characters."""

    file: str
    line: int
    column: int = 1
    length: int = 1
    source: str = field(default="", compare=False)


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong, or doubtful.

    code: stable, like `ENV003`; `spillway explain CODE` tells more.
    where: None when the problem has no single place.
    hint: what the reader can do next; empty only when the message already says so.
    about: path of the environment's key that decides it, for the floor that knows where that key stands.
    """

    code: str
    message: str
    where: Span | None = None
    hint: str = ""
    severity: Severity = "error"
    about: tuple[str, ...] = ()

    def sort_key(self) -> tuple[str, int, int, str, str]:
        place = self.where or Span("", 0)
        return (place.file, place.line, place.column, self.code, self.message)


class Problems(Exception):
    """What stops a command: at least one error, all of them known.

    exit_code: 2 could not answer (bad file, usage, I/O); 1 the answer is no (stale, denied, infeasible).
    """

    def __init__(self, problems: Iterable[Problem], exit_code: int = 2) -> None:
        self.problems = tuple(sorted(problems, key=Problem.sort_key))
        self.exit_code = exit_code
        super().__init__("; ".join(f"{p.code}: {p.message}" for p in self.problems))


def text_lines(problems: Iterable[Problem], width: int | None = None) -> Iterator[str]:
    """Lines for a person: `severity[CODE]: message`, the place, the source line with carets, the hint.

    width: columns of the terminal, where a message and a hint fold at blanks. None leaves each of them on one line, so
    that a program finds it whole.
    """
    for problem in problems:
        yield from wrapped_lines(problem.message, width, f"{problem.severity}[{problem.code}]: ", "  ")
        if problem.where is not None:
            where = problem.where
            yield f"  --> {where.file}:{where.line}:{where.column}"
            if where.source:
                number = str(where.line)
                yield f"  {number} | {where.source}"
                # A tab stays a tab, so that the carets stand under what they mean whatever a tab's width is.
                before = "".join(
                    "\t" if c == "\t" else " " for c in where.source[: where.column - 1].ljust(where.column - 1)
                )
                yield f"  {' ' * len(number)} | {before}{'^' * max(1, where.length)}"
        if problem.hint:
            yield from wrapped_lines(problem.hint, width, "  hint: ", "    ")


def as_json(problems: Iterable[Problem]) -> list[dict[str, Any]]:
    """The same problems as plain values for `--format json`."""
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
    """GitHub workflow commands, one a problem, so that a pull request shows them beside the line."""
    for p in problems:
        place = f"file={_property(p.where.file)},line={p.where.line},col={p.where.column}," if p.where else ""
        hint = f" hint: {p.hint}" if p.hint else ""
        yield f"::{p.severity} {place}title={_property(p.code)}::{_escaped(p.message + hint)}"


def _escaped(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _escaped(text).replace(":", "%3A").replace(",", "%2C")
