"""What a schema cannot say of a deadline: it stands alone, leaves whole hours, and nobody waits for the answers.

The shape of a plan's load is a week of hours. A deadline below two hours leaves no hour in which work could wait, and
one beyond a week would let it wait for longer than the week that a plan repeats.
"""

from __future__ import annotations

from collections.abc import Iterator

from planner.domain.route import LONGEST_DEADLINE_MS, SHORTEST_DEADLINE_MS
from planner.words.diagnostics import Problem
from planner.words.spans import Document, Path, value_at
from planner.words.units import duration_ms

TIMES = ("ttft_p95", "tpot_p95", "e2e_p95", "tokens_per_second")
"""Promises of an answer for which somebody waits."""


def deadline_problems(document: Document, path: Path) -> Iterator[Problem]:
    """Yield what is wrong with the deadline of a route (ENV005). path: that of its `slo`, which has one."""
    slo, name = value_at(document.value, path), path[-2]
    where: Path = (*path, "deadline")
    if stated := [key for key in TIMES if slo.get(key) is not None]:
        message = (
            f"route `{name}` has a deadline and promises {' and '.join(f'`{key}`' for key in stated)}: its requests "
            "either wait for their turn or are answered at once"
        )
        hint = "keep one of them; what must be answered at once is a route of its own"
        yield Problem("ENV005", message, document.at((*path, stated[0])), hint)
    try:
        deadline = duration_ms(slo["deadline"])
    except ValueError:
        return  # the schema tells
    if deadline < SHORTEST_DEADLINE_MS:
        message = f"route `{name}`: a deadline of {slo['deadline']} leaves no hour in which work could wait"
        hint = "write 2h or more, or promise `e2e_p95:` to answer as requests come"
        yield Problem("ENV005", message, document.at(where), hint)
    if deadline > LONGEST_DEADLINE_MS:
        message = f"route `{name}`: a deadline of {slo['deadline']} is longer than the week that a plan repeats"
        yield Problem("ENV005", message, document.at(where), "write 7d or less")
    users: Path = (*path[:-1], "traffic", "users")
    if value_at(document.value, users) is not None:
        message = f"route `{name}` has a deadline and users who wait for their answers"
        hint = "say how many requests come: `requests_per_second:` or `requests: {per_day: …}`"
        yield Problem("ENV005", message, document.at(users), hint)
