"""What machines of one's own cost: capital, energy, space and staff, each a price of a quantity a month.

    capital   USD of all ÷ machines ÷ (years · 8760) an hour, 730 hours a month
    energy    kW of all ÷ machines · PUE · 730 kWh a month, USD a kWh
    space     USD a month of all ÷ machines
    staff     USD a month of all ÷ machines

What the team does not state is assumed from a dated, published row of the catalog, and the plan says so; where nobody
published it, it is a named gap, and never zero. Machines draw what is stated for all hours, whether they are used or
not.

A machine of one's own is like the machine of the catalog with as many of the same GPUs: capacity, processors, memory
and the links between GPUs are those of that one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Annotated

from pydantic import Field

from planner.domain.environment_part import Day, EnvironmentPart, Text
from planner.domain.gaps import Gap, did_you_mean
from planner.domain.offerings import InstanceType
from planner.domain.places import Places
from planner.words.fields import left_out_at
from planner.words.units import HOURS_PER_MONTH, Usd

HOURS_PER_YEAR = 12 * HOURS_PER_MONTH
"""Hours of twelve planning months."""
SOURCE, DAY = "stated in the environment", "stated"
"""Source and day of a figure that the environment states; the day is that of the file, which git knows."""
_EXACT = Decimal("0.00000001")


class Energy(EnvironmentPart):
    """What machines of one's own draw, and what power costs."""

    kw: Annotated[float, Field(gt=0, le=1e6)] | None = None
    pue: Annotated[float, Field(ge=1, le=5)] | None = None
    usd_per_kwh: Usd | None = None


class OwnedMachines(EnvironmentPart):
    """Equal machines of one's own, which are no part of AWS. They are filled before others are bought."""

    gpu: Text
    count: Annotated[int, Field(ge=1, le=10_000)]
    gpus_per_machine: Annotated[int, Field(ge=1, le=64)] | None = left_out_at(None)
    capital: Usd | None = left_out_at(None)
    years: Annotated[float, Field(gt=0, le=20)] | None = left_out_at(None)
    energy: Energy = left_out_at(Energy())
    space: Usd | None = left_out_at(None)
    staff: Usd | None = left_out_at(None)
    source: Text | None = left_out_at(None)
    as_of: Day | None = left_out_at(None)


@dataclass(frozen=True, kw_only=True)
class OwningRow:
    """A published figure of what it costs to own machines.

    key: what it is of: `capital/GPU`, `power/GPU`, `electricity/PLACE`, `space/PLACE`, `rates/NAME`.
    value: the figure, in `unit`.
    of_gpus: GPUs of the machine that it is of; None for what is of no machine.
    source, as_of: where this was read, and the day that the source states.
    note: what else a reader should know.
    """

    key: str
    value: float
    unit: str
    of_gpus: int | None = None
    source: str
    as_of: str
    note: str = ""

    def contradiction(self) -> tuple[str, str] | None:
        """Return (column, what is wrong with it) where the columns contradict each other."""
        of_machine = self.key.startswith(("capital/", "power/"))
        if self.value <= 0:
            return "value", "a figure is above zero: what costs nothing is stated by the team that pays nothing"
        if of_machine != (self.of_gpus is not None) or (self.of_gpus is not None and self.of_gpus < 1):
            return "of_gpus", "`capital` and `power` are those of a machine with so many GPUs, and others are not"
        return None


@dataclass(frozen=True)
class Part:
    """A part of what one machine costs, USD a month = `quantity` · `usd`.

    name: `capital`, `energy`, `space` or `staff`.
    quantity: amount a month of one machine, in `unit`.
    usd: USD a unit.
    source, as_of: where the price was read, and its day.
    """

    name: str
    unit: str
    quantity: Decimal
    usd: Decimal
    source: str
    as_of: str


@dataclass(frozen=True)
class Assumed:
    """A figure that the team did not state.

    key: the key that states it.
    words: the figure.
    row: the row of the catalog that it was taken from.
    """

    key: str
    words: str
    row: OwningRow

    @property
    def told(self) -> str:
        """Return it in words, like `capital $200,000 (SOURCE, DAY)`."""
        note = f"; {self.row.note}" if self.row.note else ""
        return f"{self.key} {self.words} ({self.row.source}, {self.row.as_of}{note})"


@dataclass(frozen=True)
class Owned:
    """An entry of `purchase.owned` with all that it costs.

    index: its place in the file.
    like: the machine of the catalog that each of its machines is taken to be.
    machines: number of machines.
    parts: what one of them costs.
    assumed: what was not stated.
    """

    index: int
    entry: OwnedMachines
    like: InstanceType
    machines: int
    parts: tuple[Part, ...]
    assumed: tuple[Assumed, ...]


def owned(
    index: int,
    entry: OwnedMachines,
    instances: Mapping[str, InstanceType],
    rows: Mapping[str, OwningRow],
    place: str | None,
    places: Places,
) -> Owned | Gap:
    """Return what an entry costs, or what is lacking for it.

    place: where the machines stand; None where nobody knows.
    """
    like = like_machine(entry, instances)
    if isinstance(like, Gap):
        return like
    figures = _Figures(entry, rows, places.chain(place) if place else ())
    machines = entry.count // like.gpu_count
    parts = tuple(figures.parts(machines))
    if figures.lacking:
        keys = " and ".join(f"`{key}`" for key in figures.lacking)
        message = f"what {entry.count} × {entry.gpu} of your own cost is not known: nobody published {keys}"
        stated = ", ".join(_FORMS[key] for key in figures.lacking)
        return Gap("owning", entry.gpu, message, f"state {stated}")
    return Owned(index, entry, like, machines, parts, tuple(figures.assumed))


def like_machine(entry: OwnedMachines, instances: Mapping[str, InstanceType]) -> InstanceType | Gap:
    """Return the machine of the catalog that those of an entry are taken to be.

    It has their GPUs and their number; without `gpus_per_machine` as many as divide the count. Of several the one with
    the fewest processors is taken, ties by name.
    """
    fitting = [row for row in instances.values() if row.gpu == entry.gpu and not row.bare_metal]
    if not fitting:
        known = sorted({row.gpu for row in instances.values()})
        return Gap("gpu", entry.gpu, f"no machine of the catalog has a `{entry.gpu}`", did_you_mean(entry.gpu, known))
    sizes = sorted({row.gpu_count for row in fitting}, reverse=True)
    wanted = entry.gpus_per_machine or next((size for size in sizes if entry.count % size == 0), None)
    if wanted is None or wanted not in sizes or entry.count % wanted:
        shown = ", ".join(map(str, sorted(sizes)))
        if wanted is not None and entry.count % wanted:
            message = f"{entry.count} × {entry.gpu} do not make whole machines of {wanted}"
        else:
            message = f"no machine of the catalog has {wanted or entry.count} × {entry.gpu}; others have {shown}"
        hint = "state `gpus_per_machine`; a machine of another size is a file of catalog/instances/ (docs/catalog.md)"
        return Gap("machine", entry.gpu, message, hint)
    return min((row for row in fitting if row.gpu_count == wanted), key=lambda row: (row.vcpu, row.key))


def stated_parts(entry: OwnedMachines, machines: int) -> dict[str, tuple[Decimal | None, Decimal | None]]:
    """Return (quantity a month of one machine, USD a unit) of each part; None for what follows from no stated figure.

    machines: number of machines of the entry.
    """
    energy, kwh = entry.energy, None
    if energy.kw is not None and energy.pue is not None:
        kwh = _kwh(_number(energy.kw), machines, _number(energy.pue))
    hour = None
    if entry.capital is not None and entry.years is not None:
        hour = _usd_per_hour(entry.capital, machines, _number(entry.years))
    one = Decimal(1)
    return {
        "capital": (Decimal(HOURS_PER_MONTH), hour),
        "energy": (kwh, energy.usd_per_kwh),
        "space": (one, None if entry.space is None else _exact(entry.space / machines)),
        "staff": (one, None if entry.staff is None else _exact(entry.staff / machines)),
    }


def _usd_per_hour(capital: Decimal, machines: int, years: Decimal) -> Decimal:
    return _exact(capital / machines / (years * HOURS_PER_YEAR))


def _kwh(kw: Decimal, machines: int, pue: Decimal) -> Decimal:
    return kw / machines * pue * HOURS_PER_MONTH


def _number(value: float) -> Decimal:
    return Decimal(str(value))


_FORMS = {
    "capital": "`capital: $200000` (of all)",
    "years": "`years: 5`",
    "energy.kw": "`energy: {kw: 6.5}` (of all)",
    "energy.pue": "`energy: {pue: 1.5}`",
    "energy.usd_per_kwh": "`energy: {usd_per_kwh: $0.14}`",
    "space": "`space: $1200` (a month)",
    "staff": "`staff: $1000` (a month)",
}


class _Figures:
    """The figures of an entry: what is stated, else what the catalog has. It notes what it assumed and what lacks."""

    def __init__(self, entry: OwnedMachines, rows: Mapping[str, OwningRow], chain: tuple[str, ...]) -> None:
        self.entry, self.rows, self.chain = entry, rows, chain
        self.assumed: list[Assumed] = []
        self.lacking: list[str] = []

    def parts(self, machines: int) -> Iterator[Part]:
        """Yield what one machine costs. What lacks is left out of it, and noted."""
        entry, energy = self.entry, self.entry.energy
        capital, of_capital = self._figure("capital", entry.capital, "${:,.0f}", f"capital/{entry.gpu}")
        years, _ = self._figure("years", entry.years, "{:g}", "rates/years")
        kw, _ = self._figure("energy.kw", energy.kw, "{:g}", f"power/{entry.gpu}")
        pue, _ = self._figure("energy.pue", energy.pue, "{:g}", "rates/pue")
        power, of_power = self._figure("energy.usd_per_kwh", energy.usd_per_kwh, "${:g}", *self._of("electricity"))
        if capital is not None and years is not None:
            usd = _usd_per_hour(capital, machines, years)
            yield Part("capital", "hour", Decimal(HOURS_PER_MONTH), usd, *of_capital)
        if kw is not None and pue is not None and power is not None:
            yield Part("energy", "kWh", _kwh(kw, machines, pue), power, *of_power)
        space, of_space = self._figure("space", entry.space, "${:,.2f} a month", *self._of("space"), times=kw)
        staff, of_staff = self._figure(
            "staff", entry.staff, "${:,.2f} a month", "rates/staff", times=None if capital is None else capital / 12
        )
        if space is not None:
            yield Part("space", "month", Decimal(1), _exact(space / machines), *of_space)
        if staff is not None:
            yield Part("staff", "month", Decimal(1), _exact(staff / machines), *of_staff)

    def _of(self, kind: str) -> tuple[str, ...]:
        return tuple(f"{kind}/{place}" for place in self.chain)

    def _figure(
        self, key: str, stated: float | Decimal | None, form: str, *names: str, times: Decimal | None = Decimal(1)
    ) -> tuple[Decimal | None, tuple[str, str]]:
        """Return a figure with its source and day; None where it lacks. times: what a published one is a rate of."""
        if stated is not None:
            day = self.entry.as_of.isoformat() if self.entry.as_of else DAY
            return Decimal(str(stated)), (self.entry.source or SOURCE, day)
        row = next((self.rows[name] for name in names if name in self.rows), None)
        if row is None or times is None:
            if row is None:
                self.lacking.append(key)
            return None, ("", "")
        value = Decimal(str(row.value)) * times
        if row.of_gpus is not None:
            value = value * self.entry.count / row.of_gpus
        self.assumed.append(Assumed(key, form.format(float(value)), row))
        return value, (f"assumed: {row.source}", row.as_of)


def _exact(usd: Decimal) -> Decimal:
    """Return a unit price with eight digits behind the point, which is far below a cent of any bill."""
    return usd.quantize(_EXACT, ROUND_HALF_EVEN)
