"""Times as logs write them: dates with or without a time zone, and numbers in a unit.

Everything becomes whole microseconds: since 1970 in UTC where a log has dates, else since an unknown moment. A log
whose dates have no zone counts as UTC or as the zone that is given. A log that mixes both kinds is wrong.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Literal
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt

from planner.words.arrays import Ints

Cells = npt.NDArray[np.bytes_]
Unit = Literal["s", "ms", "us", "ns"]
UNITS: dict[Unit, float] = {"s": 1e6, "ms": 1e3, "us": 1.0, "ns": 1e-3}
"""Microseconds of each unit."""
EPOCH_S = (946_684_800, 4_102_444_800)
"""Numbers of seconds that count as moments since 1970: the years 2000 to 2099."""
_HOUR_US = 3_600_000_000
_TEXT = re.compile(
    r"(\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d)(?:[.,](\d{1,9}))?\s?(Z|UTC|[+-]\d\d(?::?\d\d)?)?", re.ASCII | re.IGNORECASE
)


class NoTime(ValueError):
    """A text is no time. The message says why."""


def unit_of(number: float) -> Unit | None:
    """Return the unit in which a number is a moment of this century; None when it counts from another moment."""
    for unit, factor in UNITS.items():
        if EPOCH_S[0] <= number * factor / 1e6 < EPOCH_S[1]:
            return unit
    return None


@dataclass
class TimeReader:
    """Reads the times of one file.

    unit: of numbers; None where times are dates.
    zone: of dates without a zone; None takes them for UTC.
    aware: whether its dates have a zone; None until the first was read.
    """

    unit: Unit | None
    zone: ZoneInfo | None = None
    aware: bool | None = None
    _offsets: dict[int, int] = field(default_factory=dict)

    def one(self, text: str | float) -> int:
        """Return a time in microseconds. Raises `NoTime`."""
        if self.unit is not None:
            try:
                value = round(float(text) * UNITS[self.unit])
            except (ValueError, OverflowError):
                raise NoTime(f"`{str(text)[:40]}` is no number of {self.unit}") from None
            if value < 0:
                raise NoTime(f"`{str(text)[:40]}` is a negative time")
            if value > 2**62:
                raise NoTime(f"`{str(text)[:40]}` {self.unit} lie over a year after anything; check the unit")
            return value
        text = str(text)
        found = _TEXT.fullmatch(text.strip())
        if found is None:
            raise NoTime(f"`{text[:40]}` is no time like 2026-11-16 18:15:46.68 or 2026-11-16T18:15:46Z")
        date, fraction, zone = found.groups()
        try:
            moment = datetime.fromisoformat(date).replace(tzinfo=UTC)
            offset = _offset_us(zone)
        except ValueError:
            raise NoTime(f"`{text[:40]}` is no time: there is no such date or zone") from None
        self._agree(zone is not None)
        seconds = int(moment.timestamp())
        return self._utc(seconds * 1_000_000 + int((fraction or "0")[:6].ljust(6, "0")) - offset)

    def column(self, cells: Cells) -> Ints:
        """Return many times at once. Raises ValueError where `one` must look at each."""
        if self.unit is not None:
            values = np.rint(cells.astype(np.float64) * UNITS[self.unit])
            if not np.isfinite(values).all() or values.min() < 0 or values.max() > 2**62:
                raise ValueError
            return values.astype(np.int64)
        size = cells.dtype.itemsize
        if size < 19:
            raise ValueError
        letters = np.ascontiguousarray(cells).view(np.uint8).reshape(len(cells), size)
        for place, marks in ((4, b"-"), (7, b"-"), (10, b"T "), (13, b":"), (16, b":")):
            if not np.isin(letters[:, place], np.frombuffer(marks, np.uint8)).all():
                raise ValueError
        digits = letters[:, [0, 1, 2, 3, 5, 6, 8, 9, 11, 12, 14, 15, 17, 18]]
        if ((digits < 48) | (digits > 57)).any():
            raise ValueError
        seconds = cells.astype("S19").astype("datetime64[s]").astype(np.int64)
        fractions, zone = _tail(letters[:, 19:])
        self._agree(bool(zone))
        times = seconds * 1_000_000 + fractions - _offset_us(zone or None)
        return times if zone or self.zone is None else self._local(times)

    def _agree(self, aware: bool) -> None:
        if self.aware is None:
            self.aware = aware
        elif self.aware != aware:
            kinds = ("has a time zone and those above have none", "has no time zone and those above have one")
            raise NoTime(f"this time {kinds[not aware]}")

    def _utc(self, local_us: int) -> int:
        return local_us if self.aware or self.zone is None else local_us - self._offset(local_us // _HOUR_US)

    def _local(self, times: Ints) -> Ints:
        """Turn local times into UTC. Zones change at whole hours of local time, to the hour."""
        hours, places = np.unique(times // _HOUR_US, return_inverse=True)
        offsets = np.array([self._offset(int(hour)) for hour in hours], dtype=np.int64)
        return times - offsets[places]

    def _offset(self, hour: int) -> int:
        """Return how far the zone is ahead of UTC in a local hour since 1970, microseconds."""
        if hour not in self._offsets:
            assert self.zone is not None
            local = datetime.fromtimestamp(hour * 3600, UTC).replace(tzinfo=self.zone)
            ahead = local.utcoffset()
            assert ahead is not None
            self._offsets[hour] = round(ahead.total_seconds()) * 1_000_000
        return self._offsets[hour]


def _tail(letters: npt.NDArray[np.uint8]) -> tuple[Ints, str]:
    """Return the microseconds that stand behind the seconds, and the zone that all of them have."""
    count, width = letters.shape
    fractions = np.zeros(count, dtype=np.int64)
    if not width:
        return fractions, ""
    dots = np.isin(letters[:, 0], np.frombuffer(b".,", np.uint8))
    if dots.all():
        number = (letters[:, 1:] >= 48) & (letters[:, 1:] <= 57)
        leading = np.logical_and.accumulate(number, axis=1)
        places = leading.sum(axis=1)
        if places.min() < 1 or places.max() > 9:
            raise ValueError
        for place in range(min(6, width - 1)):
            fractions += np.where(leading[:, place], letters[:, place + 1].astype(np.int64) - 48, 0) * 10 ** (5 - place)
        starts = places + 1
    elif dots.any():
        raise ValueError  # some have a fraction and some have none
    else:
        starts = np.zeros(count, dtype=np.int64)
    zones = {bytes(letters[0, starts[0] :]).rstrip(b"\0")}
    if starts.min() == starts.max():
        if (letters[:, starts[0] :] != letters[0, starts[0] :]).any():
            raise ValueError
    else:
        zones = {bytes(row[start:]).rstrip(b"\0") for row, start in zip(letters, starts, strict=True)}
    if len(zones) != 1:
        raise ValueError
    zone = zones.pop().decode("latin-1")
    if zone and not _TEXT.fullmatch(f"2026-01-01T00:00:00{zone}"):
        raise ValueError
    return fractions, zone.strip()


def _offset_us(zone: str | None) -> int:
    """Return how far a written zone is ahead of UTC, microseconds. Raises ValueError."""
    if zone is None or zone.upper() in ("Z", "UTC"):
        return 0
    hours, minutes = int(zone[1:3]), int(zone[-2:] if len(zone) > 3 else 0)
    if hours > 14 or minutes > 59:
        raise ValueError(zone)
    return (1 if zone[0] == "+" else -1) * (hours * 60 + minutes) * 60_000_000


def same_kind(readers: Iterable[TimeReader]) -> bool:
    """Whether the files agree: all with dates that have a zone, all with dates that have none, or all with numbers."""
    return (
        len({(reader.unit is None, reader.aware) for reader in readers if reader.unit or reader.aware is not None}) <= 1
    )
