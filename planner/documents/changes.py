"""Changes between two trees of plain values: the keys that differ, as values; `change_words` puts one into words."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from planner.words.spans import Path, value_at


@dataclass(frozen=True)
class KeyChange:
    """A key change is one plain value that differs.

    path: the keys that lead to it from the top.
    old, new: the value on both sides; None where the key is absent.
    """

    path: Path
    old: Any
    new: Any


def key_changes(old: Any, new: Any, path: Path = ()) -> tuple[KeyChange, ...]:
    """Return the plain values that differ, in the order of sorted keys; lists of different length differ whole."""
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        keys = sorted({*old, *new})
        nested = [key_changes(old.get(key), new.get(key), (*path, key)) for key in keys]
        return tuple(change for changes in nested for change in changes)
    if isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        nested = [key_changes(a, b, (*path, i)) for i, (a, b) in enumerate(zip(old, new, strict=True))]
        return tuple(change for changes in nested for change in changes)
    return () if old == new else (KeyChange(path, old, new),)


def with_whole_lists(changes: tuple[KeyChange, ...], old: Any, new: Any, nested: bool = True) -> tuple[KeyChange, ...]:
    """Return changes between two trees with every list as one value, as a person changed it.

    nested: whether lists of mappings are one value too.
    """
    whole: dict[Path, KeyChange] = {}
    for change in changes:
        steps = [index for index, step in enumerate(change.path) if isinstance(step, int)]
        path = change.path[: steps[0]] if steps and (nested or steps[0] == len(change.path) - 1) else change.path
        if path == change.path:
            whole[path] = change
        else:
            whole[path] = KeyChange(path, value_at(old, path), value_at(new, path))
    return tuple(whole.values())


def change_words(change: KeyChange) -> str:
    """Tell one change, like `routes.chat.slo.tpot_p95: "60ms" → "80ms"`."""
    key = ".".join(str(step) for step in change.path)
    return f"{key}: {_shown(change.old)} → {_shown(change.new)}"


def _shown(value: Any) -> str:
    return "nothing" if value is None else json.dumps(value, ensure_ascii=False)
