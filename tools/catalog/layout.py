"""Rows of the catalog as its files: which row stands in which file, and what files say once for many rows.

The reader of these files is `planner.edges.catalog_entries`. Paths are below the catalog folder.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from itertools import groupby

from planner.domain.prices import file_of
from tools.catalog.raw_tables import LITELLM, TOKENCOST, Fact, Source
from tools.catalog.yaml_text import OneLine, facts_text, prices_text

FAMILY_COLUMNS = ("gpu", "quota", "bare_metal", "source", "as_of")
"""Columns that stand above a family's instance types where all of them have the same."""
PRICE_LISTS = {"litellm": LITELLM, "tokencost": TOKENCOST}


def one_file_each(folder: str, rows: Iterable[Fact]) -> Iterator[tuple[str, str]]:
    """(path, text): one file a row, named by its key."""
    for row in rows:
        yield f"{folder}/{row['key']}.yaml", facts_text(_without(row, "key"))


def families(rows: Iterable[Fact]) -> Iterator[tuple[str, str]]:
    """(path, text): one file a family of instance types."""
    for family, found in groupby(sorted(rows, key=lambda row: (row["family"], row["vcpu"], row["key"])), _family):
        types = list(found)
        shared = {name: types[0][name] for name in FAMILY_COLUMNS if all(t[name] == types[0][name] for t in types)}
        blocks = {row["key"]: _without(row, "key", "family", *shared) for row in types}
        yield f"instances/{family}.yaml", facts_text({**shared, "types": blocks})


def providers(rows: Iterable[Fact], apis: Iterable[Fact]) -> Iterator[tuple[str, str]]:
    """(path, text): one file a provider, with the models that it hosts."""
    hosted = list(apis)
    for row in rows:
        own = {api["slug"]: api for api in hosted if api["provider"] == row["key"]}
        lists = {name: told for name, told in PRICE_LISTS.items() if any(_is_of(api, told) for api in own.values())}
        ends = _names_of_readings(api["lifecycle"] for api in own.values() if "lifecycle" in api)
        models = {slug: _hosted(api, ends) for slug, api in sorted(own.items())}
        table = {**lists, **{name: told for told, name in sorted(ends.items(), key=lambda pair: pair[1])}}
        head = {**_without(row, "key"), "sources": {name: _table_row(told) for name, told in table.items()}}
        yield f"providers/{row['key']}.yaml", facts_text({**head, "models": models})


def snapshot(day: str, rows: Iterable[Fact]) -> Iterator[tuple[str, str]]:
    """(path, text): the prices of one day, and the table of their sources."""
    prices = sorted(rows, key=lambda row: row["key"].split("/"))
    names = source_names({Source(row["source"], row["as_of"]) for row in prices})
    table = {name: _table_row(told) for told, name in sorted(names.items(), key=lambda pair: pair[1])}
    yield f"prices/{day}/sources.yaml", prices_text(table)
    for file, found in groupby(sorted(prices, key=lambda row: file_of(row["key"])), lambda row: file_of(row["key"])):
        group_rows = list(found)
        units = {row["unit"] for row in group_rows}
        tree: Fact = {}
        for row in group_rows:
            *above, last = row["key"].split("/")[2:]
            place = tree
            for name in above:
                place = place.setdefault(name, {})
            told = {"source": names[Source(row["source"], row["as_of"])]}
            same = ("key", "as_of", "source", *(("unit",) if len(units) == 1 else ()))
            usd = {name: value for name, value in row.items() if name in ("usd", "unit") and name not in same}
            place[last] = OneLine({**usd, **told, **_without(row, "usd", "unit", *same)})
        shared = {"unit": units.pop()} if len(units) == 1 else {}
        yield f"prices/{day}/{file}.yaml", prices_text({**shared, "prices": tree})


def source_names(sources: Iterable[Source]) -> dict[Source, str]:
    """A short name for each source: its site or project and its day, numbered where several have the same."""
    found: dict[Source, str] = {}
    for told in sorted(sources, key=lambda told: (told.source, told.as_of)):
        first, _, rest = told.source.split()[0].partition("/")
        word = first if "." in first or not rest else re.split(r"[/@]", rest)[0]
        if test := re.search(r"testdata/(\w+?)_test/", told.source):
            word += "-" + test[1].replace("_", "-")
        name, number = f"{word}-{told.as_of}", 1
        while name in found.values():
            number += 1
            name = f"{word}-{told.as_of}-{number}"
        found[told] = name
    return found


def _hosted(api: Fact, ends: Mapping[Source, str]) -> Fact:
    """The block of a hosted model, whose sources are rows of the provider's table."""
    name = next(name for name, told in PRICE_LISTS.items() if _is_of(api, told))
    block = {**_without(api, "key", "provider", "slug", "as_of"), "source": name}
    if lifecycle := api.get("lifecycle"):
        block["lifecycle"] = {**_without(lifecycle, "as_of"), "source": ends[_reading(lifecycle)]}
    return block


def _names_of_readings(lifecycles: Iterable[Fact]) -> dict[Source, str]:
    """A short name for each reading of how long models are served: the first site in it, and its day."""
    found: dict[Source, str] = {}
    for told in sorted({_reading(lifecycle) for lifecycle in lifecycles}, key=lambda told: (told.source, told.as_of)):
        site = re.search(r"litellm|[\w-]+(?:\.[a-z][\w-]*)+(?=/)", told.source)
        name = first = f"end-{site[0] if site else 'reading'}-{told.as_of}"
        number = 1
        while name in found.values():
            number += 1
            name = f"{first}-{number}"
        found[told] = name
    return found


def _reading(lifecycle: Fact) -> Source:
    return Source(lifecycle["source"], lifecycle["as_of"])


def _is_of(api: Fact, told: Source) -> bool:
    return Source(api["source"], api["as_of"]) == told


def _table_row(told: Source) -> Fact:
    return {"source": told.source, "as_of": told.as_of}


def _family(row: Fact) -> str:
    return str(row["family"])


def _without(row: Fact, *names: str) -> Fact:
    return {name: value for name, value in row.items() if name not in names}
