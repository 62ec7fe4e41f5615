"""The text of an own region: which of its zones sell which machines, as a refresh read it.

    families:
      g6e: [use1-az1, use1-az2]
      p5: []
    types:
      g6e.48xlarge: [use1-az1]
    source: EC2 describe_instance_type_offerings
    as_of: 2026-11-30
    ...

A family has the zones of most of its types. Types that are sold elsewhere, or nowhere, are named beside it. A family of
which no type is sold has no zone, so that zones which the shipped catalog knows of it do not count any more.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence

Zones = tuple[str, ...]


def region_text(zones: Mapping[str, Sequence[str]], types: Iterable[str], source: str, as_of: str) -> str:
    """Return the text of a region.

    zones: zone ids that sell a type; a type that is not sold is left out. types: all types that were asked for, each of
    whose families is written.
    """
    by_family: defaultdict[str, dict[str, Zones]] = defaultdict(dict)
    for name in sorted(set(types)):
        by_family[name.partition(".")[0]][name] = tuple(sorted(zones.get(name, ())))
    families = {family: _usual(sold.values()) for family, sold in sorted(by_family.items())}
    others = {
        name: where
        for family, sold in sorted(by_family.items())
        for name, where in sold.items()
        if where != families[family]
    }
    head = [*_block("families", families), *(_block("types", others) if others else ())]
    return "\n".join([*head, f"source: {source}", f"as_of: {as_of}", "..."]) + "\n"


def _usual(sold: Iterable[Zones]) -> Zones:
    """Return the zones of most types of a family; among equals those of more zones, and none where none is sold."""
    counted = Counter(where for where in sold if where)
    return max(counted, key=lambda where: (counted[where], len(where), where), default=())


def _block(name: str, rows: Mapping[str, Zones]) -> Iterator[str]:
    yield f"{name}:" if rows else f"{name}: {{}}"
    yield from (f"  {key}: [{', '.join(where)}]" for key, where in rows.items())
