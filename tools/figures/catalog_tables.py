"""The tables of docs/catalog.md, from the catalog's own rows.

Ages are counted to the day of the price snapshot, so that the clock changes nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import date

from planner.domain.apis import ApiModel
from planner.domain.catalog import Catalog
from planner.domain.prices import MAX_AGE_DAYS, PURCHASES, Price, file_of
from planner.domain.purchases import CAPACITY_BLOCK, COMMITMENTS
from planner.edges.catalog_files import load_catalog
from planner.edges.trace_files import shipped_traces
from tools.figures.marks import table_lines


def parts() -> dict[str, list[str]]:
    """The generated parts of the document."""
    catalog = load_catalog()
    return {
        "contents": contents(catalog),
        "instances": instances(catalog),
        "purchases": purchases(catalog),
        "ages": ages(catalog),
        "gaps": gaps(catalog),
        "providers": providers(catalog),
    }


def contents(catalog: Catalog) -> list[str]:
    """How many rows there are of what."""
    prices = Counter(price.kind for price in catalog.prices.rows.values())
    listed = sum(api.status == "listed" for api in catalog.apis)
    measured = sorted(catalog.all_gpus.keys() - catalog.gpus.keys())
    rows = [
        ("GPUs that can be rented", "`gpus/KEY.yaml`", str(len(catalog.gpus)), ", ".join(sorted(catalog.gpus))),
        ("GPUs that no machine here has", "`gpus/KEY.yaml`", str(len(measured)), ", ".join(measured)),
        ("instance types", "`instances/FAMILY.yaml`", str(len(catalog.instances)), _families(catalog)),
        ("AWS regions", "`regions/REGION.yaml`", str(len(catalog.regions)), _regions(catalog)),
        (
            "hardware that no plan uses",
            "`unplanned/KEY.yaml`",
            str(len(catalog.unplanned)),
            ", ".join(sorted(catalog.unplanned)),
        ),
        (
            "how often what fails",
            "`failures/NAME.yaml`",
            str(len(catalog.failures)),
            "GPU machines, zones and regions of AWS, accounts at API providers",
        ),
        (
            "what it costs to own machines",
            "`owning/NAME.yaml`",
            str(len(catalog.owning)),
            "capital and power of machines, electricity and space by place, years, PUE, staff",
        ),
        (
            "open-weight models",
            "`models/KEY.yaml`",
            str(len(catalog.models)),
            "by exact shape, precision and licence",
        ),
        ("API providers", "`providers/KEY.yaml`", str(len(catalog.providers)), ", ".join(sorted(catalog.providers))),
        ("hosted models", "the same", str(len(catalog.apis)), f"{listed} listed, the others gone"),
        (
            "prices",
            f"`prices/{catalog.prices.name}/KIND/GROUP.yaml`",
            str(len(catalog.prices.rows)),
            ", ".join(f"{count} {kind}" for kind, count in sorted(prices.items())),
        ),
        ("traces", "`traces/*.json`", str(len(shipped_traces())), ", ".join(shipped_traces())),
    ]
    return table_lines(["what", "file", ">rows", "which"], rows)


def instances(catalog: Catalog) -> list[str]:
    """How many types of each family a region sells with a price, a row each region and a column each family."""
    families = sorted({row.family for row in catalog.instances.values()})
    rows = []
    for region in catalog.regions:
        zones = catalog.zones(region)
        cells = [_sold(catalog, region, family) for family in families]
        if zones or any(cells):
            rows.append((f"`{region}`", _place(catalog, region), str(len(zones)) if zones else "?", *cells))
    return table_lines(["region", "in", ">zones", *(f">{family}" for family in families)], rows)


def _sold(catalog: Catalog, region: str, family: str) -> str:
    """`8`: sold with a price; `3 of 8`: three of them with one; `(8)`: priced, zones not known; empty: neither."""
    here = [row for row in catalog.offered_in(region) if row.instance.family == family]
    priced = sum(row.price is not None for row in here)
    if here:
        return str(priced) if priced == len(here) else f"{priced} of {len(here)}"
    types = [key for key, row in catalog.instances.items() if row.family == family]
    known = sum(_has_price(catalog, region, key) for key in types)
    return f"({known})" if known else ""


def _has_price(catalog: Catalog, region: str, instance_type: str) -> bool:
    return catalog.prices.price(f"ec2/{region}/{instance_type}/on-demand") is not None


def _place(catalog: Catalog, region: str) -> str:
    place = catalog.places.of_region(region)
    return catalog.places.rows[place].name if place else "?"


def _regions(catalog: Catalog) -> str:
    """How much is known of how many regions."""
    priced = {name for name in catalog.regions if any(_has_price(catalog, name, key) for key in catalog.instances)}
    open_regions = {name for name in catalog.regions if catalog.zones(name)}
    others = len(catalog.regions.keys() - open_regions - priced)
    return f"{len(open_regions)} with zones, {len(priced - open_regions)} with prices alone, {others} with neither"


def ages(catalog: Catalog) -> list[str]:
    """How old the prices of each kind are on the day of their snapshot."""
    on = date.fromisoformat(catalog.prices.name)
    rows = []
    for kind in sorted({price.kind for price in catalog.prices.rows.values()}):
        known = [price for price in catalog.prices.rows.values() if price.kind == kind]
        days = sorted(price.age_days(on) for price in known)
        old = sum(age > MAX_AGE_DAYS[kind] for age in days)
        disputed = sum(price.disputed is not None for price in known)
        stands_in = sum(price.stands_in is not None for price in known)
        rows.append(
            (
                kind,
                str(len(known)),
                f"{days[0]} / {days[len(days) // 2]} / {days[-1]}",
                f"{old} (limit {MAX_AGE_DAYS[kind]})",
                str(stands_in),
                str(disputed),
                _sources(known),
            )
        )
    columns = ["prices", ">rows", ">youngest / median / oldest, days", ">too old", ">stand in", ">disputed", "sources"]
    return table_lines(columns, rows)


def purchases(catalog: Catalog) -> list[str]:
    """How many prices there are of machines that are not bought on demand, by option, and of which days."""
    found: dict[str, list[Price]] = {}
    for key, price in catalog.prices.rows.items():
        if file_of(key).startswith(PURCHASES):
            option = key.split("/", 3)[3]
            found.setdefault("spot/ZONE" if price.kind == "spot" else option, []).append(price)
    order = ["spot/ZONE", *(each.key for each in COMMITMENTS), CAPACITY_BLOCK]
    rows = [
        (
            f"`{option}`",
            str(len(found[option])),
            str(len({price.key.split("/")[2] for price in found[option]})),
            str(len({price.key.split("/")[1] for price in found[option]})),
            ", ".join(sorted({price.as_of for price in found[option]})),
        )
        for option in sorted(found, key=order.index)
    ]
    return table_lines(["key after `ec2/REGION/TYPE/`", ">prices", ">types", ">regions", "as of"], rows)


def gaps(catalog: Catalog) -> list[str]:
    """What is not known, counted."""
    models, hosts, apis = list(catalog.models.values()), list(catalog.providers.values()), list(catalog.apis)
    unnamed = Counter(name for model in models for name, origin in model.quantizations.items() if origin is None)
    unmeasured = [gpu for gpu in catalog.gpus.values() if gpu.memory_provenance != "measured"]
    told = [str(row) for row in (*catalog.rows.values(), *catalog.price_rows.values())]
    rows = [
        ("models without a pinned revision", sum(m.revision is None for m in models), len(models)),
        ("models without a verified licence", sum(m.licence is None for m in models), len(models)),
        (
            "models of which nobody knows from which release of the engine on they are served",
            sum(catalog.engine_minimum(model) is None for model in models),
            len(models),
        ),
        *((f"models whose {name} weights nobody has named", unnamed[name], len(models)) for name in sorted(unnamed)),
        (
            "instance types without a price in a region that sells them",
            len(catalog.offerings) - len(catalog.offerings.available()),
            len(catalog.offerings),
        ),
        ("GPUs whose memory was not measured", len(unmeasured), len(catalog.gpus)),
        ("providers whose place is not verified", sum(p.residency is None for p in hosts), len(hosts)),
        ("providers that train on requests, or may", sum(p.trains_on_data is not False for p in hosts), len(hosts)),
        ("hosted models that may think before they answer", sum(a.reasoning is not False for a in apis), len(apis)),
        (
            "rows with a figure from memory alone (they say *remembered*)",
            sum("remembered" in row for row in told),
            len(told),
        ),
        ("hosted models of which nobody has read how long they are served", sum(_unread(a) for a in apis), len(apis)),
        ("hosted models whose end rests on weak evidence", sum(_weak(a) for a in apis), len(apis)),
        ("hosted models without a stated context", sum(a.context_tokens is None for a in apis), len(apis)),
    ]
    return table_lines(["gap", ">rows", ">of"], [(name, str(count), str(total)) for name, count, total in rows])


def _unread(api: ApiModel) -> bool:
    return api.lifecycle is None and api.retires is None


def _weak(api: ApiModel) -> bool:
    return api.lifecycle is not None and api.lifecycle.weak


def providers(catalog: Catalog) -> list[str]:
    """What is known of each provider's handling of requests."""
    words = {True: "yes", False: "no", None: "not verified"}
    counts = Counter(api.provider for api in catalog.apis)
    rows = [
        (
            key,
            str(counts[key]),
            ", ".join(row.residency) if row.residency else "not verified",
            words[row.trains_on_data],
            words[row.hipaa],
            row.billing,
            "no" if row.not_called else "yes",
        )
        for key, row in sorted(catalog.providers.items())
    ]
    return table_lines(
        ["provider", ">models", "processes in", "trains on requests", "HIPAA", "billed by", "used by plans"], rows
    )


def _families(catalog: Catalog) -> str:
    return ", ".join(sorted({row.family for row in catalog.instances.values()}))


def _sources(known: Sequence[Price]) -> str:
    """The collections behind some prices, the most frequent first."""
    names = Counter(price.source.split(" ")[0].split("@")[0].rstrip(";") for price in known)
    return ", ".join(f"{name} ({count})" for name, count in sorted(names.items(), key=lambda pair: (-pair[1], pair[0])))
