"""moto's state as a value that can be loaded and saved.

moto keeps one account per set of module-level backends. This module swaps those backends for the ones of a store's
generation before an operation, and pickles them after it. Snapshots are written and read by this program alone, in a
folder of the user; they are bound to the moto version that wrote them.

Two things are not in a snapshot: AWS's own managed policies (4 MB that never change; a reference by name stands for
each) and images. Private keys are stored in their standard encoding, because they do not pickle.
"""

from __future__ import annotations

import io
import os
import pickle
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final
from unittest.mock import patch

# Must be set before the first EC2 backend exists: thousands of images that no managed node group names.
os.environ.setdefault("MOTO_EC2_LOAD_DEFAULT_AMIS", "false")

import boto3
import moto.backends
from botocore.config import Config
from cryptography.hazmat.primitives import serialization
from moto.core.config import default_user_config
from moto.core.models import botocore_stubber

from twin.aws import faults
from twin.aws.store import AccountState, Store, StoreError, write_whole

_SERVICES: Final = ("ec2", "iam", "eks", "s3", "kms", "logs", "elbv2", "secretsmanager", "budgets")
_AWS_POLICY: Final = "arn:aws:iam::aws:policy/"

_guard = threading.RLock()
_loaded: tuple[str, int] | None = None
"""Folder and generation that moto's backends hold now."""
_clients: dict[tuple[str, str], Any] = {}


@contextmanager
def transaction(store: Store) -> Iterator[AccountState]:
    """One operation on the account: reads the latest generation and writes the next; on an error, nothing.

    Serialises all operations of all programs on the folder, so it must not wait for anything.
    """
    global _loaded
    with _guard, store.locked():
        state = store.load()
        state.faults = faults.in_force(store.folder)
        environment = {"MOTO_ACCOUNT_ID": state.account}
        policies = {"load_aws_managed_policies": True}
        with patch.dict(os.environ, environment), patch.dict(default_user_config, {"iam": policies}):
            here = (str(store.folder.resolve()), state.generation)
            if _loaded != here:
                _load(store, state)
            _loaded = None  # until this operation has ended well
            botocore_stubber.enabled = True
            try:
                yield state
            finally:
                botocore_stubber.enabled = False
            state.generation += 1
            state.snapshot = _save(store.folder, state)
            store.save(state)
            _loaded = (here[0], state.generation)


def client(service: str, region: str) -> Any:
    """A boto3 client whose calls reach moto within a transaction, and fail outside of one."""
    with _guard:
        if (service, region) not in _clients:
            _clients[service, region] = boto3.client(
                service,
                region_name=region,
                aws_access_key_id="twin",
                aws_secret_access_key="twin",  # noqa: S106 - not a secret: moto asks for none
                # A call that moto does not answer must end at once and never leave the machine.
                config=Config(retries={"max_attempts": 0}, proxies={"https": "http://127.0.0.1:9"}, connect_timeout=1),
            )
        return _clients[service, region]


def _load(store: Store, state: AccountState) -> None:
    for service in _SERVICES:
        regions = moto.backends.get_backend(service)[state.account]  # type: ignore[call-overload]
        for backend in list(regions.values()):
            backend.reset()
    if state.snapshot is None:
        return
    snapshot = _Reader(store.folder / state.snapshot, _aws_policies(state.account)).load()
    written_by = snapshot["moto"]
    if written_by != version("moto"):
        raise StoreError(
            f"{store.folder} was written with moto {written_by}, this is {version('moto')}; remove the folder"
        )
    for service, backends in snapshot["backends"].items():
        regions = moto.backends.get_backend(service)[state.account]
        for region, backend in backends.items():
            dict.__setitem__(regions, region, backend)


def _save(folder: Path, state: AccountState) -> str:
    backends = {}
    for service in _SERVICES:
        regions = moto.backends.get_backend(service)[state.account]  # type: ignore[call-overload]
        # IAM makes a backend for each partition of the world; the twin is one account of the commercial one.
        backends[service] = {name: regions[name] for name in list(regions) if not name.startswith("aws-")}
    buffer = io.BytesIO()
    _Writer(buffer).dump({"moto": version("moto"), "backends": backends})
    name = f"moto-{state.generation}.pickle"
    write_whole(folder / name, buffer.getvalue())
    return name


def _aws_policies(account: str) -> dict[str, Any]:
    policies: dict[str, Any] = moto.backends.get_backend("iam")[account]["aws"].managed_policies
    return policies


class _Writer(pickle.Pickler):
    def __init__(self, buffer: io.BytesIO) -> None:
        super().__init__(buffer, protocol=pickle.HIGHEST_PROTOCOL)

    def persistent_id(self, obj: Any) -> str | None:
        if type(obj).__name__ == "AWSManagedPolicy":
            return str(obj.arn)
        return None

    def reducer_override(self, obj: Any) -> Any:
        if hasattr(obj, "private_bytes"):
            encoded = obj.private_bytes(
                serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
            return _private_key, (encoded,)
        return NotImplemented


class _Reader:
    def __init__(self, path: Path, policies: dict[str, Any]) -> None:
        self._path = path
        self._policies = policies

    def load(self) -> dict[str, Any]:
        try:
            with self._path.open("rb") as handle:
                unpickler = pickle.Unpickler(handle)
                unpickler.persistent_load = self._policy  # type: ignore[method-assign, assignment]
                loaded: dict[str, Any] = unpickler.load()
                return loaded
        except (OSError, pickle.UnpicklingError, EOFError) as error:
            raise StoreError(f"{self._path} cannot be read ({error}); remove the folder to start anew") from error

    def _policy(self, arn: str) -> Any:
        return self._policies[arn]


def _private_key(encoded: bytes) -> Any:
    return serialization.load_der_private_key(encoded, password=None)
