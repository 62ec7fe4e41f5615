"""A linear program under construction: named columns and rows. It knows neither what they mean nor how it is solved.

A row carries a name for people and, where it stands for a limit that a team can move, that limit as a value.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from planner.decision.choice.limits import Limit

INFINITY = float("inf")
TIE_BREAK_USD = 0.01
"""Cost of each class and each replica, USD, so that of plans with equal cost the one with fewer of them wins. It is far
below any difference that matters, and no part of the cost that is told."""


@dataclass(frozen=True)
class Column:
    """A column is a variable of the program.

        0 ≤ value ≤ upper

    cost: what one unit of the value adds to the objective.
    integer: whether the value is a whole number.
    """

    name: str
    cost: float
    upper: float
    integer: bool


@dataclass(frozen=True)
class Row:
    """A row is a constraint of the program.

        lower ≤ Σ coefficient·column ≤ upper

    terms: (index of a column, coefficient), in the order of the columns.
    limit: the limit that the row stands for; None where a team cannot move it.
    """

    name: str
    lower: float
    upper: float
    terms: tuple[tuple[int, float], ...]
    limit: Limit | None = None


@dataclass
class Linear:
    """A linear program minimises Σ cost·column subject to its rows.

    index: place of a column by its name, which is unique.
    """

    columns: list[Column] = field(default_factory=list)
    rows: list[Row] = field(default_factory=list)
    index: dict[str, int] = field(default_factory=dict)

    def continuous(self, name: str, cost: float = 0.0, upper: float = INFINITY) -> str:
        """Add a real variable, 0 ≤ value ≤ upper, and return its name."""
        return self._add(Column(name, cost, upper, False))

    def integer(self, name: str, cost: float = 0.0, upper: float = INFINITY) -> str:
        """Add a whole variable, 0 ≤ value ≤ upper, and return its name."""
        return self._add(Column(name, cost, upper, True))

    def binary(self, name: str, cost: float = 0.0) -> str:
        """Add a variable that is 0 or 1, and return its name."""
        return self._add(Column(name, cost, 1.0, True))

    def at_most(self, name: str, terms: Iterable[tuple[str, float]], bound: float, limit: Limit | None = None) -> None:
        """Add the row Σ coefficient·column ≤ bound."""
        self._row(name, -INFINITY, bound, terms, limit)

    def equal(self, name: str, terms: Iterable[tuple[str, float]], value: float, limit: Limit | None = None) -> None:
        """Add the row Σ coefficient·column = value."""
        self._row(name, value, value, terms, limit)

    def _add(self, column: Column) -> str:
        if column.name in self.index:
            raise KeyError(f"column {column.name} exists")
        self.index[column.name] = len(self.columns)
        self.columns.append(column)
        return column.name

    def _row(
        self, name: str, lower: float, upper: float, terms: Iterable[tuple[str, float]], limit: Limit | None
    ) -> None:
        merged: dict[int, float] = {}
        for column, coefficient in terms:
            position = self.index[column]
            merged[position] = merged.get(position, 0.0) + coefficient
        self.rows.append(Row(name, lower, upper, tuple(sorted(merged.items())), limit))
