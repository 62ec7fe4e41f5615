"""What EKS recommends on a day: the release of its node images, and the default version of each add-on.

EKS publishes both for each version of Kubernetes and moves them every few weeks. `publish` moves the day.
"""

from __future__ import annotations

from typing import Final

from twin.aws.account import Account
from twin.aws.store import EXISTING, AccountState, Store
from twin.aws.world import transaction

FIRST_DAY: Final = "20261101"
_TABLE: Final = f"{EXISTING}releases"


def publish(store: Store, day: str) -> None:
    """Let EKS recommend what it has on this day, such as `20261215`. Raises `ValueError` for what is no later day."""
    with transaction(store) as (state, _):
        before = _day(state)
        if not (len(day) == len(FIRST_DAY) and day.isdigit() and day > before):
            raise ValueError(f"{day!r} is no day after {before}; write it as {FIRST_DAY}")
        state.tables[_TABLE] = {"day": day}


def image_release(aws: Account, kubernetes: str) -> str:
    """Return the recommended release of the node images for a version of Kubernetes."""
    return f"{kubernetes}.0-{_day(aws.state)}"


def addon_version(aws: Account, kubernetes: str) -> str:
    """Return the default version of an add-on for a version of Kubernetes."""
    build = 1 if _day(aws.state) == FIRST_DAY else int(_day(aws.state)) - int(FIRST_DAY)
    return f"v{kubernetes}.0-eksbuild.{build}"


def _day(state: AccountState) -> str:
    return str(state.tables.get(_TABLE, {}).get("day", FIRST_DAY))
