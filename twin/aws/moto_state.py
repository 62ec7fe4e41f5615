"""moto's state as a value that can be loaded and saved.

moto keeps one account per set of module-level backends. This module swaps those backends for the ones of a store's
generation before an operation, and pickles them after it. Snapshots are written and read by this program alone, in a
folder of the user; they are bound to the moto version that wrote them.

Two things are not in a snapshot: images, and AWS's own managed policies (4 MB that never change, for each of which a
reference by name stands). Keys and certificates are stored in their standard encoding, because they do not pickle.
"""

from __future__ import annotations

import io
import pickle
import threading
from dataclasses import dataclass
from functools import cache, lru_cache
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

import boto3
import moto.backends
from botocore.config import Config
from botocore.loaders import JSONFileLoader
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from moto.core.config import default_user_config
from moto.core.models import botocore_stubber

from twin.aws.store import AccountState, StoreError, write_whole

_SERVICES: Final = (
    *("ec2", "iam", "eks", "s3", "ecr", "kms", "logs", "elbv2", "secretsmanager", "budgets", "acm", "route53"),
)

_RLOCK: Final = type(threading.RLock())

_held: tuple[str, str | None] | None = None
"""Folder and snapshot that moto's backends hold now; None when an operation may have left them in between."""
_clients: dict[tuple[str, str], Any] = {}
_policies_before = default_user_config["iam"]
_read_description = JSONFileLoader.load_file


@cache
def _description(path: str) -> Any:
    return _read_description(JSONFileLoader(), path)


JSONFileLoader.load_file = lambda _, path: _description(path)
"""botocore's descriptions of AWS (endpoints, services) are read once in a program. Each session would read its own, and
moto makes a session for one question."""


def load(folder: Path, state: AccountState) -> None:
    """Make moto hold the state's snapshot, and let it answer calls until one of the next three functions is called."""
    global _held
    place = (str(folder.resolve()), state.snapshot)
    default_user_config["iam"] = {"load_aws_managed_policies": True}
    botocore_stubber.enabled = True
    if _held != place:
        _held = None
        pristine = _pristine(state.account)
        if state.snapshot is None:
            _restore(io.BytesIO(pristine.snapshot), pristine, "a new account")
        else:
            path = folder / state.snapshot
            try:
                with path.open("rb") as handle:
                    _restore(handle, pristine, path)
            except OSError as error:
                raise StoreError(f"{path} cannot be read ({error}); remove the folder to start anew") from error
    _held = place


def stop_answering() -> None:
    """Let no further call reach moto. What moto holds stays the snapshot that was loaded."""
    botocore_stubber.enabled = False
    default_user_config["iam"] = _policies_before


def discard() -> None:
    """Stop answering after an operation that failed: what moto holds now is the state of no generation."""
    global _held
    stop_answering()
    _held = None


def keep_as(folder: Path, snapshot: str | None) -> None:
    """Stop answering after an operation that succeeded: what moto holds now is this snapshot."""
    global _held
    stop_answering()
    _held = (str(folder.resolve()), snapshot)


def save(folder: Path, state: AccountState) -> str:
    """Write moto's state beside the store, and return the name of the file."""
    name = f"moto-{state.generation}.pickle"
    write_whole(folder / name, _snapshot(state.account))
    return name


def client(service: str, region: str) -> Any:
    """Return a boto3 client whose calls reach moto while it answers, and fail at once otherwise."""
    if (service, region) not in _clients:
        _clients[service, region] = boto3.client(
            service,
            region_name=region,
            aws_access_key_id="twin",
            aws_secret_access_key="twin",
            # A call that moto does not answer must end at once and never leave the machine.
            config=Config(retries={"max_attempts": 0}, proxies={"https": "http://127.0.0.1:9"}, connect_timeout=1),
        )
    return _clients[service, region]


@dataclass(frozen=True)
class _Account:
    """This is a new account, with AWS's own policies, which all accounts share."""

    number: str
    snapshot: bytes
    policies: dict[str, Any]


@lru_cache(maxsize=4)
def _pristine(number: str) -> _Account:
    """Return moto as it is before anybody used it.

    To make one takes a second, because of the policies; to restore one takes milliseconds.
    """
    for service in _SERVICES:
        moto.backends.get_backend(service)[number].clear()
    policies = moto.backends.get_backend("iam")[number]["aws"].managed_policies
    return _Account(number, _snapshot(number), dict(policies))


def _snapshot(number: str) -> bytes:
    backends = {}
    for service in _SERVICES:
        regions = moto.backends.get_backend(service)[number]
        # IAM makes a backend for each partition of the world; the twin is one account of the commercial one.
        backends[service] = {name: regions[name] for name in list(regions) if not name.startswith("aws-")}
    buffer = io.BytesIO()
    _Writer(buffer).dump({"moto": version("moto"), "backends": backends})
    return buffer.getvalue()


def _restore(handle: Any, account: _Account, place: object) -> None:
    try:
        snapshot = _Reader(handle, account.policies).load()
    except (pickle.UnpicklingError, EOFError, AttributeError, ImportError) as error:
        raise StoreError(f"{place} cannot be read ({error}); remove the folder to start anew") from error
    if snapshot["moto"] != version("moto"):
        raise StoreError(
            f"{place} was written with moto {snapshot['moto']}, this is {version('moto')}; remove the folder"
        )
    for service, backends in snapshot["backends"].items():
        regions = moto.backends.get_backend(service)[account.number]
        regions.clear()
        for region, backend in backends.items():
            dict.__setitem__(regions, region, backend)


class _Writer(pickle.Pickler):
    def __init__(self, buffer: io.BytesIO) -> None:
        super().__init__(buffer, protocol=pickle.HIGHEST_PROTOCOL)

    def persistent_id(self, obj: Any) -> str | None:
        return str(obj.arn) if type(obj).__name__ == "AWSManagedPolicy" else None

    def reducer_override(self, obj: Any) -> Any:
        if hasattr(obj, "private_bytes") and not isinstance(obj, type):
            encoded = obj.private_bytes(
                serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
            return _private_key, (encoded,)
        if isinstance(obj, _RLOCK):
            return threading.RLock, ()  # a lock guards one process; another one begins with a free one
        if isinstance(obj, x509.Certificate):
            return _certificate, (obj.public_bytes(serialization.Encoding.DER),)
        return NotImplemented


class _Reader(pickle.Unpickler):
    def __init__(self, handle: Any, policies: dict[str, Any]) -> None:
        super().__init__(handle)
        self._policies = policies

    def persistent_load(self, pid: Any) -> Any:
        return self._policies[pid]


def _certificate(encoded: bytes) -> x509.Certificate:
    return x509.load_der_x509_certificate(encoded)


def _private_key(encoded: bytes) -> Any:
    return serialization.load_der_private_key(encoded, password=None)
