"""Looks figures up in a parsed report, and notes each one that is needed and not there.

    TPOT = (E2E − TTFT)/(O − 1)

O are the output tokens as the *server* counted them. A client that tokenizes the answer again counts other tokens, so
`tpot_by_server` scales its TPOT. What a format cannot say stays None and is never zero.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from measurement.calibration.runs import Latency

SAME_COUNT = 0.02
"""Relative difference of two counts of tokens up to which they are the same."""


@dataclass(frozen=True, slots=True)
class MissingFigure:
    """A figure that is needed and not there.

    key: the word of the file.
    message: what is missing, in words.
    """

    key: str
    message: str


class Sheet:
    """Looks figures up in nested mappings, and adds those that are needed and not there to `missing`."""

    def __init__(self, value: Any, missing: list[MissingFigure]) -> None:
        self.value, self.missing = value, missing

    def at(self, *path: str) -> Any:
        """Whatever stands at a path of keys; None when the path leads nowhere."""
        value = self.value
        for step in path:
            value = value.get(step) if isinstance(value, Mapping) else None
        return value

    def maybe(self, *path: str) -> float | None:
        """The number at a path; None unless it is finite and not negative."""
        value = self.at(*path)
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value) or value < 0.0:
            return None
        return float(value)

    def number(self, *path: str) -> float:
        """A number above zero that is needed. Where there is none, it is noted as missing, and 1.0 stands in for it."""
        value = self.maybe(*path)
        if value is None or value == 0.0:
            there = self.at(*path)
            what = "is missing" if there is None else f"is {there!r}, not a number above zero"
            self.missing.append(MissingFigure(path[-1], f"{'.'.join(path)} {what}"))
            return 1.0
        return value

    def text(self, *path: str) -> str | None:
        """The text at a path; None where there is none or it is empty."""
        value = self.at(*path)
        return value if isinstance(value, str) and value else None


def tpot_by_server(step: Latency, client: float, served: float) -> Latency:
    """The TPOT by the server's count of tokens.

    step: TPOT by the client's count.
    client, served: output tokens of a request as the client and as the server count them.
    """
    if min(client, served) <= 1.0 or abs(client / served - 1.0) <= SAME_COUNT:
        return step
    return step.times((client - 1.0) / (served - 1.0))


def numbers(value: Any) -> list[float]:
    """The numbers in a list; none where the value is not a list."""
    return [float(each) for each in value if isinstance(each, int | float)] if isinstance(value, list) else []


def milliseconds(seconds: float | None) -> float | None:
    """Seconds in ms; None stays None."""
    return None if seconds is None else 1e3 * seconds


def nested_values(value: Any, above: str = "") -> Iterator[tuple[str, Any]]:
    """(keys that lead to it with dots between, value) for every plain value below.

    above: keys that led here.
    """
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from nested_values(inner, f"{above}.{key}" if above else str(key))
    elif isinstance(value, list):
        for inner in value:
            yield from nested_values(inner, above)
    else:
        yield above, value
