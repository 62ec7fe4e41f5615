"""The availability of routes whose machines have another number at each level of load.

Levels with the same machines are looked at together, as a plan of its own. What they lose counts by the requests that
come in them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from planner.performance.availability import Cause, RouteAvailability, Setting, availability


def availability_by_level(setting: Setting, sizes: Mapping[str, Sequence[int]]) -> dict[str, RouteAvailability]:
    """Return the availability of each route that has requests, by name.

    sizes: nodes at each level, by group; the nodes of such a group are all alike. Other groups are as in the setting.
    """
    if not sizes:
        return availability(setting)
    together: dict[tuple[int, ...], list[int]] = {}
    for t in range(len(setting.hours)):
        together.setdefault(tuple(sizes[group][t] for group in sorted(sizes)), []).append(t)
    parts: dict[str, list[tuple[float, RouteAvailability]]] = {}
    for counts, levels in together.items():
        there = dict(zip(sorted(sizes), counts, strict=True))
        kinds = (replace(kind, nodes=there.get(kind.group, kind.nodes)) for kind in setting.kinds)
        hours = tuple(h if t in levels else 0.0 for t, h in enumerate(setting.hours))
        part = replace(setting, hours=hours, kinds=tuple(kind for kind in kinds if kind.nodes))
        requests = _requests(part)
        for route, found in availability(part).items():
            parts.setdefault(route, []).append((requests[route], found))
    return {route: _mean(parts[route]) for route in sorted(parts)}


def _requests(setting: Setting) -> dict[str, float]:
    """Return what comes of each route in the hours of a setting, in requests/s times hours."""
    requests: dict[str, float] = {}
    for flow in setting.flows:
        for hours, own, api in zip(setting.hours, flow.own_mean, flow.api_mean, strict=True):
            requests[flow.route] = requests.get(flow.route, 0.0) + hours * (own + api)
    return requests


def _mean(parts: Sequence[tuple[float, RouteAvailability]]) -> RouteAvailability:
    """Return the availability over several parts of the month, each weighted by its requests."""
    whole = sum(weight for weight, _ in parts)
    losses: dict[Cause, float] = {}
    for weight, found in parts:
        for cause, share in found.losses.items():
            losses[cause] = losses.get(cause, 0.0) + share * weight / whole
    return RouteAvailability(
        least=sum(weight * found.least for weight, found in parts) / whole,
        most=sum(weight * found.most for weight, found in parts) / whole,
        losses=dict(sorted(losses.items(), key=lambda item: (-item[1], item[0]))),
    )
