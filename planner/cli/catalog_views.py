"""`catalog list`, `show`, `age` and `diff`: what the catalog knows, without a network.

Prices are net of the discounts that hold on the day.
"""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from pathlib import Path

from planner.cli.output import note, show, show_json
from planner.documents.catalog_entry import named
from planner.documents.catalog_listing import KINDS, counts, listing, price_row
from planner.domain.catalog import Catalog
from planner.domain.gaps import Gap, did_you_mean
from planner.domain.price_ages import in_region, older_than, price_ages
from planner.domain.price_changes import PriceChange, price_changes
from planner.domain.prices import Price, earliest_day
from planner.edges.catalog_files import load_catalog, package_folder, snapshots
from planner.edges.own_catalog import catalog_beside
from planner.faces.catalog import ages_view, changes_view, counts_view, entry_view, list_view
from planner.words.diagnostics import Problem, Problems

OWN = "own"
"""The word of `catalog diff` for the team's prices over the newest snapshot."""
BY_HAND = "No command refreshes them: put your own into catalog/prices/platform/REGION.yaml."
SPOT_BY_HAND = "No command writes them: put your own into catalog/prices/ec2/REGION.yaml."
OF_EC2 = "It reads prices on demand; put your own of other options into catalog/prices/ec2/REGION.yaml."


def list_kinds(kind: str, match: str, region: str, folder: Path, form: str) -> None:
    """Print the rows of a kind, or how many there are of each."""
    shipped, catalog = load_catalog(), catalog_of(folder)
    check_regions(catalog, [region] if region else [])
    if not kind:
        rows = counts(catalog, shipped)
        if form == "json":
            show_json({"snapshot": catalog.prices.name, "kinds": rows})
        else:
            show(counts_view(rows, catalog.prices.name))
        return
    if kind not in KINDS:
        raise Problems([Problem("USE003", f"the catalog lists no {kind!r}", hint=did_you_mean(kind, KINDS))])
    rows = listing(catalog, shipped, kind, match, region)
    if form == "json":
        show_json({"snapshot": catalog.prices.name, "kind": kind, "rows": rows})
    else:
        show(list_view(kind, rows))


def show_name(name: str, folder: Path, form: str) -> None:
    """Print everything that the catalog knows of one name."""
    found = named(catalog_of(folder), load_catalog(), name)
    if isinstance(found, Gap):
        raise Problems([Problem("USE004", found.message, hint=found.hint)])
    if form == "json":
        show_json(
            [
                {
                    "kind": each.kind,
                    "key": each.key,
                    "own": each.own,
                    "facts": [vars(fact) for fact in each.facts],
                    "prices": [{**price_row(price), "own": price.key in each.own_prices} for price in each.prices],
                    "gaps": list(each.gaps),
                }
                for each in found
            ]
        )
    else:
        show(part for each in found for part in entry_view(each))


def age(region: str, today: str, fail_over: int | None, folder: Path, form: str) -> None:
    """Print how old prices are. With `fail_over`, raise `Problems` (exit code 1) for prices that are older."""
    day = day_of(today)
    catalog = catalog_beside(folder).priced_on(day)
    check_regions(catalog, [region] if region else [])
    rows = catalog.prices.rows.values()
    prices = in_region(rows, region) if region else tuple(rows)
    found = price_ages(prices, day)
    commands = refreshing_commands(region)
    if form == "json":
        ages = [{**vars(row), "too_old": list(row.too_old), "refresh": commands.get(row.kind)} for row in found]
        show_json({"day": day.isoformat(), "snapshot": catalog.prices.name, "prices": ages})
    else:
        show(ages_view(found, day.isoformat(), catalog.prices.name, commands))
    if fail_over is not None and (old := older_than(prices, fail_over, day)):
        many = f"{len(old):,} prices are" if len(old) > 1 else "1 price is"
        message = f"{many} older than {fail_over} days; the oldest is {old[0].key}, of {old[0].as_of}"
        hint = commands.get(old[0].kind, "")
        if form == "json":
            note(message)
            raise SystemExit(1)
        raise Problems([Problem("CAT020", message, hint=hint)], exit_code=1)


def refreshing_commands(region: str) -> Mapping[str, str]:
    """Return what makes the prices of a kind young again."""
    where = f" --region {region}" if region else ""
    return {
        "ec2": f"Refresh: spillway catalog refresh --only ec2{where}\n{OF_EC2}",
        "api": "Refresh: spillway catalog refresh --only api",
        "platform": BY_HAND,
        "spot": SPOT_BY_HAND,
    }


def diff(before: str, after: str, region: str, folder: Path, form: str) -> None:
    """Print what differs between two price snapshots, by their days or `own`; in one region, with hosted models."""
    if region:
        check_regions(catalog_of(folder), [region])
    changes = price_changes(_prices(before, region, folder), _prices(after, region, folder))
    if form == "json":
        show_json({"before": before, "after": after, "changes": [change_row(change) for change in changes]})
    else:
        where = f" in {region}" if region else ""
        show(changes_view(changes, f"Prices{where} from {before} to {after}", "before", "after"))


def change_row(change: PriceChange) -> Mapping[str, object]:
    """Return a change of a price as plain values."""
    sides = {"before": change.before, "after": change.after}
    share = change.share
    return {
        "key": change.key,
        "kind": change.kind,
        **{name: price and {"usd": float(price.usd), "unit": price.unit} for name, price in sides.items()},
        "percent": None if share is None else round(float(share * 100), 2),
    }


def check_regions(catalog: Catalog, regions: list[str]) -> None:
    """Raise `Problems` for each region that the catalog does not know."""
    unknown = [region for region in regions if region not in catalog.regions]
    if unknown:
        raise Problems(
            Problem("USE003", f"the catalog has no region {region!r}", hint=did_you_mean(region, catalog.regions))
            for region in unknown
        )


def catalog_of(folder: Path) -> Catalog:
    """Return the catalog with the team's own rows, priced for today."""
    return catalog_beside(folder).priced_on(day_of(""))


def day_of(text: str) -> datetime.date:
    """Return the day that an option states; today without one. Raises `Problems`."""
    if not text:
        return datetime.date.today()
    try:
        return earliest_day(text)
    except ValueError as error:
        raise Problems([Problem("USE003", f"--today: {error}", hint="write --today 2026-11-30")]) from None


def _prices(name: str, region: str, folder: Path) -> Mapping[str, Price]:
    """Return the prices of a snapshot or the team's own, by key. region: those that hold there; empty = all."""
    rows = _snapshot(name, folder)
    return {price.key: price for price in in_region(rows.values(), region)} if region else rows


def _snapshot(name: str, folder: Path) -> Mapping[str, Price]:
    if name == OWN:
        return catalog_of(folder).prices.rows
    days = snapshots(package_folder())
    if name not in days:
        hint = did_you_mean(name, (*days, OWN))
        raise Problems([Problem("CAT001", f"no price snapshot {name!r}", hint=hint)])
    return load_catalog(name).prices.rows
