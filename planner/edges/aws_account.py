"""Calls to an AWS account that read and change nothing, page by page, and what their failures mean.

Clients are made once for each service and region and can be passed in, so that nothing here knows where they lead.
Each call names the permission that it needs: `docs/catalog.md` shows the policy that all of them make together.

REF001: a package is not installed. REF002: no credentials. REF003: a permission is missing. REF004: AWS did not answer.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from planner.words.diagnostics import Problem, Problems

ATTEMPTS = 8
"""Tries of one call, with the waits of botocore's standard mode between them."""
MOST_PAGES = 2_000
"""Pages of one answer after which it is taken to go in a circle."""


@dataclass(frozen=True)
class Call:
    """One call.

    service, operation: as boto3 names them.
    permission: the IAM action that it needs.
    rows: key of the answer that holds its rows, or its one row.
    token: key of the answer that leads to the next page, and of the argument that asks for it.
    """

    service: str
    operation: str
    permission: str
    rows: str
    token: str = "NextToken"


GET_PRODUCTS = Call("pricing", "get_products", "pricing:GetProducts", "PriceList")
ZONE_OFFERINGS = Call(
    "ec2", "describe_instance_type_offerings", "ec2:DescribeInstanceTypeOfferings", "InstanceTypeOfferings"
)
SPOT_HISTORY = Call("ec2", "describe_spot_price_history", "ec2:DescribeSpotPriceHistory", "SpotPriceHistory")
CAPACITY_BLOCKS = Call(
    "ec2", "describe_capacity_block_offerings", "ec2:DescribeCapacityBlockOfferings", "CapacityBlockOfferings"
)
SAVINGS_RATES = Call(
    "savingsplans",
    "describe_savings_plans_offering_rates",
    "savingsplans:DescribeSavingsPlansOfferingRates",
    "searchResults",
    "nextToken",
)
QUOTA = Call("service-quotas", "get_service_quota", "servicequotas:GetServiceQuota", "Quota")
DEFAULT_QUOTA = Call(
    "service-quotas", "get_aws_default_service_quota", "servicequotas:GetAWSDefaultServiceQuota", "Quota"
)
CALLS = (GET_PRODUCTS, ZONE_OFFERINGS, SPOT_HISTORY, CAPACITY_BLOCKS, SAVINGS_RATES, QUOTA, DEFAULT_QUOTA)
"""Every call that is made."""

DENIED = frozenset({"AccessDenied", "AccessDeniedException", "UnauthorizedOperation", "UnauthorizedException"})
NO_CREDENTIALS = frozenset(
    {
        "AuthFailure",
        "ExpiredToken",
        "ExpiredTokenException",
        "IncompleteSignature",
        "InvalidClientTokenId",
        "InvalidSignatureException",
        "MissingAuthenticationToken",
        "RequestExpired",
        "SignatureDoesNotMatch",
        "UnrecognizedClientException",
    }
)
UNREADABLE_CREDENTIALS = frozenset(
    {
        "CredentialRetrievalError",
        "InvalidConfigError",
        "NoAuthTokenError",
        "NoCredentialsError",
        "PartialCredentialsError",
        "ProfileNotFound",
        "SSOTokenLoadError",
        "TokenRetrievalError",
        "UnauthorizedSSOTokenError",
    }
)
"""Errors of botocore that say so of the machine's own settings."""
THROTTLED = frozenset(
    {"RequestLimitExceeded", "Throttling", "ThrottlingException", "TooManyRequestsException", "SlowDown"}
)
SET_CREDENTIALS = (
    "set AWS_PROFILE or the AWS_ACCESS_KEY_ID of an identity that may read prices; `--only api` needs none"
)
REFRESH_EXTRA = "pip install -e '.[refresh]'"
"""How the packages are installed that a refresh needs."""


class Refused(Exception):
    """AWS answered that what was asked for is not there or cannot be asked; code: its word for that."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass
class Account:
    """An account as the calls see it.

    connect: makes the client of a service in a region.
    """

    connect: Callable[[str, str], Any]
    _clients: dict[tuple[str, str], Any] = field(default_factory=dict, repr=False)

    def ask(self, call: Call, region: str, **arguments: Any) -> list[Any]:
        """Return all rows of all pages of a call. Raises `Problems`, and `Refused` for what is not there."""
        return list(self._pages(call, region, arguments))

    def _pages(self, call: Call, region: str, arguments: dict[str, Any]) -> Iterator[Any]:
        seen: set[str] = set()
        while True:
            page = self._answer(call, region, arguments)
            rows = page.get(call.rows) or ()
            yield from [rows] if isinstance(rows, dict) else rows
            token = page.get(call.token)
            if not token:
                return
            if token in seen or len(seen) >= MOST_PAGES:
                why = "its pages go in a circle"
                raise Problems([_unanswered(call, region, why)])
            seen.add(token)
            arguments = {**arguments, call.token: token}

    def _answer(self, call: Call, region: str, arguments: dict[str, Any]) -> dict[str, Any]:
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            client = self._client(call.service, region)
            answer: dict[str, Any] = getattr(client, call.operation)(**arguments)
        except ClientError as error:
            raise _failure(call, region, error.response.get("Error", {})) from error
        except BotoCoreError as error:
            if type(error).__name__ in UNREADABLE_CREDENTIALS:
                message = f"there are no credentials for AWS on this machine: {error}"
                raise Problems([Problem("REF002", message, hint=SET_CREDENTIALS)]) from error
            raise Problems([_unanswered(call, region, str(error))]) from error
        return answer

    def _client(self, service: str, region: str) -> Any:
        if (service, region) not in self._clients:
            self._clients[service, region] = self.connect(service, region)
        return self._clients[service, region]


def open_account() -> Account:
    """Return the account that the machine's credentials open. Raises `Problems` REF001 without the packages."""
    try:
        import boto3
        from botocore.config import Config
    except ImportError as error:
        raise Problems([Problem("REF001", "the package boto3 is not installed", hint=REFRESH_EXTRA)]) from error
    config = Config(retries={"mode": "standard", "max_attempts": ATTEMPTS}, connect_timeout=10, read_timeout=30)

    def connect(service: str, region: str) -> Any:
        return boto3.client(service, region_name=region, config=config)

    return Account(connect)


def _failure(call: Call, region: str, error: dict[str, Any]) -> Exception:
    code, message = str(error.get("Code", "")), str(error.get("Message", ""))
    if code in DENIED:
        denied = f"the account does not allow {call.permission} in {region}"
        hint = f"allow {call.permission} to this identity; docs/catalog.md has the whole policy"
        return Problems([Problem("REF003", denied, hint=hint)])
    if code in NO_CREDENTIALS:
        refused = f"AWS refuses the credentials of this machine in {region}: {code}"
        hint = f"{SET_CREDENTIALS}; a region that must be opted into refuses accounts that have not"
        return Problems([Problem("REF002", refused, hint=hint)])
    if code in THROTTLED:
        return Problems([_unanswered(call, region, f"it was asked too often ({code}), {ATTEMPTS} times in a row")])
    return Refused(code, f"{call.service} {call.operation} in {region}: {code}: {message}")


def _unanswered(call: Call, region: str, why: str) -> Problem:
    hint = "try again later; nothing was written"
    return Problem("REF004", f"{call.service} {call.operation} in {region} gave no answer: {why}", hint=hint)
