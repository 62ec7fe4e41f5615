"""What else could have been done, as values: plans that were not taken, and the same environment at other loads.

They are plans of environments that ask for them (`what_ifs`). `replans` makes them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from planner.decision.choice.choice import Choice


@dataclass(frozen=True)
class Other:
    """This is another plan, which was not taken or does not exist.

    usd_per_month: its cost, USD a month; None when it does not exist.
    description: what it is, or why it does not exist.
    """

    name: str
    usd_per_month: Decimal | None
    description: str


@dataclass(frozen=True)
class Scaled:
    """A scaled choice is the choice at a multiple of the load.

    scale: the multiple.
    usd_per_month: its cost, USD a month.
    all_api_usd: cost with every route at an API that may use one, USD a month; None when no route may, or when no such
    plan exists.
    """

    scale: float
    choice: Choice
    usd_per_month: Decimal
    all_api_usd: Decimal | None


@dataclass(frozen=True)
class Unscaled:
    """There is no plan at a multiple of the load.

    why_not: what stands in the way, as a sentence without its end.
    """

    scale: float
    why_not: str


@dataclass(frozen=True)
class Alternatives:
    """The alternatives are all that is told beside a plan of what else could have been done.

    baselines: plans that a team would make without this planner, and the price of its caution.
    runners_up: plans that differ in kind from the choice.
    break_even: the choice at multiples of the load, or why there is none.
    """

    baselines: Sequence[Other]
    runners_up: Sequence[Other]
    break_even: Sequence[Scaled | Unscaled]


def machines_words(choice: Choice) -> str:
    """Tell the machines of a choice, like `3 × g6e.xlarge + 2 × p5.4xlarge`; `no machines` when there are none."""
    return " + ".join(f"{count} × {name}" for name, count in choice.hosts().items()) or "no machines"
