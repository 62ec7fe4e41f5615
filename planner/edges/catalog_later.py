"""Catalog files that are read when one of their rows is first asked for.

A plan needs one region, a few models and the prices of a few providers. So their files are known by name when the
catalog is opened, and each is read once, when a key of it is asked for. What is wrong with such a file is raised then.
Whoever goes through all rows reads all files.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Generic, TypeVar

from planner.edges.catalog_tables import FactTable, T

V = TypeVar("V")
Row = Mapping[str, Any]


class LaterTables(Generic[T]):
    """Tables of facts by the name of their file, each read when it is first asked for."""

    def __init__(self, names: Iterable[str], read: Callable[[str], FactTable[T]]) -> None:
        """names: the files that there are. read: reads one; it raises `Problems`."""
        self.names = tuple(sorted(names))
        self._known = frozenset(self.names)
        self._read: Callable[[str], FactTable[T]] = read
        self._tables: dict[str, FactTable[T]] = {}

    def table(self, name: str) -> FactTable[T]:
        """Return the table of a file. Raises KeyError when there is no such file."""
        if name not in self._known:
            raise KeyError(name)
        if name not in self._tables:
            self._tables[name] = self._read(name)
        return self._tables[name]


class OneRowEach(Mapping[str, V]):
    """A mapping of files with one row each, which has the name of the file. To list the names reads nothing."""

    def __init__(self, tables: LaterTables[Any], rows_of: Callable[[FactTable[Any]], Mapping[str, V]]) -> None:
        """rows_of: what of a table the mapping holds: values, or columns."""
        self._tables, self._rows_of = tables, rows_of

    def __getitem__(self, key: str) -> V:
        return self._rows_of(self._tables.table(key))[key]

    def __contains__(self, key: object) -> bool:
        return key in self._tables.names

    def __iter__(self) -> Iterator[str]:
        return iter(self._tables.names)

    def __len__(self) -> int:
        return len(self._tables.names)


class RowsOfOneFile(Mapping[str, V]):
    """A mapping of the rows of one file."""

    def __init__(self, tables: LaterTables[Any], name: str) -> None:
        """name: the file."""
        self._tables, self._name = tables, name

    def _rows(self) -> Mapping[str, V]:
        values: Mapping[str, V] = self._tables.table(self._name).values
        return values

    def __getitem__(self, key: str) -> V:
        return self._rows()[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._rows())

    def __len__(self) -> int:
        return len(self._rows())


class RowsByGroup(Mapping[str, V]):
    """A mapping of files with many rows each, whose keys tell the name of their file."""

    def __init__(
        self,
        tables: LaterTables[Any],
        rows_of: Callable[[FactTable[Any]], Mapping[str, V]],
        file_of: Callable[[str], str],
    ) -> None:
        """rows_of: what of a table the mapping holds: values, or columns. file_of: the file with a key, by the key."""
        self._tables, self._rows_of, self._file_of = tables, rows_of, file_of

    def __getitem__(self, key: str) -> V:
        return self._rows_of(self._tables.table(self._file_of(key)))[key]

    def group(self, name: str) -> Mapping[str, V]:
        """Return the rows of one file; none where there is no such file."""
        return self._rows_of(self._tables.table(name)) if name in self._tables.names else {}

    def __iter__(self) -> Iterator[str]:
        for name in self._tables.names:
            yield from self._rows_of(self._tables.table(name))

    def __len__(self) -> int:
        return sum(len(self._rows_of(self._tables.table(name))) for name in self._tables.names)


class RowsByKind(Mapping[str, Row]):
    """Rows of several kinds by `KIND/KEY`."""

    def __init__(self, kinds: Mapping[str, Mapping[str, Row]]) -> None:
        """kinds: rows by key, by kind."""
        self.kinds = kinds

    def __getitem__(self, key: str) -> Row:
        kind, _, name = key.partition("/")
        return self.kinds[kind][name]

    def __contains__(self, key: object) -> bool:
        kind, _, name = str(key).partition("/")
        return kind in self.kinds and name in self.kinds[kind]

    def __iter__(self) -> Iterator[str]:
        return (f"{kind}/{name}" for kind, rows in self.kinds.items() for name in rows)

    def __len__(self) -> int:
        return sum(map(len, self.kinds.values()))
