"""Places where data may be processed: countries and unions of them, which hold one another, and what lies in each.

A route names the places that its data may not leave. A machine stands in the place of its AWS region, and an API
processes in the places that its provider states. `eu` holds `de`, so that a route in `eu` may use a machine in `de`,
and a route in `de` may not use an API that processes anywhere in `eu`. The outermost place is `global`, which holds all
others: whoever processes there promises no place.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

EVERYWHERE = "global"
"""The place that holds all others."""
CALLED_REGION = "{region}"
"""What a provider states that processes in the AWS region whose address is called."""


UNKNOWN = ""
"""It stands for a place that nobody has read."""


@dataclass(frozen=True, kw_only=True)
class KnownPlace:
    """One place.

    key: the word for it in environments: a country's code, or a union's.
    name: its name for people.
    within: key of the place that holds it; None for a place that only the whole world holds.
    aws_regions: AWS regions that lie in it, and in none of its parts.
    source, as_of: where this was read, and the day that the source states.
    """

    key: str
    name: str
    within: str | None
    aws_regions: tuple[str, ...]
    source: str
    as_of: str


@dataclass(frozen=True)
class Places:
    """All places that the catalog knows, by key."""

    rows: Mapping[str, KnownPlace] = field(default_factory=dict)

    @property
    def words(self) -> tuple[str, ...]:
        """Return the words for places, sorted."""
        return tuple(sorted({*self.rows, EVERYWHERE}))

    def of_region(self, region: str) -> str | None:
        """Return the place in which an AWS region lies, or the place that is named; None for what nobody knows."""
        if region in self.rows:
            return region
        return next((key for key, row in sorted(self.rows.items()) if region in row.aws_regions), None)

    def chain(self, place: str) -> tuple[str, ...]:
        """Return a place and all that hold it, from the inside out: `de`, `eu`, `global`."""
        keys = [place]
        while (row := self.rows.get(keys[-1])) is not None and row.within is not None and row.within not in keys:
            keys.append(row.within)
        return tuple(dict.fromkeys((*keys, EVERYWHERE)))

    def outermost(self, place: str) -> str:
        """Return the widest place below the whole world that holds a place; the whole world for itself."""
        return next((key for key in reversed(self.chain(place)) if key != EVERYWHERE), EVERYWHERE)

    def name_of(self, place: str) -> str:
        """Name a place, the whole world or an unknown place for people."""
        if place in self.rows:
            return self.rows[place].name
        return {EVERYWHERE: "anywhere", UNKNOWN: "an unknown place"}.get(place, place)

    def holds(self, words: Iterable[str], place: str) -> bool:
        """Say whether some of the places that are named hold a place, or are that place."""
        return not set(words).isdisjoint(self.chain(place))

    def holds_all(self, words: Iterable[str], places: Iterable[str] | None) -> bool:
        """Say whether the places that are named hold each of `places`.

        What is not known (None) is held by none, and neither is what states no place at all.
        """
        named, inner = tuple(words), tuple(places or ())
        return bool(inner) and all(self.holds(named, place) for place in inner)

    def regions_in(self, words: Iterable[str], regions: Iterable[str]) -> tuple[str, ...]:
        """Return those of some AWS regions that lie in the places that are named, in their order."""
        named = tuple(words)
        known = ((region, self.of_region(region)) for region in regions)
        return tuple(region for region, place in known if place is not None and self.holds(named, place))

    def words_for(self, region: str) -> str:
        """Name an AWS region with its place, like `eu-central-1 (Germany)`."""
        place = self.of_region(region)
        return f"{region} ({self.rows[place].name})" if place else f"{region} (its place is not known)"
