"""One operation on the imitated account, from reading the latest state to writing the next.

All operations of all programs on a folder happen one after the other, so nothing may wait inside. The first call that
needs moto imports it and loads its state. A preview changes nothing and therefore starts in a fraction of a second.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

from twin.aws import faults
from twin.aws.store import AccountState, Store

_guard = threading.RLock()
"""Serialises operations within this program, whatever the folder: moto's backends belong to the module."""


class World:
    """A world is moto holding the state of one operation. The first client opens it."""

    def __init__(self, store: Store, state: AccountState) -> None:
        self._store = store
        self._state = state
        self.opened = False

    def client(self, service: str, region: str) -> Any:
        """Return a boto3 client whose calls moto answers."""
        from twin.aws import moto_state  # imports moto, which takes a second

        if not self.opened:
            moto_state.load(self._store.folder, self._state)
            self.opened = True
        return moto_state.client(service, region)


@contextmanager
def transaction(store: Store) -> Iterator[tuple[AccountState, World]]:
    """Run an operation that changes the account.

    On success the next generation is written whole, on an error nothing is written.
    """
    with _guard, store.exclusive_use():
        state, world = _open(store)
        with patch.dict(os.environ, _moto_environment(state)):
            try:
                yield state, world
            except BaseException:
                if world.opened:
                    from twin.aws import moto_state

                    moto_state.discard()
                raise
            state.generation += 1
            if world.opened:
                from twin.aws import moto_state

                state.snapshot = moto_state.save(store.folder, state)
            store.save(state)
            if world.opened:
                moto_state.keep_as(store.folder, state.snapshot)


@contextmanager
def inquiry(store: Store) -> Iterator[tuple[AccountState, World]]:
    """Run an operation that only asks."""
    with _guard, store.exclusive_use():
        state, world = _open(store)
        with patch.dict(os.environ, _moto_environment(state)):
            try:
                yield state, world
            finally:
                if world.opened:
                    from twin.aws import moto_state

                    moto_state.stop_answering()


def _moto_environment(state: AccountState) -> dict[str, str]:
    # Without the last, moto would make thousands of images that no managed node group names.
    return {"MOTO_ACCOUNT_ID": state.account, "MOTO_EC2_LOAD_DEFAULT_AMIS": "false"}


def _open(store: Store) -> tuple[AccountState, World]:
    state = store.load()
    state.faults = faults.in_force(store.folder)
    return state, World(store, state)
