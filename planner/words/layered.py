"""Rows that lie over others, as one mapping: nothing below is read or changed before somebody asks for it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TypeVar

V = TypeVar("V")


class Layered(Mapping[str, V]):
    """Rows above win over rows below, and those below are shown as `changed` returns them.

    above: rows that are shown as they are.
    below: rows of keys that are not above.
    changed: what becomes of the row below, by its key and value.
    """

    def __init__(self, above: Mapping[str, V], below: Mapping[str, V], changed: Callable[[str, V], V]) -> None:
        self._above, self._below, self._changed = above, below, changed

    def __getitem__(self, key: str) -> V:
        return self._above[key] if key in self._above else self._changed(key, self._below[key])

    def __iter__(self) -> Iterator[str]:
        yield from self._below
        yield from (key for key in self._above if key not in self._below)

    def __contains__(self, key: object) -> bool:
        return key in self._above or key in self._below

    def __len__(self) -> int:
        return sum(1 for _ in self)
