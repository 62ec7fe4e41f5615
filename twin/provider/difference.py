"""What changed between the inputs that a resource has and the inputs that it shall have.

A pure function over two property trees yields one `PropertyChange` for each leaf that differs, with the path in the
engine's own notation. Whether a change replaces the resource is a property of its type: a set of path prefixes.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Set
from dataclasses import dataclass
from typing import Any, Final, Literal

from twin.provider.wire import UNKNOWN, plain

_BOOKKEEPING: Final = frozenset({"__defaults"})
"""Keys by which providers remember which inputs they completed. They are never a change of their own."""

ChangeKind = Literal["add", "delete", "update"]


@dataclass(frozen=True)
class PropertyChange:
    """A change is one leaf that differs. `replaces` says that the resource cannot take it in place."""

    path: str
    kind: ChangeKind
    replaces: bool

    @property
    def top(self) -> str:
        """Return the top-level property that holds the leaf."""
        return re.split(r"[.\[]", self.path, maxsplit=1)[0]


def property_changes(
    old: Mapping[str, Any],
    new: Mapping[str, Any],
    *,
    replace_on: Set[str] = frozenset(),
    unordered: Set[str] = frozenset(),
) -> list[PropertyChange]:
    """List the changes from `old` to `new`, ordered by path.

    `replace_on` holds path prefixes (`name`, `launchTemplate.id`); `unordered` holds paths of lists that the service
    keeps as sets. An unknown new value counts as changed. Texts that are the same JSON document are equal.
    """
    leaves = _walk(plain(old), plain(new), "", unordered)
    return sorted(
        (PropertyChange(path, kind, any(_within(path, prefix) for prefix in replace_on)) for path, kind in leaves),
        key=lambda change: change.path,
    )


def _walk(old: Any, new: Any, path: str, unordered: Set[str]) -> Iterator[tuple[str, ChangeKind]]:
    if isinstance(old, dict) and isinstance(new, dict):
        for key in {**old, **new}:
            if key not in _BOOKKEEPING:
                yield from _walk(old.get(key), new.get(key), _child(path, key), unordered)
        return
    if isinstance(old, list) and isinstance(new, list):
        if path in unordered and UNKNOWN not in new:
            old, new = sorted(old, key=_order), sorted(new, key=_order)
        for index in range(max(len(old), len(new))):
            before = old[index] if index < len(old) else None
            after = new[index] if index < len(new) else None
            yield from _walk(before, after, f"{path}[{index}]", unordered)
        return
    if _equal(old, new):
        return
    yield path, "add" if _absent(old) else "delete" if _absent(new) else "update"


def _equal(old: Any, new: Any) -> bool:
    if old is UNKNOWN or new is UNKNOWN:
        return False
    if old == new or (_absent(old) and _absent(new)):
        return True
    if isinstance(old, str) and isinstance(new, str):
        return old[:1] in "{[" and _document(old) is not None and _document(old) == _document(new)
    # Providers accept numbers and booleans as text; `7` and `"7"` are one value.
    return isinstance(old, str) != isinstance(new, str) and _as_text(old) == _as_text(new)


def _absent(value: Any) -> bool:
    return value is None or value == {} or value == []


def _document(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return None


def _as_text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _order(value: Any) -> str:
    return json.dumps(value, sort_keys=True, default=str)


def _child(path: str, key: str) -> str:
    if re.fullmatch(r"[A-Za-z_][\w-]*", key):
        return f"{path}.{key}" if path else key
    return f'{path}["{key}"]'


def _within(path: str, prefix: str) -> bool:
    return path == prefix or path.startswith((f"{prefix}.", f"{prefix}["))
