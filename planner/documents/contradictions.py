"""What a schema cannot say of an environment file: parts that contradict each other, or together say too little.

The module works on the values as they were read, so that a contradiction is told in the same run as a wrong unit
elsewhere. It passes over what has the wrong form, of which the schema tells.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from typing import Any

from pydantic import TypeAdapter, ValidationError

from planner.documents.cluster_rules import cluster_problems
from planner.documents.deadline_rules import deadline_problems
from planner.documents.engine_rules import engine_problems
from planner.documents.ingress_rules import ingress_problems
from planner.documents.length_rules import length_problems
from planner.documents.loads import load_stated
from planner.documents.network_rules import existing_network_problems
from planner.documents.purchase_rules import purchase_problems
from planner.documents.schedule_rules import elastic_problems
from planner.domain.environment import Horizon
from planner.domain.environment_part import Day
from planner.words.diagnostics import Problem
from planner.words.spans import Document, Path, mapping_at, value_at
from planner.words.units import count, duration_ms

_DAY: TypeAdapter[date] = TypeAdapter(Day)


def contradictions(document: Document) -> Iterator[Problem]:
    """Yield all contradictions of a file (ENV005, ENV002), in the order of its parts."""
    yield from cluster_problems(document)
    yield from _zones(document)
    yield from _way_out(document)
    yield from existing_network_problems(document)
    yield from ingress_problems(document)
    yield from engine_problems(document)
    yield from purchase_problems(document)
    yield from elastic_problems(document)
    yield from _days(document)
    yield from _price_ages(document)
    for name, route in mapping_at(document.value, "routes").items():
        path: Path = ("routes", name)
        yield from _lengths_known(document, path, route)
        yield from load_stated(document, path)
        yield from _profile(document, path)
        yield from length_problems(document, (*path, "tokens"))
        yield from _prefix(document, path)
        yield from _promise(document, (*path, "slo"))
        yield from _held(document, (*path, "engine"))
        yield from _quality(document, (*path, "quality"))


def _zones(document: Document) -> Iterator[Problem]:
    """Require that no zone stands twice: zones are places that do not fail together."""
    zones = value_at(document.value, ("platform", "zones"))
    seen: set[str] = set()
    for index, zone in enumerate(zones if isinstance(zones, list) else ()):
        if str(zone) in seen:
            where = document.at(("platform", "zones", index))
            yield Problem("ENV005", f"zone `{zone}` stands twice", where, "name each zone once")
        seen.add(str(zone))


def _way_out(document: Document) -> Iterator[Problem]:
    """Require a way out of each zone where the plan must stand the loss of one: APIs are then the reserve."""
    path = ("reserve", "zone")
    if value_at(document.value, path) is True and value_at(document.value, ("platform", "cluster")) is not None:
        message = "`reserve.zone`: in which zones the nodes of a cluster stand that is there already is not known"
        yield Problem("ENV005", message, document.key(path), "leave it out; `reserve.node` counts there too")
    made = value_at(document.value, ("platform", "cluster")) is None
    made = made and value_at(document.value, ("platform", "network", "vpc")) is None
    if value_at(document.value, path) is True and made and value_at(document.value, ("platform", "nat")) != "per-zone":
        message = "`reserve.zone`: the network has one way out, and the loss of its zone takes it with all APIs"
        yield Problem("ENV005", message, document.key(path), "write `nat: per-zone` under `platform`")


def _price_ages(document: Document) -> Iterator[Problem]:
    """Require that a limit which denies lies above the one that warns."""
    path = ("policy", "price_age")
    for kind, limits in mapping_at(document.value, *path).items():
        warn, deny = (_duration(value_at(limits, (name,))) for name in ("warn", "deny"))
        if warn is not None and deny is not None and deny <= warn:
            message = f"prices of `{kind}` are denied before they warn"
            yield Problem("ENV005", message, document.at((*path, kind, "deny")), "let `deny` be longer than `warn`")


def _days(document: Document) -> Iterator[Problem]:
    """Require that what was judged or measured was so before the horizon ends.

    A team measures again while a plan runs. No clock is read, so that the same file is judged the same on every day.
    """
    end = _end(document)
    for path in _stated_days(document):
        day = _day(value_at(document.value, path))
        if end is not None and day is not None and day >= end:
            message = f"{'.'.join(map(str, path))}: {day} is not before the end of the horizon, {end}"
            yield Problem("ENV005", message, document.at(path), "write the day on which it was done")


def _end(document: Document) -> date | None:
    """Return the first day after the horizon; None where it is not stated well, of which the schema tells."""
    try:
        return Horizon.model_validate(dict(mapping_at(document.value, "horizon"))).end
    except ValidationError:
        return None


def _stated_days(document: Document) -> Iterator[Path]:
    """Yield the path of each day on which a team judged or measured something."""
    yield from (("routes", name, "quality", "date") for name in mapping_at(document.value, "routes"))
    for name in mapping_at(document.value, "api", "providers"):
        yield ("api", "providers", name, "latency", "measured")
    yield from (("models", name, "measured") for name in mapping_at(document.value, "models"))


def _lengths_known(document: Document, path: Path, route: Any) -> Iterator[Problem]:
    """Require that token lengths come from a trace or are declared."""
    if isinstance(route, dict) and value_at(route, ("traffic", "trace")) is None and route.get("tokens") is None:
        hint = "add `traffic.trace:` or `tokens: {input: {mean, p95}, output: {mean, p95}}`"
        message = f"route `{path[-1]}` has neither a trace nor token lengths"
        yield Problem("ENV005", message, document.key(path), hint)


def _profile(document: Document, path: Path) -> Iterator[Problem]:
    """Require that a week has requests: without any, it has no shape to scale."""
    where: Path = (*path, "traffic", "profile")
    hours = value_at(document.value, where)
    if isinstance(hours, list) and hours and all(hour == 0 for hour in hours):
        hint = "write how the hours compare, at least one of them above 0"
        yield Problem("ENV005", f"route `{path[-1]}`: every hour of the profile is 0", document.at(where), hint)


def _promise(document: Document, path: Path) -> Iterator[Problem]:
    """Require a promise that bounds how long a request may wait, and whose parts can hold together.

    A time per output token alone would let a request wait for ever before its first token.
    """
    slo = value_at(document.value, path)
    if not isinstance(slo, dict):
        return
    if slo.get("deadline") is not None:
        yield from deadline_problems(document, path)
        return
    if slo.get("ttft_p95") is None and slo.get("e2e_p95") is None:
        message = f"route `{path[-2]}` does not say how long a request may wait"
        hint = (
            "add `ttft_p95:` (to the first token), `e2e_p95:` (to the last token), or both; "
            "`deadline:` alone where all of it may wait for hours"
        )
        yield Problem("ENV005", message, document.key(path), hint)
    first = slo["ttft_p95"].get("base") if isinstance(slo.get("ttft_p95"), dict) else slo.get("ttft_p95")
    first_ms, whole_ms = _duration(first), _duration(slo.get("e2e_p95"))
    if first_ms is not None and whole_ms is not None and whole_ms < first_ms:
        message = (
            f"route `{path[-2]}`: `e2e_p95` {slo['e2e_p95']} is below `ttft_p95` {first}: the last token cannot come "
            "before the first"
        )
        hint = "give more time to the last token than to the first one, or leave one of them out"
        yield Problem("ENV005", message, document.at((*path, "e2e_p95")), hint)


def _held(document: Document, path: Path) -> Iterator[Problem]:
    """Require a step that holds one token of each sequence of the batch, without which the engine does not start."""
    settings = value_at(document.value, path)
    if not isinstance(settings, dict):
        return
    sequences: Any = settings.get("max_num_seqs")
    tokens: Any = settings.get("max_num_batched_tokens")
    if _positive(sequences) and _positive(tokens) and tokens < sequences:
        message = (
            f"route `{path[-2]}`: `max_num_batched_tokens` {tokens} is below `max_num_seqs` {sequences}; the engine "
            "would not start"
        )
        hint = "a step decodes one token of each sequence: raise the tokens or lower the sequences"
        yield Problem("ENV005", message, document.at((*path, "max_num_batched_tokens")), hint)


def _quality(document: Document, path: Path) -> Iterator[Problem]:
    """Require one way to say which models are good enough: an accept list with its day and source, or a metric."""
    quality = value_at(document.value, path)
    if not isinstance(quality, dict):
        return
    dotted = ".".join(map(str, path))
    if "metric" in quality and "accept" in quality:
        hint = "leave one of them out; `among` names the models that a metric may choose"
        yield Problem("ENV005", f"{dotted}: both `accept` and `metric`", document.key((*path, "metric")), hint)
    needed = ("minimum",) if "metric" in quality else ("accept", "source", "date")
    for name in needed:
        if name not in quality:
            yield Problem("ENV002", f"missing key `{dotted}.{name}`", document.key(path), _QUALITY_HINTS[name])
    for name in ("minimum", "among", "scores"):
        if name in quality and "metric" not in quality:
            hint = "name the metric, or leave it out"
            yield Problem("ENV005", f"{dotted}: `{name}` without `metric`", document.key((*path, name)), hint)


_QUALITY_HINTS = {
    "accept": "a list of models that are good enough, or `metric` and `minimum`; see `spillway models suggest`",
    "source": "what the judgement rests on",
    "date": "when it was made, like 2026-11-01",
    "minimum": "the least score of a model that is good enough",
}


def _day(value: Any) -> date | None:
    """Return a day; None for what is none, of which the schema tells."""
    try:
        return _DAY.validate_python(value)
    except ValidationError:
        return None


def _duration(value: Any) -> float | None:
    """Return milliseconds; None for what is no duration, of which the schema tells."""
    try:
        return duration_ms(value)
    except ValueError:
        return None


def _prefix(document: Document, path: Path) -> Iterator[Problem]:
    """Require that the prefix which all prompts share is shorter than the mean prompt."""
    where: Path = (*path, "tokens", "shared_prefix")
    try:
        prefix = count(value_at(document.value, where))
    except ValueError:
        return
    mean = value_at(document.value, (*path, "tokens", "input", "mean"))
    if _positive(mean) and prefix >= mean:
        hint = "it is a part of every prompt, so count it in `input` too"
        message = f"route `{path[-1]}`: a prefix of {prefix:,} tokens is not shorter than the mean prompt of {mean:,g}"
        yield Problem("ENV005", message, document.at(where), hint)


def _positive(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 < value < float("inf")
