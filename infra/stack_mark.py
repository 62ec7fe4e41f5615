"""The mark of a stack: whose run made a resource, as a tag that nobody else's has.

The name of a stack is not enough: two checkouts with states of their own have the same. The engine gives each
provider of a state an id when it is first registered, before any of its resources, and keeps it for the state's life.
The first digits of that id tell the states apart. A stack that was deployed by an older version has such an id too; its
resources get the tag in place.
"""

from __future__ import annotations

import hashlib

import pulumi
from pulumi.runtime.sync_await import _sync_await as wait_for

DIGITS = 7


def mark(provider_id: str) -> str:
    """Return the mark: ORGANIZATION/PROJECT/STACK/DIGITS."""
    digits = hashlib.sha256(provider_id.encode()).hexdigest()[:DIGITS]
    return f"{pulumi.get_organization()}/{pulumi.get_project()}/{pulumi.get_stack()}/{digits}"


def digits_of(text: str) -> str:
    """Return the digits of a mark."""
    return text.rpartition("/")[2]


def known_mark(provider: pulumi.ProviderResource) -> str | None:
    """Return the mark of a provider that is registered; None in the preview of a stack that has none yet."""

    async def identifier() -> str | None:
        return await provider.id.future() if await provider.id.is_known() else None

    found = wait_for(identifier())
    return None if found is None else mark(found)
