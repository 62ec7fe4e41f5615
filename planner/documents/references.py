"""Names in an environment file that must exist elsewhere: models, providers, places, hardware, zones, traces.

The module works on the values as they were read, so that a wrong name is told in the same run as a wrong unit. Each
problem stands at its line and names the nearest thing that exists.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import ValidationError

from planner.domain.apis import Provider
from planner.domain.catalog import Catalog
from planner.domain.gaps import Gap, did_you_mean
from planner.domain.hardware import kind_of, missing, of_machine, words_for_hardware
from planner.domain.offerings import UnplannedHardware
from planner.domain.owning import OwnedMachines, owned
from planner.words.diagnostics import Problem, Span, first_of
from planner.words.spans import Document, Path, mapping_at, value_at

BARRED_ZONES = frozenset({"use1-az3", "usw1-az2", "cac1-az3"})
"""Zones in which EKS places no control plane (EKS user guide, subnet requirements)."""

TraceProblem = Callable[[str], tuple[str, str] | None]
"""Says what is wrong with a trace's name, and what to do about it; None means that nothing is."""


def dangling(document: Document, catalog: Catalog, trace_problem: TraceProblem) -> tuple[Problem, ...]:
    """Return a problem for every reference that leads nowhere."""
    return first_of(_dangling(document, catalog, trace_problem))


def _dangling(document: Document, catalog: Catalog, trace_problem: TraceProblem) -> Iterator[Problem]:
    yield from _platform(document, catalog)
    yield from _providers(document, catalog)
    yield from _measured_models(document, catalog)
    yield from _existing(document, catalog)
    yield from _owned(document, catalog)
    yield from _based_in(document, catalog)
    yield from _hardware(document, catalog, ("hardware",))
    for name in mapping_at(document.value, "routes"):
        path: Path = ("routes", name)
        yield from _models(document, catalog, (*path, "quality", "accept"))
        yield from _models(document, catalog, (*path, "quality", "among"))
        yield from _traffic(document, (*path, "traffic"), trace_problem)
        yield from _places(document, catalog, (*path, "residency"))
        yield from _hardware(document, catalog, (*path, "hardware"))


def _platform(document: Document, catalog: Catalog) -> Iterator[Problem]:
    """Require a region of which enough is known, and zones in which EKS can run and GPU machines are sold."""
    platform = mapping_at(document.value, "platform")
    region = platform.get("region")
    if not isinstance(region, str):
        return
    if platform.get("cluster") is not None:
        if catalog.places.of_region(region) is None:
            where = document.at(("platform", "region"))
            hint = "write the country in which the cluster stands by its code, like `de`, or its AWS region"
            yield Problem("ENV007", f"no place and no region is called `{region}`", where, hint)
        return
    if region not in catalog.regions:
        where = document.at(("platform", "region"))
        hint = did_you_mean(region, catalog.regions)
        yield Problem("ENV007", f"the catalog has no region `{region}`", where, hint)
        return
    if missing := catalog.regions[region].missing:
        where = document.at(("platform", "region"))
        hint = f"name its zones in catalog/regions/{region}.yaml beside the environments (docs/catalog.md)"
        keys = (f"ec2/{region}/{instance_type}/on-demand" for instance_type in catalog.instances)
        if all(catalog.prices.price(key) is None for key in keys):
            hint = "docs/catalog.md says in which regions plans can be made"
        yield Problem("ENV007", f"nothing can be planned in `{region}`: {missing}", where, hint)
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
        else:
            yield from _deployments(document, catalog, provider)


def _deployments(document: Document, catalog: Catalog, provider: Provider) -> Iterator[Problem]:
    """Require the account's resource and deployments at a provider that has them, and nowhere else."""
    path = ("api", "providers", provider.key)
    account = value_at(document.value, path)
    if not isinstance(account, dict):
        return  # the schema says that it is no account
    for name in ("resource", "deployments"):
        if provider.has_deployments and not account.get(name):
            message = f"`{provider.key}` serves models under the account's own names, and `{name}` is missing"
            hint = "write `resource: NAME` (of the address) and `deployments: {MODEL: NAME, MODEL@eu: NAME}`"
            yield Problem("ENV005", message, document.key(path), hint)
        elif not provider.has_deployments and name in account:
            where = document.key((*path, name))
            yield Problem("ENV005", f"an account at `{provider.key}` has no `{name}`", where, "leave it out")
    slugs = [row.slug for row in catalog.apis if row.provider == provider.key]
    for name in mapping_at(account, "deployments") if provider.has_deployments else ():
        slug, at, address = str(name).partition("@")
        where = document.key((*path, "deployments", name))
        if slug not in slugs:
            message = f"the catalog has no model `{slug}` at `{provider.key}`"
            yield Problem("ENV006", message, where, did_you_mean(slug, slugs))
        elif at and address not in provider.endpoints:
            message = f"`{provider.key}` has no address `{address}`"
            yield Problem("ENV006", message, where, did_you_mean(address, provider.endpoints))


def _existing(document: Document, catalog: Catalog) -> Iterator[Problem]:
    """Require instance types that the catalog knows."""
    paths: tuple[Path, ...] = (("hardware", "existing"), ("purchase", "capacity_blocks"), ("purchase", "reservations"))
    for path in paths:
        yield from _machines(document, catalog, path)


def _owned(document: Document, catalog: Catalog) -> Iterator[Problem]:
    """Require machines of one's own that are like one of the catalog, whose cost is stated or published.

    Where the cluster is there already, each kind of its nodes has a number, and each such machine has labels.
    """
    path: Path = ("purchase", "owned")
    entries = value_at(document.value, path)
    region = value_at(document.value, ("platform", "region"))
    place = catalog.places.of_region(region) if isinstance(region, str) else None
    nodes = mapping_at(document.value, "platform", "cluster", "nodes")
    counted: set[str] = set()
    for index, stated in enumerate(entries if isinstance(entries, list) else ()):
        where = document.at((*path, index))
        try:
            entry = OwnedMachines.model_validate(stated)
        except ValidationError:
            return  # the schema says what is wrong with it
        found = owned(index, entry, catalog.instances, catalog.owning, place, catalog.places)
        if isinstance(found, Gap):
            yield Problem("ENV002" if found.kind == "owning" else "ENV006", found.message, where, found.hint)
            return
        counted.add(found.like.key)
        if nodes and found.like.key not in nodes:
            hint = f"add `{found.like.key}: {{labels: {{…}}}}` to `platform.cluster.nodes`"
            yield Problem("ENV005", f"nobody says which nodes of the cluster are like `{found.like.key}`", where, hint)
    listed = value_at(document.value, ("hardware", "existing"))
    counted |= {str(value_at(each, ("instance_type",))) for each in (listed if isinstance(listed, list) else ())}
    for name in nodes if entries else ():
        if str(name) not in counted:
            hint = "add `{instance_type, count, usd_per_hour, source, as_of}` of them to `hardware.existing`"
            message = f"nobody says how many nodes of `{name}` there are and what they cost"
            yield Problem("ENV005", message, document.key(("platform", "cluster", "nodes", name)), hint)


def _machines(document: Document, catalog: Catalog, path: Path) -> Iterator[Problem]:
    entries = value_at(document.value, path)
    for index, entry in enumerate(entries if isinstance(entries, list) else ()):
        name = value_at(entry, ("instance_type",))
        if isinstance(name, str) and name not in catalog.instances:
            where = document.at((*path, index, "instance_type"))
            if unplanned := catalog.why_unplanned(name):
                yield _unplanned(name, unplanned, where)
                continue
            hint = did_you_mean(name, catalog.instances)
            yield Problem("ENV006", f"the catalog has no GPU machine `{name}`", where, hint)


def _measured_models(document: Document, catalog: Catalog) -> Iterator[Problem]:
    """Require figures of models that the catalog knows, by their plain names."""
    known = sorted({*catalog.models, *(row.slug for row in catalog.apis)})
    for name in mapping_at(document.value, "models"):
        if str(name) not in known:
            plain = str(name).partition("@")[0]
            hint = f"write `{plain}`: figures hold for all its precisions" if plain in known else ""
            where = document.key(("models", name))
            yield Problem("ENV006", f"the catalog has no model `{name}`", where, hint or did_you_mean(str(name), known))


def _models(document: Document, catalog: Catalog, path: Path) -> Iterator[Problem]:
    """Require an accept list of models that the catalog knows."""
    entries = value_at(document.value, path)
    for index, entry in enumerate(entries if isinstance(entries, list) else ()):
        accepted = catalog.accepted_entry(entry) if isinstance(entry, str) else None
        if isinstance(accepted, Gap) and "+lora" in str(entry):
            base = str(entry).partition("+")[0]
            message = f"`{entry}`: an adapter is accepted by a name of its own"
            hint = f"write catalog/adapters/NAME.yaml with `base: {base}`, `weights` and `rank`, and accept NAME"
            yield Problem("ENV010", message, document.at((*path, index)), hint)
        elif isinstance(accepted, Gap):
            yield Problem("ENV006", accepted.message, document.at((*path, index)), accepted.hint)


def _places(document: Document, catalog: Catalog, path: Path) -> Iterator[Problem]:
    """Require places that the catalog knows: nothing would lie within another word, and it would forbid all."""
    words = value_at(document.value, path)
    for index, word in enumerate(words if isinstance(words, list) else ()):
        if isinstance(word, str):
            yield from _place(word, document, catalog, (*path, index))


def _based_in(document: Document, catalog: Catalog) -> Iterator[Problem]:
    """Require that a company is based in a place that the catalog knows."""
    word = value_at(document.value, ("licence", "based_in"))
    if isinstance(word, str):
        yield from _place(word, document, catalog, ("licence", "based_in"))


def _place(word: str, document: Document, catalog: Catalog, path: Path) -> Iterator[Problem]:
    if word not in catalog.places.words:
        by_name = {row.name.lower(): key for key, row in catalog.places.rows.items()}
        near = by_name.get(word.lower()) or (word.lower() if word.lower() in catalog.places.words else None)
        hint = f"did you mean {near}?" if near else _near_place(word, catalog)
        yield Problem("ENV006", f"the catalog has no place `{word}`", document.at(path), hint)


def _near_place(word: str, catalog: Catalog) -> str:
    """Return the hint for a word that is no place: the unions that begin as it does, or the nearest words."""
    begins = sorted(key for key in catalog.places.words if len(key) == 2 and word.lower().startswith(key))
    return f"did you mean {' or '.join(begins)}?" if begins else did_you_mean(word, catalog.places.words)


def _hardware(document: Document, catalog: Catalog, path: Path) -> Iterator[Problem]:
    """Require words that name hardware of the catalog, and of `only` words that some machine can match together."""
    known = True
    for key in ("only", "not", "prefer"):
        words = value_at(document.value, (*path, key))
        for index, word in enumerate(words if isinstance(words, list) else ()):
            if isinstance(word, str) and kind_of(word, catalog) is None:
                known = False
                yield _unknown_hardware(word, document.at((*path, key, index)), catalog)
    for key in ("only", "prefer") if known else ():
        words = value_at(document.value, (*path, key))
        texts = [word for word in words if isinstance(word, str)] if isinstance(words, list) else []
        if texts and not any(not missing(texts, of_machine(row), catalog) for row in catalog.instances.values()):
            message = f"no machine matches {', '.join(texts)} together"
            hint = "words of different kinds must all match: name GPUs, or machines, and not both"
            yield Problem("ENV005", message, document.at((*path, key)), hint)


def _unknown_hardware(word: str, where: Span | None, catalog: Catalog) -> Problem:
    """Return the problem of a word that names no hardware that can be planned with."""
    if unplanned := catalog.why_unplanned(word):
        return _unplanned(word, unplanned, where)
    if word in catalog.all_gpus:
        hint = f"cards of machines that can be rented: {', '.join(sorted(catalog.gpus))}"
        return Problem("ENV006", f"no machine that can be rented has a `{word}`", where, hint)
    return Problem("ENV006", f"no hardware is called `{word}`", where, did_you_mean(word, words_for_hardware(catalog)))


def _unplanned(word: str, row: UnplannedHardware, where: Span | None) -> Problem:
    """Return the problem of hardware that exists and that no plan uses, with the reason."""
    return Problem("ENV006", f"`{word}` is not planned with: {row.reason}", where, f"source: {row.source}, {row.as_of}")


def _traffic(document: Document, path: Path, trace_problem: TraceProblem) -> Iterator[Problem]:
    """Require a trace that can be read and a time zone that exists."""
    trace, timezone = value_at(document.value, (*path, "trace")), value_at(document.value, (*path, "timezone"))
    if isinstance(trace, str) and (told := trace_problem(trace)):
        message, hint = told
        yield Problem("ENV008", message, document.at((*path, "trace")), hint)
    if isinstance(timezone, str):
        try:
            ZoneInfo(timezone)
        except (ZoneInfoNotFoundError, ValueError, OSError):  # OSError: `Europe` is a folder of the database
            hint = "write a name of the time zone database, like Europe/Berlin"
            yield Problem("ENV004", f"there is no time zone `{timezone}`", document.at((*path, "timezone")), hint)
