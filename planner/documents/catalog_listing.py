"""What the catalog holds, a row a thing: plain values with what a reader needs to choose.

An amount is None where the catalog has no price; it is never zero.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

from planner.domain.apis import ApiModel, PricePart
from planner.domain.catalog import Catalog
from planner.domain.offerings import Offering
from planner.domain.price_ages import in_region
from planner.domain.prices import Price

Row = dict[str, Any]
"""One row: its key, `own` where the team wrote it, and its columns."""


def listing(catalog: Catalog, shipped: Catalog, kind: str, match: str = "", region: str = "") -> list[Row]:
    """Return the rows of a kind, sorted by key.

    shipped: the catalog without own rows, by which they are told. match: text that some value of a row must hold,
    whatever its capitals. region: the region of prices; empty for the cheapest, or for all rows of prices.
    """
    rows = [{**row, "own": _is_own(catalog, shipped, kind, row["key"])} for row in KINDS[kind](catalog, region)]
    wanted = match.casefold()
    return [row for row in sorted(rows, key=lambda row: str(row["key"])) if wanted in _words(row)]


def counts(catalog: Catalog, shipped: Catalog) -> list[Row]:
    """Return how many rows of each kind there are, and how many of them are the team's own."""
    found = []
    for kind in KINDS:
        rows = listing(catalog, shipped, kind)
        found.append({"kind": kind, "rows": len(rows), "own": sum(row["own"] for row in rows)})
    return found


def own_price_keys(catalog: Catalog, shipped: Catalog) -> frozenset[str]:
    """Return the keys of prices that are not those that ship: own ones, and shipped ones less a discount."""
    known = shipped.prices.rows
    return frozenset(key for key, price in catalog.prices.rows.items() if known.get(key) != price)


def _is_own(catalog: Catalog, shipped: Catalog, kind: str, key: str) -> bool:
    if kind == "prices":
        return shipped.prices.rows.get(key) != catalog.prices.rows.get(key)
    name = f"{_FACTS.get(kind, '')}/{key}"
    return name in catalog.own or catalog.rows.get(name) != shipped.rows.get(name)


def _models(catalog: Catalog, region: str) -> list[Row]:
    del region
    return [
        {
            "key": key,
            "parameters": model.architecture.params_total,
            "active": model.architecture.params_active,
            "precision": model.native,
            "other_precisions": sorted(way.name for way in model.precisions() if way.name != model.native),
            "context": model.max_context,
            "licence": model.licence,
            "engine_minimum": str(minimum.version) if (minimum := catalog.engine_minimum(model)) else None,
            "not_served": model.not_served,
        }
        for key, model in catalog.models.items()
    ]


def _gpus(catalog: Catalog, region: str) -> list[Row]:
    rows = []
    for key, gpu in catalog.all_gpus.items():
        offers = [row for row in catalog.offerings if row.gpu.key == key]
        cheapest = _cheapest(offers, region, lambda row: row.instance.gpu_count)
        rows.append(
            {
                "key": key,
                "memory_gb": gpu.memory_gb,
                "bandwidth_gb_per_s": gpu.bandwidth_gb_per_s,
                "bf16_tflops": gpu.tflops.get("bf16"),
                "formats": sorted(name for name, support in gpu.formats.items() if support == "native"),
                "link": gpu.link,
                "rented": key in catalog.gpus,
                **cheapest,
            }
        )
    return rows


def _instances(catalog: Catalog, region: str) -> list[Row]:
    rows = []
    for key, instance in catalog.instances.items():
        offers = [row for row in catalog.offerings if row.instance_type == key]
        here = [row for row in offers if row.region == region]
        if region and not here:
            continue
        rows.append(
            {
                "key": key,
                "gpu": instance.gpu,
                "gpu_count": instance.gpu_count,
                "vcpu": instance.vcpu,
                "ram_gib": instance.ram_gib,
                "quota": instance.quota,
                **_cheapest(offers, region, lambda _: 1),
                "zones": sorted({zone for row in here for zone in row.zones}),
            }
        )
    return rows


def _apis(catalog: Catalog, region: str) -> list[Row]:
    del region
    return [
        {
            "key": api.key,
            "input_usd": _api_price(catalog, api, "input"),
            "output_usd": _api_price(catalog, api, "output"),
            "context": api.context_tokens,
            "retires": api.retires.isoformat() if api.retires else None,
            "state": "gone" if api.status == "delisted" else api.lifecycle.state if api.lifecycle else "not read",
            "hosts": api.hosts,
        }
        for api in catalog.apis
    ]


def _providers(catalog: Catalog, region: str) -> list[Row]:
    del region
    return [
        {
            "key": key,
            "name": row.name,
            "models": sum(api.provider == key for api in catalog.apis),
            "processes_in": list(row.residency) if row.residency is not None else None,
            "trains": row.trains_on_data,
            "retention_days": row.retention_days,
            "hipaa": row.hipaa,
            "not_planned": row.not_called,
            "instead": row.instead,
        }
        for key, row in catalog.providers.items()
    ]


def _places(catalog: Catalog, region: str) -> list[Row]:
    rows = catalog.places.rows
    return [
        {"key": key, "name": row.name, "within": row.within, "aws_regions": list(row.aws_regions)}
        for key, row in rows.items()
        if not region or region in row.aws_regions
    ]


def _prices(catalog: Catalog, region: str) -> list[Row]:
    rows = catalog.prices.rows.values()
    return [price_row(price) for price in (in_region(rows, region) if region else rows)]


def _regions(catalog: Catalog, region: str) -> list[Row]:
    rows = []
    for name in catalog.regions:
        if region not in ("", name):
            continue
        sold = catalog.offered_in(name)
        rows.append(
            {
                "key": name,
                "place": catalog.places.of_region(name),
                "zones": list(catalog.zones(name)),
                "types_sold": len(sold),
                "types_with_price": len(sold.available()),
                "gpus": [gpu.key for gpu in sold.available().gpus()],
                "missing": catalog.regions[name].missing,
            }
        )
    return rows


def price_row(price: Price) -> Row:
    """Return a price as plain values."""
    return {
        "key": price.key,
        "usd": float(price.usd),
        "unit": price.unit,
        "source": price.source,
        "as_of": price.as_of,
        "stands_in": price.stands_in,
        "disputed": price.disputed,
        "note": price.note,
    }


def _cheapest(offers: list[Offering], region: str, parts: Callable[[Offering], int]) -> Row:
    """Return the lowest price of an hour, and where: in that region, or in all."""
    priced = [
        (row.price.usd / parts(row), row.region)
        for row in offers
        if row.price is not None and region in ("", row.region)
    ]
    if not priced:
        return {"usd_per_hour": None, "in_region": region or None}
    usd, where = min(priced)
    return {"usd_per_hour": float(usd.quantize(Decimal("0.0001"))), "in_region": where}


def _api_price(catalog: Catalog, api: ApiModel, part: PricePart) -> float | None:
    price = catalog.prices.price(api.price_key(part))
    return None if price is None else float(price.usd)


def _words(row: Row) -> str:
    return " ".join(str(value) for value in row.values()).casefold()


KINDS: Mapping[str, Callable[[Catalog, str], list[Row]]] = {
    "models": _models,
    "gpus": _gpus,
    "instances": _instances,
    "providers": _providers,
    "apis": _apis,
    "places": _places,
    "prices": _prices,
    "regions": _regions,
}
"""What can be listed, and how."""
_FACTS = {
    "models": "model",
    "gpus": "gpu",
    "instances": "instance",
    "providers": "provider",
    "apis": "api",
    "places": "place",
    "regions": "region",
}
"""First part of the keys of fact rows, by kind."""
