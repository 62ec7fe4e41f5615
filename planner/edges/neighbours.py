"""Networks of environments that lie in one folder: two of one account and region should not share addresses.

AWS permits it, but such networks can never be peered nor joined to one VPN. Where a person chose both, or both are
locked, it is a warning; where one is derived and not made yet, it costs nothing to choose another, and it is an error.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from planner.documents.lock import Lock
from planner.domain.networks import derived_cidr, free_cidr, overlap
from planner.edges.files import read_text
from planner.words.diagnostics import Problem, Problems, Span
from planner.words.spans import Document, read, value_at

_CIDR = ("platform", "network", "cidr")
Locked = Callable[[str], Lock | None]
"""What finds the lock of an environment by its name; None where there is none."""


@dataclass(frozen=True)
class _Network:
    name: str
    home: tuple[str, str]
    cidr: str
    chosen: bool
    where: Span | None


def network_problems(name: str, folder: Path, names: tuple[str, ...], locked: Locked) -> Iterator[Problem]:
    """Yield a problem that names all environments whose networks share addresses with that of `name`."""
    own = _network(name, folder, locked)
    if own is None:
        return
    others = [network for other in names if other != name and (network := _network(other, folder, locked)) is not None]
    shared = [other for other in others if other.home == own.home and overlap(own.cidr, other.cidr)]
    if not shared:
        return
    chosen = own.chosen and all(other.chosen for other in shared)
    free = free_cidr(frozenset(network.cidr for network in (own, *others)))
    another = f"write `platform.network: {{cidr: {free}}}`" if free else "write a network of other addresses"
    hint = f"they can never be connected; before one of them is made, {another}" if chosen else another
    message = f"the network {own.cidr} shares addresses with {', '.join(map(_told, shared))}"
    yield Problem("ENV030", message, own.where, hint, "warning" if chosen else "error")


def _told(other: _Network) -> str:
    place = f" ({other.where.file}:{other.where.line})" if other.where else ""
    return f"{other.cidr} of `{other.name}`{place}"


def _network(name: str, folder: Path, locked: Locked) -> _Network | None:
    """Return the network of an environment; None where its file cannot be read, or makes none. Its own run tells."""
    path = folder / f"{name}.yaml"
    try:
        document = read(read_text(path), str(path))
    except Problems:
        return None
    account, region, cidr = (_text(document, path) for path in (("account",), ("region",), ("network", "cidr")))
    if account is None or region is None or value_at(document.value, ("platform", "network", "vpc")) is not None:
        return None
    if cidr is not None:
        return _made(_Network(name, (account, region), cidr, True, document.at(_CIDR)))
    kept = _kept(name, account, region, locked)
    where = document.key(("platform",))
    return _Network(name, (account, region), kept or derived_cidr(name, region), kept is not None, where)


def _text(document: Document, path: tuple[str, ...]) -> str | None:
    value: Any = value_at(document.value, ("platform", *path))
    return value if isinstance(value, str) else None


def _made(network: _Network) -> _Network | None:
    """Return the network, or None where its addresses are none; the schema tells of that."""
    try:
        overlap(network.cidr, network.cidr)
    except ValueError:
        return None
    return network


def _kept(name: str, account: str, region: str, locked: Locked) -> str | None:
    try:
        lock = locked(name)
    except Problems:
        return None
    platform = lock.plan.platform if lock else None
    return platform.cidr if platform and (platform.account, platform.region) == (account, region) else None
