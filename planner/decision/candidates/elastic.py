"""Classes whose nodes may be given back: of the short list, those in the quota families that an environment allows.

An elastic class has a node group of its own. It takes the place of the class that runs the whole month, and keeps its
name, where that one could do nothing that it cannot: where that has nodes of its own anyway, and where a node holds one
replica, so that sharing nodes saves none. Elsewhere both can be chosen. So they can in a plan that stands the loss of a
zone, because classes that share nodes lose fewer of them with a zone.

Machines that cannot be bought are paid for whether they run or not: they are never given back. Nor are those of a type
of which some are one's own or of a capacity block, because a node does not say which of them it stands on.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import replace

from planner.decision.candidates.screening import PreferredBands
from planner.decision.candidates.self_hosted import SelfHosted, elastic_name
from planner.decision.choice.program import SECONDS_PER_HOUR


def with_elastic(classes: Iterable[SelfHosted], families: Collection[str], survives_a_zone: bool) -> list[SelfHosted]:
    """Return the classes with their elastic ones, sorted by name. families: quota families that may be given back."""
    made: dict[str, SelfHosted] = {}
    for c in classes:
        k = c.replica_class
        if k.quota_family not in families or not k.may_buy or k.owned or k.blocks:
            made[c.name] = c
            continue
        takes_its_place = k.exclusive or (k.replicas_per_node == 1 and not survives_a_zone)
        name = k.name if takes_its_place else elastic_name(k.name)
        made[c.name] = c
        made[name] = replace(c, replica_class=replace(k, name=name, warm_hours=c.warm_seconds / SECONDS_PER_HOUR))
    return [made[name] for name in sorted(made)]


def of_month(names: Collection[str], classes: Iterable[SelfHosted]) -> frozenset[str]:
    """Return names of classes with those of the classes that some of them are the elastic ones of."""
    return frozenset(names) | {c.name for c in classes if elastic_name(c.name) in names}


def with_elastic_preferred(preferred: PreferredBands | None) -> PreferredBands | None:
    """Return the bands that prefer each class, also by the names of elastic ones."""
    if preferred is None:
        return None
    return {**{elastic_name(name): bands for name, bands in preferred.items()}, **preferred}
