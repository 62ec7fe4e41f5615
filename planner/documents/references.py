"""Names in an environment file that must exist elsewhere: models, providers, region, zones, traces, time zones.

The module works on the values as they were read, so that a wrong name is told in the same run as a wrong unit. Each
problem stands at its line and names the nearest thing that exists.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from planner.domain.catalog import Catalog
from planner.domain.gaps import Gap, did_you_mean
from planner.words.diagnostics import Problem
from planner.words.spans import Document, Path, mapping_at, value_at

BARRED_ZONES = frozenset({"use1-az3", "usw1-az2", "cac1-az3"})
"""Zones in which EKS places no control plane (EKS user guide, subnet requirements)."""


def dangling(document: Document, catalog: Catalog, trace_problem: Callable[[str], str | None]) -> tuple[Problem, ...]:
    """Return a problem for every reference that leads nowhere.

    `trace_problem` says what is wrong with a trace's name; None means that nothing is.
    """
    problems = [*_platform(document, catalog), *_providers(document, catalog)]
    routes = mapping_at(document.value, "routes")
    for name in routes:
        path: Path = ("routes", name)
        problems += _models(document, catalog, (*path, "quality", "accept"))
        problems += _traffic(document, (*path, "traffic"), trace_problem)
    return tuple(problems)


def _platform(document: Document, catalog: Catalog) -> Iterator[Problem]:
    """Require a region with prices, and zones in which EKS can run and GPU machines are sold."""
    platform = mapping_at(document.value, "platform")
    region = platform.get("region")
    if not isinstance(region, str):
        return
    if region not in catalog.regions:
        where = document.at(("platform", "region"))
        hint = did_you_mean(region, catalog.regions)
        yield Problem("ENV007", f"the catalog has no prices for region `{region}`", where, hint)
        return
    zones = platform.get("zones")
    zones_sold = tuple(zone for zone in catalog.zones(region) if zone not in BARRED_ZONES)
    for index, zone in enumerate(zones if isinstance(zones, list) else ()):
        where = document.at(("platform", "zones", index))
        if not isinstance(zone, str):
            continue
        if zone in BARRED_ZONES:
            hint = f"choose another zone of the region: {', '.join(zones_sold)}"
            yield Problem("ENV007", f"EKS cannot use zone `{zone}`", where, hint)
        elif zone not in zones_sold:
            hint = f"zones are named by id; those of {region} are {', '.join(zones_sold)}"
            yield Problem("ENV007", f"no GPU machine is sold in zone `{zone}` of {region}", where, hint)


def _providers(document: Document, catalog: Catalog) -> Iterator[Problem]:
    """Require API providers that the catalog knows."""
    for name in mapping_at(document.value, "api", "providers"):
        provider = catalog.provider(str(name))
        if isinstance(provider, Gap):
            where = document.key(("api", "providers", name))
            yield Problem("ENV006", f"the catalog has no API provider `{name}`", where, provider.hint)


def _models(document: Document, catalog: Catalog, path: Path) -> Iterator[Problem]:
    """Require an accept list of models that the catalog knows."""
    entries = value_at(document.value, path)
    for index, entry in enumerate(entries if isinstance(entries, list) else ()):
        accepted = catalog.accepted_entry(entry) if isinstance(entry, str) else None
        if isinstance(accepted, Gap):
            yield Problem("ENV006", accepted.message, document.at((*path, index)), accepted.hint)


def _traffic(document: Document, path: Path, trace_problem: Callable[[str], str | None]) -> Iterator[Problem]:
    """Require a trace that can be read and a time zone that exists."""
    trace, timezone = value_at(document.value, (*path, "trace")), value_at(document.value, (*path, "timezone"))
    if isinstance(trace, str) and (message := trace_problem(trace)):
        hint = "name a shipped trace, or a log or summary beside this file (`spillway traces summarize` makes one)"
        yield Problem("ENV008", message, document.at((*path, "trace")), hint)
    if isinstance(timezone, str):
        try:
            ZoneInfo(timezone)
        except (ZoneInfoNotFoundError, ValueError, OSError):  # OSError: `Europe` is a folder of the database
            hint = "write a name of the time zone database, like Europe/Berlin"
            yield Problem("ENV004", f"there is no time zone `{timezone}`", document.at((*path, "timezone")), hint)
