"""The mark of a stack: whose run made a resource, as a tag that nobody else's has.

The name of a stack is not enough: two checkouts with states of their own have the same. The engine gives each
provider of a state an id when it is first registered, before any of its resources, and keeps it for the state's life.
The first digits of that id tell the states apart. A stack that was deployed by an older version has such an id too; its
resources get the tag in place.
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
    return f"{pulumi.get_organization()}/{pulumi.get_project()}/{pulumi.get_stack()}/{digits}"


def digits_of(text: str) -> str:
    """Return the digits of a mark."""
    return text.rpartition("/")[2]


def known_mark(provider: pulumi.ProviderResource, state: Recorded) -> str | None:
    """Return the mark of a provider that is registered; None in the preview of a stack that has none yet."""
    if pulumi.runtime.is_dry_run() and not any(token == PROVIDER for token, _ in state):
        return None  # the engine gives out an id that it will not keep
    return mark(wait_for(_identifier(provider)))


def later() -> pulumi.Output[str]:
    """Return the mark that a preview does not know."""
    nothing: asyncio.Future[set[pulumi.Resource]] = asyncio.Future()
    text: asyncio.Future[str] = asyncio.Future()
    known: asyncio.Future[bool] = asyncio.Future()
    nothing.set_result(set())
    text.set_result("")
    known.set_result(False)
    return pulumi.Output(nothing, text, known)


async def _identifier(provider: pulumi.ProviderResource) -> str:
    return str(await provider.id.future())
