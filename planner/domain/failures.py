"""How often what a plan rests on fails: machines, zones, regions, and accounts at API providers.

A row states one of two things: how many failures were seen in how long, or the share of time in which a service was
there or is promised to be. What nobody has published has no row, which is a gap and never "it does not fail".
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

NODES, APIS = "nodes", "apis"
"""First parts of the keys of rows of GPU machines and of API providers."""
ZONE, REGION = "aws/zone", "aws/region"
"""Keys of the rows of an availability zone and of a whole region."""
DAY_HOURS = 24.0


@dataclass(frozen=True, kw_only=True)
class FailureRow:
    """A row of failures.

    key: what fails: `nodes/GPU`, `aws/zone`, `aws/region`, `apis/PROVIDER`.
    basis: `measured` by those who ran it, `promised` by its seller, or `observed` from outside.
    failures: failures that were seen; None where `uptime` says it.
    over_days: days in which they were seen, counted for each machine or zone: machines × days.
    lasts_hours: how long one lasts, hours; None where it follows from the plan.
    uptime: share of time in which it is there, 0 to 1; None where `failures` says it.
    source, as_of: where this was read, and the day that the source states.
    note: what else a reader should know, with everything that is assumed.
    """

    key: str
    basis: Literal["measured", "promised", "observed"]
    failures: float | None = None
    over_days: float | None = None
    lasts_hours: float | None = None
    uptime: float | None = None
    source: str
    as_of: str
    note: str = ""

    @property
    def per_hour(self) -> float:
        """Return the failures an hour of one machine or zone. The row must state them."""
        assert self.failures is not None
        assert self.over_days is not None
        return self.failures / self.over_days / DAY_HOURS

    @property
    def down(self) -> float:
        """Return the share of time in which it is not there. The row must state an uptime, or how long it lasts."""
        if self.uptime is not None:
            return 1 - self.uptime
        assert self.lasts_hours is not None
        return unavailable(self.per_hour, self.lasts_hours)

    def contradiction(self) -> tuple[str, str] | None:
        """Return (column, what is wrong with it) where the columns contradict each other."""
        if (self.uptime is None) == (self.failures is None):
            return "uptime", "a row states either `failures` with `over_days`, or `uptime`"
        if self.uptime is not None and not 0 < self.uptime < 1:
            return "uptime", f"{self.uptime:g} is no share of time above 0 and below 1"
        if self.failures is not None and not (self.failures > 0 and (self.over_days or 0) > 0):
            return "failures", "`failures` and `over_days` are above zero: what never failed is not known yet"
        if self.failures is not None and not self.key.startswith(f"{NODES}/") and not self.lasts_hours:
            return "lasts_hours", "how long a failure lasts follows from the plan for machines alone; state it"
        return None


def unavailable(per_hour: float, lasts_hours: float) -> float:
    """Return the share of time in which something that fails so often, and for so long each time, is down."""
    return per_hour * lasts_hours / (1 + per_hour * lasts_hours)


def node_row(rows: Mapping[str, FailureRow], gpu: str) -> FailureRow | None:
    """Return the row of machines with a GPU; the one with the most failures where nobody published any of this GPU.

    None where there is no row of machines at all.
    """
    stated = [row for key, row in sorted(rows.items()) if key.startswith(f"{NODES}/")]
    return rows.get(f"{NODES}/{gpu}") or max(stated, key=lambda row: row.per_hour, default=None)
