"""What an account holds before the program runs: certificates and secrets that people put there by hand.

Programs name them and never make them, so a rehearsal states them first. Nothing here counts as left behind.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from twin.aws.account import Account, AwsError
from twin.aws.store import EXISTING, AccountState, Store
from twin.aws.world import transaction

_CERTIFICATES: Final = f"{EXISTING}certificates"
_SECRETS: Final = f"{EXISTING}secrets"


def provide(store: Store, region: str, *, secrets: Iterable[str] = (), certificates: Iterable[str] = ()) -> None:
    """Put secrets (by name) and certificates (by ARN) into the account. Those that are there stay as they are."""
    with transaction(store) as (state, world):
        aws = Account(state, world, region)
        for name in secrets:
            if name not in _table(state, _SECRETS):
                _table(state, _SECRETS)[name] = aws.call("secretsmanager", "CreateSecret", Name=name)["ARN"]
        for arn in certificates:
            _table(state, _CERTIFICATES)[arn] = True


def fill(store: Store, region: str, values: Mapping[str, str]) -> None:
    """Put values into secrets that are there, by name. Raises `AwsError` for one that is not."""
    with transaction(store) as (state, world):
        aws = Account(state, world, region)
        for name, value in values.items():
            aws.call("secretsmanager", "PutSecretValue", SecretId=name, SecretString=value)


def require_certificate(aws: Account, operation: str, arn: str) -> None:
    """Make sure that the account holds the certificate. Raises `AwsError` if it does not."""
    if arn not in _table(aws.state, _CERTIFICATES):
        raise AwsError("elbv2", operation, "CertificateNotFound", f"Certificate ARN '{arn}' is not valid")


def _table(state: AccountState, name: str) -> dict[str, object]:
    return state.tables.setdefault(name, {})
