"""The files of a catalog folder, taken apart into entries: one entry for each fact, with its place.

    gpus/KEY.yaml                 one GPU
    models/KEY.yaml               one open-weight model, or what differs from the one that `variant_of` names
    places/KEY.yaml               one place where data is processed; `parts`: one block for each place that it holds
    instances/FAMILY.yaml         `types`: one block for each instance type; what stands above holds for all of them
    regions/REGION.yaml           one AWS region: which of its zones sell which families
    unplanned/KEY.yaml            hardware that no plan uses, and why
    providers/KEY.yaml            one API provider; `models`: one block for each model that it hosts
    engines/NAME.yaml             `releases`: one block for each release of an engine, with what is new in it
    cuts/FAMILY.yaml              the last cut of the prices of a family of instance types
    failures/NAME.yaml            `rows`: one block for each thing that fails, with how often it does
    owning/NAME.yaml              `rows`: one block for each published figure of what it costs to own machines

The name of a file is a part of the keys in it, so that it is said once. Sources that many entries share stand in a
table: `sources` of a provider, `prices/DAY/sources.yaml` of a snapshot. An entry names a row of that table and gets the
row's `source` and `as_of`.

Only places and names are known here. `price_entries` takes prices and discounts apart, and `catalog_tables` knows what
a row must hold.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from importlib.resources.abc import Traversable
from typing import Any

from planner.domain.gaps import did_you_mean
from planner.edges.catalog_yaml import CatalogDocument, FactLoader, TextLoader, read
from planner.words.diagnostics import Problem, Problems, Span
from planner.words.spans import Path

SUFFIX = ".yaml"
_OF_THE_MODEL_ALONE = frozenset({"note", "same_shape"})
"""Columns of a model that a variant of it does not share."""

SourceRow = Mapping[str, str]
"""`source` and `as_of` of a row in a table of sources."""


UNSOURCED: SourceRow = {"source": "not known", "as_of": "9999"}
"""It stands for a source that is missing, which is a problem: no catalog with such a row is ever returned."""


@dataclass(frozen=True)
class Entry:
    """One fact or price as its file states it.

    key: the name that other entries and plans use.
    row: its columns; None when they cannot be known, which is a problem that was noted already.
    document: the file.
    path: where its block stands in the file; () for a whole file.
    """

    key: str
    row: Mapping[str, Any] | None
    document: CatalogDocument
    path: Path = ()

    def span(self, *column: str | int) -> Span:
        """Return the place of one of its columns, which may stand above its block; else that of the entry itself."""
        inside = self.document.holds((*self.path, *column[:1]))
        above = not inside and self.document.holds(column[:1])
        return self.document.span(column if above else (*self.path, *column))


@dataclass(frozen=True)
class CatalogReading:
    """One catalog folder that is being read.

    folder: the folder.
    problems: everything that was wrong until now.
    shown: what stands before the names of files in messages; empty for the shipped folder.
    """

    folder: Traversable
    problems: list[Problem]
    shown: str = ""

    def gpus(self) -> list[Entry]:
        """Return one entry for each file of `gpus/`."""
        return self._files("gpus")

    def models(self, names: Iterable[str] | None = None) -> list[Entry]:
        """Return one entry for each file of `models/`, or for some of them.

        A variant is the same weights run in another way. Its file states what differs from the model.
        """
        return [self._varied(entry) for entry in self._files("models", names)]

    def _varied(self, entry: Entry) -> Entry:
        """Return the entry with the columns of the model that it is a variant of."""
        if entry.row is None or "variant_of" not in entry.row:
            return entry
        name = str(entry.row["variant_of"])
        if name not in self.names("models"):
            hint = did_you_mean(name, self.names("models"))
            if self.shown:
                hint = f"`variant_of` is a model of this folder; of a shipped one write `base: {name}`"
            self.note("CAT006", f"there is no model {name!r}", entry.span("variant_of"), hint)
            return replace(entry, row=None)
        if (plain := self.document("models", name, FactLoader)) is None:
            return replace(entry, row=None)
        shared = {column: value for column, value in plain.value.items() if column not in _OF_THE_MODEL_ALONE}
        own = {column: value for column, value in entry.row.items() if column != "variant_of"}
        return replace(entry, row=shared | own)

    def regions(self, names: Iterable[str] | None = None) -> list[Entry]:
        """Return one entry for each file of `regions/`, or for some of them."""
        return self._files("regions", names)

    def unplanned(self) -> list[Entry]:
        """Return one entry for each file of `unplanned/`."""
        return self._files("unplanned")

    def cuts(self, name: str) -> list[Entry]:
        """Return the entry of one file of `cuts/`."""
        return self._files("cuts", (name,))

    def adapters(self) -> list[Entry]:
        """Return one entry for each file of `adapters/`, which only a team's own catalog has."""
        return self._files("adapters")

    def engine_releases(self, name: str) -> list[Entry]:
        """Return one entry for each release in a file of `engines/`."""
        if (document := self.document("engines", name, FactLoader)) is None:
            return []
        blocks = ((key, block, ("releases", key)) for key, block in self._blocks(document, "releases"))
        return [Entry(k, self.with_implied(document, path, {"key": k}, row), document, path) for k, row, path in blocks]

    def failures(self) -> list[Entry]:
        """Return one entry for each block of the files in `failures/`."""
        return self._rows("failures")

    def owning(self) -> list[Entry]:
        """Return one entry for each block of the files in `owning/`."""
        return self._rows("owning")

    def _rows(self, folder: str) -> list[Entry]:
        entries = []
        for group, document in self._documents(folder):
            for name, block in self._blocks(document, "rows"):
                path, key = ("rows", name), f"{group}/{name}"
                entries.append(Entry(key, self.with_implied(document, path, {"key": key}, block), document, path))
        return entries

    def places(self) -> list[Entry]:
        """Return one entry for each file of `places/`, and for each of its parts, which have its source and date."""
        entries = []
        for outer, document in self._documents("places"):
            own = {name: value for name, value in document.value.items() if name != "parts"}
            entries.append(
                Entry(outer, self.with_implied(document, (), {"key": outer}, {**own, "within": None}), document)
            )
            dated = {name: own[name] for name in ("source", "as_of") if name in own}
            for name, block in self._blocks(document, "parts"):
                path, implied = ("parts", name), {"key": name, "within": outer}
                entries.append(Entry(name, self.with_implied(document, path, implied, dated | block), document, path))
        return entries

    def instances(self) -> list[Entry]:
        """Return one entry for each block of the families in `instances/`."""
        entries = []
        for family, document in self._documents("instances"):
            head = {name: value for name, value in document.value.items() if name != "types"}
            for name, block in self._blocks(document, "types"):
                row = self.with_implied(document, ("types", name), {"key": name, "family": family}, head | block)
                entries.append(Entry(name, row, document, ("types", name)))
        return entries

    def providers(self, known: Collection[str] = ()) -> tuple[list[Entry], list[Entry]]:
        """Return (providers, their hosted models): one entry for each file of `providers/` and for each block in it.

        A file of a `known` provider may state nothing of it, and then only adds hosted models.
        """
        providers, hosted = [], []
        for provider, document in self._documents("providers"):
            own = {name: value for name, value in document.value.items() if name not in ("sources", "models")}
            if own or provider not in known:
                providers.append(Entry(provider, self.with_implied(document, (), {"key": provider}, own), document))
            sources = self.sources(document, self.mapping(document, "sources"), ("sources",))
            for slug, block in self._blocks(document, "models"):
                path, key = ("models", slug), f"{provider}/{slug}"
                implied = {"key": key, "provider": provider, "slug": slug}
                row = self.with_source(self._with_reading(block, sources, document, path), sources, document, path)
                hosted.append(Entry(key, row and self.with_implied(document, path, implied, row), document, path))
        return providers, hosted

    def has(self, path: str) -> bool:
        """Return whether there is a file or folder of that path."""
        found = _path_in(self.folder, path)
        return found.is_dir() or found.is_file()

    def _files(self, kind: str, names: Iterable[str] | None = None) -> list[Entry]:
        """Return one entry for each file of a folder, or for those of some names."""
        chosen = self.names(kind) if names is None else names
        found = ((name, self.document(kind, name, FactLoader)) for name in chosen)
        return [self._file_entry(name, document) for name, document in found if document is not None]

    def _file_entry(self, name: str, document: CatalogDocument) -> Entry:
        return Entry(name, self.with_implied(document, (), {"key": name}, document.value), document)

    def with_implied(
        self, document: CatalogDocument, path: Path, implied: Mapping[str, str], row: Mapping[str, Any]
    ) -> Mapping[str, Any]:
        """Return a row with the columns that follow from its place. The row itself may not state them."""
        for name in implied.keys() & row.keys():
            span = document.span((*path, name) if document.holds((*path, name)) else (name,))
            self.note("CAT003", f"`{name}` follows from where the entry stands", span, "leave it out")
        return {**implied, **row, **implied}

    def with_source(
        self,
        row: Mapping[str, Any],
        sources: Mapping[str, SourceRow | None],
        document: CatalogDocument,
        path: Path,
    ) -> Mapping[str, Any]:
        """Return a row with the source and the date that its `source` names.

        Where the table lacks them, that is a problem, and the row is `UNSOURCED`, so that what else is wrong with it is
        found in the same run.
        """
        name = row.get("source")
        if name is None:
            self.note("CAT003", f"{path[-1]} has no source", document.span(path), f"name one: {_names(sources)}")
        elif name not in sources:
            where = document.span((*path, "source"))
            self.note("CAT006", f"no source {name!r} in the table of sources", where, did_you_mean(name, sources))
        source = sources.get(name or "") or UNSOURCED
        return {**row, **source, **({"as_of": row["as_of"]} if "as_of" in row else {})}

    def _with_reading(
        self, row: Mapping[str, Any], sources: Mapping[str, SourceRow | None], document: CatalogDocument, path: Path
    ) -> Mapping[str, Any]:
        """Return the row of a hosted model with the source of its `lifecycle`, which names a row of the table too."""
        lifecycle = row.get("lifecycle")
        if not isinstance(lifecycle, dict):
            return row
        return {**row, "lifecycle": self.with_source(lifecycle, sources, document, (*path, "lifecycle"))}

    def sources(self, document: CatalogDocument, table: Mapping[str, Any], path: Path) -> dict[str, SourceRow | None]:
        """Return a table of sources, with None for a row that is not complete."""
        sources: dict[str, SourceRow | None] = {}
        for name, row in table.items():
            complete = isinstance(row, dict) and row.keys() == {"source", "as_of"}
            if not complete:
                message = f"the source {name} is not written {{source: TEXT, as_of: DATE}}"
                self.note("CAT003", message, document.span((*path, name)))
            sources[name] = row if complete else None
        return sources

    def _blocks(self, document: CatalogDocument, key: str) -> Iterator[tuple[str, dict[str, Any]]]:
        for name, block in self.mapping(document, key).items():
            if isinstance(block, dict):
                yield name, block
            else:
                self.note("CAT003", f"{name} is no block of facts", document.span((key, name)))

    def mapping(self, document: CatalogDocument, key: str) -> dict[str, Any]:
        """Return the block of a file that has this key; an empty one where there is none, which is a problem."""
        value = document.value.get(key)
        if isinstance(value, dict):
            return value
        self.note("CAT003", f"{document.file} has no `{key}`", document.span((key,)))
        return {}

    def _documents(self, kind: str) -> Iterator[tuple[str, CatalogDocument]]:
        """Yield (name without suffix, document) of each file of a folder, by name."""
        for name in self.names(kind):
            if (document := self.document(kind, name, FactLoader)) is not None:
                yield name, document

    def names(self, kind: str) -> tuple[str, ...]:
        """Return the names of the files of a folder without their suffix, sorted. No file is read."""
        folder = _path_in(self.folder, kind)
        names = sorted(entry.name for entry in folder.iterdir()) if folder.is_dir() else []
        if not names and not self.shown:
            self.note("CAT001", f"the catalog has no {kind}/", None, "reinstall the planner")
        found = []
        for name in names:
            stem = name.removesuffix(SUFFIX)
            if stem == name and not name.startswith("."):
                message = f"{self.shown}{kind}/{name} is no catalog file"
                self.note("CAT002", message, None, f"call it NAME{SUFFIX}, or remove it")
            elif not name.startswith("."):
                found.append(stem)
        return tuple(found)

    def document(self, kind: str, stem: str, loader: type[TextLoader]) -> CatalogDocument | None:
        """Return one file of a folder; None where it cannot be read or holds no facts, which is a problem."""
        file = f"{kind}/{stem}{SUFFIX}".lstrip("/")
        try:
            document = read(_path_in(self.folder, file).read_text(encoding="utf-8"), self.shown + file, loader)
        except (OSError, UnicodeDecodeError) as error:
            hint = "" if self.shown else "reinstall the planner"
            self.note("CAT001", f"cannot read the catalog file {self.shown}{file}: {error}", None, hint)
            return None
        except Problems as broken:
            self.problems.extend(broken.problems)
            return None
        self.problems.extend(document.twice)
        if isinstance(document.value, dict):
            return document
        self.note("CAT003", f"{self.shown}{file} holds no facts", document.span(()))
        return None

    def note(self, code: str, message: str, where: Span | None, hint: str = "") -> None:
        """Add a problem to those of the reading."""
        self.problems.append(Problem(code, message, where, hint))


def _path_in(folder: Traversable, path: str) -> Traversable:
    for part in path.split("/"):
        folder = folder.joinpath(part)
    return folder


def _names(known: Mapping[str, object]) -> str:
    return ", ".join(sorted(known)) or "the table is empty"
