"""Figures looked up in a parsed report, and a note of each that is needed and not there.

TPOT is (E2E − TTFT)/(O − 1) with O as the *server* counted it: a client that tokenizes the answer again counts other
tokens, so `recounted` scales its TPOT. What a format cannot say stays None, never zero.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from measurement.calibration.runs import Latency

SAME_COUNT = 0.02
"""Relative difference of two token counts below which they are the same."""


@dataclass(frozen=True, slots=True)
class Missing:
    """A figure that is needed and not there. key: the word of the file."""

    key: str
    message: str


class Sheet:
    """Looks figures up in nested mappings, and notes those that are needed and not there."""

    def __init__(self, value: Any, missing: list[Missing]) -> None:
        self.value, self.missing = value, missing

    def at(self, *path: str) -> Any:
        """Whatever stands at a path; None when the path leads nowhere."""
        found = self.value
        for step in path:
            found = found.get(step) if isinstance(found, Mapping) else None
        return found

    def maybe(self, *path: str) -> float | None:
        """A finite number that is not negative, if one stands there."""
        found = self.at(*path)
        if isinstance(found, bool) or not isinstance(found, int | float) or not math.isfinite(found) or found < 0.0:
            return None
        return float(found)

    def number(self, *path: str) -> float:
        """A number that is needed; 1.0 in its place when it is missing, which is then noted."""
        found = self.maybe(*path)
        if found is None or found == 0.0:
            said = self.at(*path)
            what = "is missing" if said is None else f"is {said!r}, not a number above zero"
            self.missing.append(Missing(path[-1], f"{'.'.join(path)} {what}"))
            return 1.0
        return found

    def text(self, *path: str) -> str | None:
        """A text that is not empty."""
        found = self.at(*path)
        return found if isinstance(found, str) and found else None


def recounted(step: Latency, client: float, served: float) -> Latency:
    """TPOT by the server's count of tokens, from that by the client's."""
    if min(client, served) <= 1.0 or abs(client / served - 1.0) <= SAME_COUNT:
        return step
    return step.times((client - 1.0) / (served - 1.0))


def numbers(value: Any) -> list[float]:
    return [float(each) for each in value if isinstance(each, int | float)] if isinstance(value, list) else []


def milliseconds(value: float | None) -> float | None:
    return None if value is None else 1e3 * value


def nested(value: Any, above: str = "") -> Iterator[tuple[str, Any]]:
    """Every plain value below, with the keys that lead to it."""
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from nested(inner, f"{above}.{key}" if above else str(key))
    elif isinstance(value, list):
        for inner in value:
            yield from nested(inner, above)
    else:
        yield above, value
