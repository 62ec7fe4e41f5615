"""`catalog refresh` and `catalog quotas`: an account's own prices and quotas, for review.

A refresh reads everything before it writes anything. What failed anywhere is told in one run, and then nothing is
written. Each file is replaced in one step.
"""

from __future__ import annotations

import datetime
import json
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from functools import cache, partial
from pathlib import Path
from typing import Any

from planner.cli.catalog_views import change_row, check_regions, day_of
from planner.cli.output import note, report, show, show_json
from planner.documents.price_file import FreshPrices, Names, file_text
from planner.documents.price_refresh import DOUBTFUL_SHARE, PricesNow, RefreshedGroup, all_changes, refreshed_group
from planner.documents.region_file import region_text
from planner.domain.catalog import Catalog
from planner.domain.gaps import did_you_mean
from planner.edges import api_price_list, aws_prices, aws_quotas, aws_rates
from planner.edges.aws_account import Account, Refused, open_account
from planner.edges.catalog_files import load_catalog
from planner.edges.files import read_text, write_text
from planner.edges.own_catalog import catalog_beside
from planner.edges.own_price_files import own_price_path, read_price_file
from planner.edges.own_region_files import SOURCE as REGION_SOURCE
from planner.edges.own_region_files import own_region_path, written_by_hand
from planner.edges.workspace import Workspace
from planner.faces.catalog import changes_view, quotas_view
from planner.faces.figures import count_words
from planner.words.diagnostics import Problem, Problems, as_json
from planner.words.spans import mapping_at

WRITTEN = ("ec2", "api")
"""Sources whose prices plans use, so that they are written as own rows."""
REPORTED = ("spot", "capacity-blocks", "savings-plans")
"""Sources whose prices plans do not use yet, so that they stand in a report alone."""


@dataclass(frozen=True)
class Asked:
    """What the options of `refresh` say.

    regions: AWS regions. only: sources. today: the day of the prices. accept_changes: whether hosted models may cost
    far more or less than before. dry_run: whether nothing is written. report: path of the report; None without one.
    """

    regions: tuple[str, ...]
    only: tuple[str, ...]
    today: datetime.date
    accept_changes: bool
    dry_run: bool
    report: Path | None


@dataclass
class Gathered:
    """What was read until now."""

    groups: list[RefreshedGroup] = field(default_factory=list)
    rates: list[aws_rates.Rate] = field(default_factory=list)
    zones: dict[str, Mapping[str, Sequence[str]]] = field(default_factory=dict)
    other_zones: list[str] = field(default_factory=list)
    regions: dict[Path, str] = field(default_factory=dict)
    told: list[Problem] = field(default_factory=list)


def asked_of(
    regions: Sequence[str],
    only: str,
    today: str,
    accept_changes: bool,
    dry_run: bool,
    report_file: Path | None,
    folder: Path,
) -> Asked:
    """Return what the options mean. Raises `Problems` for words that mean nothing."""
    default = (*WRITTEN, *(REPORTED if report_file else ()))
    sources = tuple(dict.fromkeys(word.strip() for word in only.split(",") if word.strip())) or default
    problems = [
        Problem("USE003", f"--only: there is no source {word!r}", hint=did_you_mean(word, (*WRITTEN, *REPORTED)))
        for word in sources
        if word not in (*WRITTEN, *REPORTED)
    ]
    if report_file is None and (unread := [word for word in sources if word in REPORTED]):
        message = f"plans do not use the prices of {', '.join(unread)} yet, so that they stand in a report alone"
        problems.append(Problem("USE003", message, hint="give --report FILE"))
    named = tuple(dict.fromkeys(regions)) or environment_regions(folder)
    if not named and set(sources) - {"api"}:
        hint = "name one with --region; without it those of the environments are read"
        problems.append(Problem("USE003", "no region is named, and there is no environment", hint=hint))
    if problems:
        raise Problems(problems)
    return Asked(named, sources, day_of(today), accept_changes, dry_run, report_file)


def environment_regions(folder: Path) -> tuple[str, ...]:
    """Return the regions that environments state, sorted; also of one that cannot be planned yet."""
    workspace = Workspace(folder)
    return tuple(sorted({_region(workspace.stated(name)) for name in workspace.names()} - {""}))


def _region(stated: Mapping[str, Any]) -> str:
    return str(mapping_at(stated, "platform").get("region", ""))


def refresh(asked: Asked, folder: Path, form: str) -> None:
    """Read prices, show what would change for plans, and write own rows."""
    catalog = catalog_beside(folder)
    check_regions(catalog, list(asked.regions))
    listed = catalog.on_list().prices.rows
    now = PricesNow(load_catalog().prices.rows, listed)
    gathered = Gathered()
    problems: list[Problem] = []
    for step in _steps(asked, catalog, now, folder, gathered):
        try:
            step()
        except Problems as broken:
            problems.extend(broken.problems)
        except Refused as refused:
            problems.append(Problem("REF004", str(refused), hint="nothing was written; `--only` leaves a source out"))
    if problems:
        report(gathered.told, "text")
        raise Problems(dict.fromkeys(problems))
    told = list(gathered.told)
    for group in gathered.groups:
        told.extend(group.told(str(own_price_path(folder, group.kind, group.group))))
    _show(asked, gathered, told, folder, form)
    if not asked.dry_run:
        _write(asked, gathered, folder)


def quotas(region: str, folder: Path, form: str) -> None:
    """Print the account's vCPU quotas as a block of an environment, and how environments differ from it."""
    workspace = Workspace(folder)
    regions = [region] if region else list(environment_regions(folder))
    if not regions:
        hint = "name it with --region"
        raise Problems([Problem("USE003", "no region is named, and there is no environment", hint=hint)])
    check_regions(catalog_beside(folder), regions)
    account = open_account()
    environments = {name: workspace.stated(name) for name in workspace.names()}
    on_spot = {_region(each) for each in environments.values() if mapping_at(each, "purchase").get("spot") is not None}
    found = [aws_quotas.account_quotas(account, each, of_spot=each in on_spot) for each in regions]
    compared = {
        each.region: [
            sentence
            for name, stated in environments.items()
            if _region(stated) == each.region
            for sentence in _compared(name, mapping_at(stated, "quotas"), each)
        ]
        for each in found
    }
    if form == "json":
        show_json(
            [
                {
                    "region": each.region,
                    "quotas": {row.family: row.vcpu for row in each.rows},
                    "defaults": [row.family for row in each.rows if row.is_default],
                    "environments": compared[each.region],
                    "told": as_json(each.told),
                }
                for each in found
            ]
        )
        return
    for each in found:
        if each.rows:
            block = ", ".join(f"{row.family}: {row.vcpu}" for row in each.rows)
            show(quotas_view(each.region, f"quotas: {{{block}}}", compared[each.region]))
        report(each.told)


def _steps(
    asked: Asked, catalog: Catalog, now: PricesNow, folder: Path, gathered: Gathered
) -> Iterator[Callable[[], None]]:
    """Yield what is to be read, a step for each source and region."""
    if "api" in asked.only:
        yield lambda: _read_apis(asked, catalog, now, folder, gathered)
    if not set(asked.only) - {"api"}:
        return
    account = cache(open_account)
    for region in asked.regions:
        if "ec2" in asked.only:
            yield partial(_read_ec2, account, region, asked, catalog, now, folder, gathered)
        yield partial(_read_rates, account, region, asked, catalog, gathered)


def _read_ec2(
    opened: Callable[[], Account],
    region: str,
    asked: Asked,
    catalog: Catalog,
    now: PricesNow,
    folder: Path,
    gathered: Gathered,
) -> None:
    account = opened()
    known = {row.instance_type: row.zones for row in catalog.offered_in(region)}
    zones = aws_prices.zones_that_sell(account, region, catalog.instances)
    priced = {key.split("/")[2] for key in now.used if key.startswith(f"ec2/{region}/")}
    found = aws_prices.on_demand_prices(account, region, {*zones, *known, *priced})
    _keep_zones(region, zones, known, asked, catalog, folder, gathered)
    gathered.told.extend(found.told)
    if not found.usd:
        message = f"no price of {region} can be used, so that its file stays as it is"
        gathered.told.append(Problem("REF006", message, severity="warning"))
        return
    usd: dict[Names, Decimal] = {(name, "on-demand"): amount for name, amount in found.usd.items()}
    fresh = FreshPrices(aws_prices.SOURCE_NAME, aws_prices.SOURCE, asked.today.isoformat(), "hour", usd)
    file = read_price_file(own_price_path(folder, "ec2", region))
    gathered.groups.append(refreshed_group("ec2", region, file, fresh, now))


def _keep_zones(
    region: str,
    zones: Mapping[str, Sequence[str]],
    known: Mapping[str, Sequence[str]],
    asked: Asked,
    catalog: Catalog,
    folder: Path,
    gathered: Gathered,
) -> None:
    """Note which zones sell which machines, and write an own region where that is not what the catalog says."""
    gathered.zones[region] = zones
    other = [name for name in sorted({*zones, *known}) if set(zones.get(name, ())) != set(known.get(name, ()))]
    gathered.other_zones.extend(
        f"{name} in {region}: EC2 sells it in {', '.join(zones.get(name, ())) or 'no zone'}; "
        f"plans know {', '.join(known.get(name, ())) or 'no zone'}"
        for name in other
    )
    path = own_region_path(folder, region)
    if not zones:
        message = f"EC2 sells none of the catalog's machines in {region}"
        gathered.told.append(Problem("REF006", message, hint="what plans know stays", severity="warning"))
    elif written_by_hand(path):
        message = f"{path}: kept as it was written by hand"
        gathered.told.append(Problem("REF009", message, hint="remove it to have it refreshed", severity="warning"))
    elif other or path.exists():
        gathered.regions[path] = region_text(zones, catalog.instances, REGION_SOURCE, asked.today.isoformat())


def _read_rates(opened: Callable[[], Account], region: str, asked: Asked, catalog: Catalog, gathered: Gathered) -> None:
    """Read what plans do not use yet."""
    account = opened()
    rows = catalog.offered_in(region)
    types = sorted(row.instance_type for row in rows)
    blocks = sorted(row.instance_type for row in rows if row.instance.quota == "P")
    readers: Mapping[str, Callable[[], aws_rates.Rates]] = {
        "spot": lambda: aws_rates.spot_rates(account, region, types, asked.today),
        "capacity-blocks": lambda: aws_rates.capacity_block_rates(account, region, blocks, asked.today),
        "savings-plans": lambda: aws_rates.savings_plan_rates(account, region, types),
    }
    for name, read in readers.items():
        if name in asked.only and types:
            found = read()
            gathered.rates.extend(found.rows)
            gathered.told.extend(found.told)


def _read_apis(asked: Asked, catalog: Catalog, now: PricesNow, folder: Path, gathered: Gathered) -> None:
    prices = api_price_list.open_price_list(asked.today)
    models = [api for api in catalog.apis if api.serves_on(asked.today)]
    found = api_price_list.hosted_prices(prices, models, asked.today)
    gathered.told.extend(found.told)
    by_provider: defaultdict[str, dict[Names, Decimal]] = defaultdict(dict)
    for (key, part), amount in found.usd.items():
        provider, _, slug = key.partition("/")
        by_provider[provider][slug, part] = amount
    most = None if asked.accept_changes else DOUBTFUL_SHARE
    for provider, rows in sorted(by_provider.items()):
        as_of = prices.as_of or asked.today.isoformat()
        fresh = FreshPrices(api_price_list.SOURCE_NAME, prices.source, as_of, api_price_list.UNIT, rows)
        file = read_price_file(own_price_path(folder, "api", provider))
        gathered.groups.append(refreshed_group("api", provider, file, fresh, now, most))


def _show(asked: Asked, gathered: Gathered, told: Sequence[Problem], folder: Path, form: str) -> None:
    changes = all_changes(gathered.groups)
    if form == "json":
        files: list[dict[str, object]] = [{"file": str(path)} for path in sorted(gathered.regions)]
        files += [
            {"file": str(own_price_path(folder, group.kind, group.group)), "prices": group.read}
            for group in gathered.groups
        ]
        show_json(
            {
                "day": asked.today.isoformat(),
                "written": not asked.dry_run,
                "files": files,
                "changes": [change_row(change) for change in changes],
                "zones": gathered.other_zones,
                "told": as_json(told),
            }
        )
        return
    show(changes_view(changes, "Prices for plans", "now", "refreshed"))
    report(told)
    for sentence in gathered.other_zones:
        note(sentence)
    read = sum(group.read for group in gathered.groups)
    counted = {kind: sum(change.kind == kind for change in changes) for kind in ("changed", "added", "gone")}
    words = ", ".join(f"{count:,} {kind}" for kind, count in counted.items())
    older = sum(group.older for group in gathered.groups)
    left_out = f"; {older:,} are left out, because plans use the same of a later day" if older else ""
    note(f"read {count_words(read, 'price')}: {words} for plans{left_out}")


def _write(asked: Asked, gathered: Gathered, folder: Path) -> None:
    if asked.report is not None:
        document = aws_rates.report(gathered.rates, gathered.zones, asked.today.isoformat())
        write_text(asked.report, json.dumps(document, indent=2, sort_keys=True, ensure_ascii=False) + "\n")
        note(f"wrote {asked.report}; plans do not use these rates yet")
    files = dict(gathered.regions)
    for group in gathered.groups:
        path = own_price_path(folder, group.kind, group.group)
        if group.result.file.rows or path.exists():
            files[path] = file_text(group.result.file)
    for path, text in sorted(files.items()):
        if path.exists() and read_text(path) == text:
            continue
        path.parent.mkdir(parents=True, exist_ok=True)
        write_text(path, text)
        note(f"wrote {path}")


def _compared(name: str, stated: Mapping[str, Any], found: aws_quotas.AccountQuotas) -> Iterator[str]:
    for row in found.rows:
        if row.family not in stated:
            yield f"{name} states no quota of {row.family}; the account has {row.vcpu}"
        elif stated[row.family] != row.vcpu:
            yield f"{name} states {row.family}: {stated[row.family]}; the account has {row.vcpu}"
        else:
            yield f"{name} states {row.family}: {row.vcpu}, like the account"
