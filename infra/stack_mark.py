"""The mark of a stack: whose run made a resource, as a tag that nobody else's has.

The name of a stack is not enough: two checkouts with states of their own have the same. The engine gives each
provider of a state an id when it is first registered, before any of its resources, and keeps it for the state's life.
Digits made from that id tell the states apart. A stack that was deployed by an older version has such an id too; its
resources get the tag in place.

The digits stay through a refresh, another version of the provider, and an export and import of the state. A copied
state has the same mark. `pulumi stack rename` and a move to another organization change the mark: the next run gives
the resources of the state the new tag in place, and tells strays of a killed run before it as the earlier name's. A
state that was destroyed or lost comes back with other digits (`is_earlier`).
"""

from __future__ import annotations

import asyncio
import hashlib

import pulumi
from pulumi.runtime.sync_await import _sync_await as wait_for

from infra.deployed import Recorded

PROVIDER = "pulumi:providers:aws"
DIGITS = 7


def mark(provider_id: str) -> str:
    """Return the mark: ORGANIZATION/PROJECT/STACK/DIGITS."""
    digits = hashlib.sha256(provider_id.encode()).hexdigest()[:DIGITS]
    return f"{_stack()}/{digits}"


def digits_of(text: str) -> str:
    """Return the digits of a mark."""
    return text.rpartition("/")[2]


def is_earlier(found: str | None, own: str | None) -> bool:
    """Say whether a mark is that of another state of this stack's name: an earlier one, or another checkout's.

    own: mark of this state; None where nobody knows it yet.
    """
    return found is not None and found != own and found.rpartition("/")[0] == _stack()


def known_mark(provider: pulumi.ProviderResource, state: Recorded) -> str | None:
    """Return the mark of a provider that is registered; None where nobody knows its id yet, as in the preview of a new
    stack."""
    if pulumi.runtime.is_dry_run() and not any(token == PROVIDER for token, _ in state):
        return None  # the engine gives out an id that it will not keep
    identifier = wait_for(_identifier(provider))
    return mark(identifier) if identifier else None


def unknown() -> pulumi.Output[str]:
    """Return the mark that a preview does not know."""
    nothing: asyncio.Future[set[pulumi.Resource]] = asyncio.Future()
    text: asyncio.Future[str] = asyncio.Future()
    known: asyncio.Future[bool] = asyncio.Future()
    nothing.set_result(set())
    text.set_result("")
    known.set_result(False)
    return pulumi.Output(nothing, text, known)


def _stack() -> str:
    return f"{pulumi.get_organization()}/{pulumi.get_project()}/{pulumi.get_stack()}"


async def _identifier(provider: pulumi.ProviderResource) -> str | None:
    """Return the id; None where it is unknown."""
    return await provider.id.future()
