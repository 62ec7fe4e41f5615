"""What an account holds before the program runs: certificates, secrets and hosted zones that people put there by hand.

Programs name them and never make them, so a rehearsal states them first. Nothing here counts as left behind.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from twin.aws.account import Account, AwsError
from twin.aws.store import EXISTING, AccountState, Store
from twin.aws.world import transaction

_CERTIFICATES: Final = f"{EXISTING}certificates"
_SECRETS: Final = f"{EXISTING}secrets"
_ZONES: Final = f"{EXISTING}zones"


def provide(
    store: Store,
    region: str,
    *,
    secrets: Iterable[str] = (),
    certificates: Iterable[str] = (),
    zones: Iterable[str] = (),
) -> dict[str, str]:
    """Put secrets (by name), certificates (by ARN) and hosted zones (by their domain) into the account, and return the
    id of each zone. Those that are there stay as they are."""
    with transaction(store) as (state, world):
        aws = Account(state, world, region)
        for name in secrets:
            if name not in _table(state, _SECRETS):
                _table(state, _SECRETS)[name] = aws.call("secretsmanager", "CreateSecret", Name=name)["ARN"]
        for arn in certificates:
            _table(state, _CERTIFICATES)[arn] = True
        for domain in zones:
            if domain not in _table(state, _ZONES).values():
                zone = aws.call("route53", "CreateHostedZone", Name=domain, CallerReference=domain)["HostedZone"]
                _table(state, _ZONES)[zone["Id"].rpartition("/")[2]] = domain
        return {str(domain): identifier for identifier, domain in _table(state, _ZONES).items()}


def require_certificate(aws: Account, operation: str, arn: str) -> None:
    """Make sure that the account holds the certificate. Raises `AwsError` if it does not."""
    if arn not in _table(aws.state, _CERTIFICATES):
        raise AwsError("elbv2", operation, "CertificateNotFound", f"Certificate ARN '{arn}' is not valid")


def zone_name(aws: Account, identifier: str) -> str:
    """Return the domain of a hosted zone. Raises `AwsError` if the account has no such zone."""
    if identifier not in _table(aws.state, _ZONES):
        message = f"No hosted zone found with ID: {identifier}"
        raise AwsError("route53", "ChangeResourceRecordSets", "NoSuchHostedZone", message)
    return str(_table(aws.state, _ZONES)[identifier])


def _table(state: AccountState, name: str) -> dict[str, object]:
    return state.tables.setdefault(name, {})
