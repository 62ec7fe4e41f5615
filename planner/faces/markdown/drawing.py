"""The body of a comment: a template is filled with a review, and shortened until it fits the forge.

Sections fall in the fixed order `FALLS_FIRST`, and the body names them with the command that shows them. Headline,
what speaks against the lock, and risks never fall. Where even these are too long, the body says how many more there
are.

A team's template is tried first. Where it has an error or is too long, the shipped one is used, and a problem says so:
COM006.
"""

from __future__ import annotations

import re
import traceback
from dataclasses import dataclass
from typing import Any

from jinja2 import BaseLoader, ChoiceLoader, DictLoader, PackageLoader, PrefixLoader, StrictUndefined, TemplateError
from jinja2.sandbox import ImmutableSandboxedEnvironment
from markupsafe import Markup

from planner.documents.review import Cause, Review
from planner.faces.markdown import words
from planner.faces.markdown.escaping import Markdown, one_line
from planner.plan.review import Alternative
from planner.words.diagnostics import Problem, Span

FALLS_FIRST = {
    "assumptions": "assumptions",
    "prices": "prices",
    "runners_up": "runners-up",
    "lines": "cost lines",
    "touched": "what a deployment touches",
    "pools": "pools",
    "routes": "routes",
    "causes": "why it changed",
    "checks": "checks",
    "figures": "the table of figures",
}
"""Sections that may fall, in this order, with their names in a sentence."""
MOST_ROWS = 60
"""Rows of a table that are shown; the others are counted."""
SHIPPED = "shipped/comment.md.j2"
_PROBLEMS = "shipped/problems.md.j2"
_FROM_TEXT = "<template>"
"""File of a template that jinja2 did not read itself, as a traceback names it."""
LONGEST_RENDERED = 4_000_000
"""Characters at which a team's template is stopped."""
_UNSAFE = ("safe", "e", "escape", "forceescape", "tojson", "urlize", "xmlattr", "pprint")
"""Filters of jinja2 that would print a value as HTML."""


@dataclass(frozen=True)
class ReviewPage:
    """A review page is a review with what stands beside it in a comment.

    review: what the change does.
    problems: what speaks against the lock.
    runners_up: plans that were not taken.
    command: what prints the whole page.
    """

    review: Review
    problems: tuple[Problem, ...]
    runners_up: tuple[Alternative, ...]
    command: str

    @property
    def is_quiet(self) -> bool:
        """Say whether nothing changed that a reader would act on. Only headline, checks and footer are drawn then."""
        review = self.review
        return (
            review.base_usd_per_month == review.usd_per_month
            and not review.touched
            and not review.risks
            and not any(cause.usd_per_month or _is_input(cause) for cause in review.attribution.causes)
            and all(check.standing or check.state == "pass" for check in review.checks)
            and not self.problems
        )


def _is_input(cause: Cause) -> bool:
    """Say whether a cause is a changed line of a file. Newer prices that change nothing are none."""
    return cause.kind != "prices" and cause.old != cause.new


@dataclass(frozen=True)
class TeamTemplate:
    """A template of a team. file: its path. text: what it says."""

    file: str
    text: str


@dataclass(frozen=True)
class Drawn:
    """A body that fits.

    text: Markdown that ends with a line.
    dropped: names of the sections that fell.
    problems: what is wrong with the team's template.
    """

    text: str
    dropped: tuple[str, ...]
    problems: tuple[Problem, ...] = ()


class _TooLong(Exception):
    """A template printed more than any forge takes."""


def draw(page: ReviewPage, limit: int | None = None, folds: bool = True, team: TeamTemplate | None = None) -> Drawn:
    """Return the body of a comment.

    limit: most characters of it; None for no limit.
    folds: whether the forge shows `<details>`.
    """
    problems: tuple[Problem, ...] = ()
    if team is not None:
        try:
            drawn = _fitted(page, limit, folds, team, ())
        except _TooLong:
            drawn = None
            problems = (_of_template(team, 1, "it prints without end"),)
        except Exception as error:  # a template may raise whatever its expressions raise
            drawn = None
            problems = (_of_template(team, _line(error), _reason(error)),)
        if drawn is not None and (limit is None or len(drawn.text) <= limit):
            return drawn
        problems = problems or (_of_template(team, 1, f"its body is longer than {limit:,} characters"),)
    drawn = _fitted(page, limit, folds, None, problems)
    return Drawn(drawn.text, drawn.dropped, problems)


def draw_problems(environment: str, problems: tuple[Problem, ...], limit: int | None = None) -> Drawn:
    """Return the body of a comment for an environment of which no plan can be shown."""
    template = _environment(None).get_template(_PROBLEMS)
    most = len(problems)
    while True:
        text = template.render(environment=environment, problems=problems, most=most).strip() + "\n"
        if limit is None or len(text) <= limit or most <= 1:
            return Drawn(text, ())
        most //= 2


def _fitted(
    page: ReviewPage, limit: int | None, folds: bool, team: TeamTemplate | None, problems: tuple[Problem, ...]
) -> Drawn:
    """Return the body after as few sections fell as the limit asks for."""
    pen = _Pen(page, limit, folds, team, problems)
    text, dropped = pen.text((), None), tuple[str, ...]()
    for name in FALLS_FIRST:
        if limit is None or len(text) <= limit:
            return Drawn(text, dropped)
        shorter = pen.text((*dropped, name), None)
        if len(shorter) < len(text):
            text, dropped = shorter, (*dropped, name)
    most = max(len(page.review.risks), len(page.problems) + len(problems))
    while limit is not None and len(text) > limit and most > 0:
        most //= 2
        text = pen.text(dropped, most)
    return Drawn(text, dropped)


class _Pen:
    """Fills one template with one page."""

    def __init__(
        self,
        page: ReviewPage,
        limit: int | None,
        folds: bool,
        team: TeamTemplate | None,
        problems: tuple[Problem, ...],
    ) -> None:
        environment = _environment(team)
        self._template = environment.get_template(team.file if team else SHIPPED)
        self._folds = folds
        self._is_quiet = page.is_quiet
        self._is_teams = team is not None
        self._values: dict[str, Any] = {
            "review": page.review,
            "problems": (*page.problems, *problems),
            "runners_up": page.runners_up,
            "command": page.command,
            "limit": limit,
            "checks": words.in_order(page.review.checks),
            "moved": tuple(line for line in page.review.lines if line.base_usd_per_month != line.usd_per_month),
            "most_rows": MOST_ROWS,
            "amount": words.amount,
            "change": words.change,
            "was_now": words.was_now,
            "promise_words": words.promise_words,
            "fold": self._fold,
        }

    def text(self, dropped: tuple[str, ...], most: int | None) -> str:
        """Return the text without the sections that fell. most: risks and problems that are shown; None for all."""
        values = {
            **self._values,
            "shows": lambda name: name not in dropped and (name == "checks" or not self._is_quiet),
            "dropped": tuple(FALLS_FIRST[name] for name in dropped),
            "most": most,
        }
        parts, length = [], 0
        for part in self._template.generate(values):
            parts.append(part)
            length += len(part)
            if length > LONGEST_RENDERED and self._is_teams:
                raise _TooLong
        lines = "\n".join(line.rstrip() for line in "".join(parts).strip().split("\n"))
        return re.sub(r"\n{3,}", "\n\n", lines) + "\n"

    def _fold(self, title: str, caller: Any) -> Markdown:
        """Return a section that opens at a click, where the forge knows that; else under its title."""
        inside = str(caller()).strip()
        if self._folds:
            title = Markup.escape(one_line(str(title)))  # it stands in HTML, where Markdown has no meaning
            return Markdown(f"\n<details><summary>{title}</summary>\n\n{inside}\n\n</details>\n\n")
        return Markdown(f"\n**{Markdown.escape(title)}**\n\n{inside}\n\n")


def _environment(team: TeamTemplate | None) -> ImmutableSandboxedEnvironment:
    """Return the templates and what they may do. Every value is escaped unless it is Markdown already."""
    loaders: list[BaseLoader] = [PrefixLoader({"shipped": PackageLoader("planner.faces.markdown")})]
    if team is not None:
        loaders.insert(0, DictLoader({team.file: team.text}))
    environment = ImmutableSandboxedEnvironment(
        loader=ChoiceLoader(loaders),
        undefined=StrictUndefined,
        autoescape=True,  # a macro and a block then return markup, which `finalize` leaves alone
        finalize=_finalize,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    for name in _UNSAFE:
        environment.filters.pop(name, None)
    environment.filters.update(words.filters())
    return environment


def _finalize(value: Any) -> Any:
    return value if hasattr(value, "__html__") else Markdown.escape(value)


def _of_template(team: TeamTemplate, line: int, reason: str) -> Problem:
    lines = team.text.splitlines()
    source = lines[line - 1] if 0 < line <= len(lines) else ""
    hint = f"the shipped template was used; `{{% extends '{SHIPPED}' %}}` and replace single blocks of it"
    return Problem("COM006", f"the team's template was not used: {reason}", Span(team.file, line, source=source), hint)


def _line(error: Exception) -> int:
    """Return the line of a template in which an error was raised, from 1."""
    if isinstance(error, TemplateError) and isinstance(number := getattr(error, "lineno", None), int):
        return number
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename == _FROM_TEXT]
    return (frames[-1].lineno or 1) if frames else 1


def _reason(error: Exception) -> str:
    said = " ".join(str(error).split()) or type(error).__name__
    return said if isinstance(error, TemplateError) else f"{type(error).__name__}: {said}"
