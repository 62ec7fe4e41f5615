"""Everything that the catalog knows of one name: its facts, each with its source and day, and every price of it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from planner.documents.catalog_listing import own_price_keys
from planner.domain.apis import ApiModel, catalog_key
from planner.domain.catalog import KINDS, Catalog
from planner.domain.engine import DEPLOYED, ENGINE
from planner.domain.engine_minimum import engine_gap
from planner.domain.gaps import Gap, did_you_mean
from planner.domain.prices import Price

_STATED = frozenset({"source", "as_of"})


@dataclass(frozen=True)
class Fact:
    """One fact.

    name: the way to it, like `architecture.layers`.
    value: what is known; None = somebody looked and does not know.
    source, as_of: where it was read, and the day that the source states.
    """

    name: str
    value: Any
    source: str
    as_of: str


@dataclass(frozen=True)
class Named:
    """One thing of the catalog that has a name.

    kind: `model`, `gpu`, `instance`, `api`, `place`, `provider`, `region` or `price`.
    key: its name.
    own: whether the team wrote it.
    facts: what is known of it.
    prices: prices of it, and of what carries or hosts it, sorted by key.
    gaps: what the catalog says that it does not know, as sentences.
    own_prices: keys of the prices that are the team's own.
    """

    kind: str
    key: str
    own: bool
    facts: tuple[Fact, ...]
    prices: tuple[Price, ...]
    gaps: tuple[str, ...]
    own_prices: frozenset[str]


def named(catalog: Catalog, shipped: Catalog, name: str) -> tuple[Named, ...] | Gap:
    """Return everything that has that name, whatever its kind; a gap with names nearby when nothing has it.

    A hosted model is named `PROVIDER/SLUG`, or by its slug alone at all of its providers.
    """
    own_prices = own_price_keys(catalog, shipped)
    keys = [f"{kind}/{name}" for kind in KINDS if f"{kind}/{name}" in catalog.rows]
    keys += [f"api/{api.key}" for api in catalog.apis if api.slug == name and f"model/{name}" not in catalog.rows]
    found = [_of_row(catalog, shipped, key, own_prices) for key in keys]
    if name in catalog.regions:
        found.append(_of_region(catalog, name, own_prices))
    if (price := catalog.prices.price(name)) is not None:
        found.append(_of_price(catalog, price, own_prices))
    if not found:
        return Gap("name", name, f"the catalog has nothing called {name!r}", did_you_mean(name, _all_names(catalog)))
    return tuple(found)


def facts(row: Mapping[str, Any], above: str = "", source: str = "", as_of: str = "") -> Iterator[Fact]:
    """Yield the facts of a row, the inner blocks after it. A block without a source has that of the one around it."""
    source, as_of = str(row.get("source") or source), str(row.get("as_of") or as_of)
    for name, value in row.items():
        if name in _STATED or name == "key":
            continue
        way = f"{above}{name}"
        if isinstance(value, Mapping) and value:
            yield from facts(value, f"{way}.", source, as_of)
        elif isinstance(value, list) and any(isinstance(part, Mapping) for part in value):
            for number, part in enumerate(value, 1):
                yield from facts(part, f"{way}.{number}.", source, as_of)
        else:
            yield Fact(way, value, source, as_of)


def _of_row(catalog: Catalog, shipped: Catalog, key: str, own_prices: frozenset[str]) -> Named:
    kind, _, name = key.partition("/")
    row = catalog.rows[key]
    prices = sorted(_prices(catalog, kind, name), key=lambda price: price.key)
    own = key in catalog.own or shipped.rows.get(key) != row
    known = [*facts(row), *_joined(catalog, kind, name)]
    return Named(kind, name, own, tuple(known), tuple(prices), tuple(_gaps(catalog, kind, name)), own_prices)


def _joined(catalog: Catalog, kind: str, name: str) -> Iterator[Fact]:
    """Yield what other rows say of a thing."""
    if kind == "place":
        yield from _held_places(catalog, name)
    elif kind == "model" and (minimum := catalog.engine_minimum(catalog.models[name])) is not None:
        told = f"{ENGINE} {minimum.version} ({minimum.because}); plans run {DEPLOYED}"
        yield Fact("engine_minimum", told, minimum.source, minimum.as_of)


def _held_places(catalog: Catalog, place: str) -> Iterator[Fact]:
    held = [row for _, row in sorted(catalog.places.rows.items()) if row.within == place]
    if held:
        yield Fact("holds", [row.key for row in held], held[0].source, held[0].as_of)


def _of_region(catalog: Catalog, region: str, own_prices: frozenset[str]) -> Named:
    sold = catalog.offered_in(region)
    row = catalog.regions[region]
    stated: dict[str, object] = {"missing": row.missing} if row.missing else {}
    stated |= {f"zones of {name}": list(zones) for name, zones in sorted({**row.families, **row.types}.items())}
    zones = tuple(Fact(name, value, row.source, row.as_of) for name, value in stated.items())
    place = catalog.places.of_region(region)
    where = catalog.places.rows.get(place) if place else None
    located = (Fact("place", place, where.source, where.as_of),) if where else ()
    prices = [price for key, price in sorted(catalog.prices.rows.items()) if key.split("/")[1:2] == [region]]
    gaps = tuple(gap.message for gap in sold.gaps(catalog.prices))
    return Named(
        "region", region, f"region/{region}" in catalog.own, (*located, *zones), tuple(prices), gaps, own_prices
    )


def _of_price(catalog: Catalog, price: Price, own_prices: frozenset[str]) -> Named:
    """Return a price with those of the same thing in other regions."""
    kind, _, rest = price.key.partition("/")
    item = rest.partition("/")[2]
    others = [row for key, row in sorted(catalog.prices.rows.items()) if _same_item(key, kind, item)]
    stated = {"unit": price.unit, "stands_in": price.stands_in, "disputed": price.disputed, "note": price.note}
    told = {"usd": str(price.usd), **{name: value for name, value in stated.items() if value}}
    listed = tuple(Fact(name, value, price.source, price.as_of) for name, value in told.items())
    return Named("price", price.key, price.key in own_prices, listed, tuple(others or [price]), (), own_prices)


def _same_item(key: str, kind: str, item: str) -> bool:
    own_kind, _, rest = key.partition("/")
    return own_kind == kind != "api" and rest.partition("/")[2] == item


def _prices(catalog: Catalog, kind: str, name: str) -> Iterator[Price]:
    """Yield the prices of a thing: of a model those of its hosted copies, of a GPU those of what carries it."""
    if kind == "instance":
        yield from _of_types(catalog, {name})
    elif kind == "gpu":
        yield from _of_types(catalog, {key for key, row in catalog.instances.items() if row.gpu == name})
    elif kind in ("api", "model", "provider"):
        yield from _of_apis(catalog, [api for api in catalog.apis if _is_of(api, kind, name)])


def _is_of(api: ApiModel, kind: str, name: str) -> bool:
    return name == {"api": api.key, "model": api.hosts, "provider": api.provider}[kind]


def _of_types(catalog: Catalog, types: set[str]) -> Iterator[Price]:
    for key, price in catalog.prices.rows.items():
        parts = key.split("/")
        if parts[0] == "ec2" and parts[2] in types:
            yield price


def _of_apis(catalog: Catalog, apis: Iterable[ApiModel]) -> Iterator[Price]:
    """Yield the prices of hosted models at every address of their providers."""
    heads = {f"api/{api.key}" for api in apis}
    for key, price in catalog.prices.rows.items():
        if catalog_key(key.rpartition("/")[0]) in heads:
            yield price


def _gaps(catalog: Catalog, kind: str, name: str) -> Iterator[str]:
    if kind == "model":
        model = catalog.models[name]
        unknown = engine_gap(model, catalog.engine)
        yield from (gap.message for gap in (*model.gaps(), *([unknown] if unknown else ())))
    elif kind == "provider":
        yield from (gap.message for gap in catalog.providers[name].gaps())
    elif kind == "instance":
        unpriced = (row for row in catalog.offerings if row.instance_type == name and row.price is None)
        yield from (catalog.prices.gap(row.price_key).message for row in unpriced)


def _all_names(catalog: Catalog) -> set[str]:
    rows = {key.partition("/")[2] for key in catalog.rows}
    slugs = {api.slug for api in catalog.apis}
    return {*rows, *slugs, *catalog.regions, *catalog.prices.rows}
