"""Calls to an account: pages, missing permissions, credentials, throttling, and pages that never end."""

from __future__ import annotations

import builtins
from typing import Any

import pytest
from botocore import exceptions
from botocore.exceptions import EndpointConnectionError, NoCredentialsError, ProfileNotFound

from planner.edges import aws_account
from planner.edges.aws_account import CALLS, GET_PRODUCTS, QUOTA, ZONE_OFFERINGS, Account, Refused, open_account
from planner.words.diagnostics import Problem, Problems
from tests.planner.edges.imitated_account import stubbed


def problem(account: Account) -> Problem:
    with pytest.raises(Problems) as raised:
        account.ask(GET_PRODUCTS, "us-east-1", ServiceCode="AmazonEC2")
    (only,) = raised.value.problems
    return only


def test_all_pages_are_read() -> None:
    account, (stubber,) = stubbed(
        (GET_PRODUCTS, {"PriceList": ["a", "b"], "NextToken": "1"}),
        (GET_PRODUCTS, {"PriceList": [], "NextToken": "2"}),
        (GET_PRODUCTS, {"PriceList": ["c"]}),
    )
    assert account.ask(GET_PRODUCTS, "us-east-1", ServiceCode="AmazonEC2") == ["a", "b", "c"]
    stubber.assert_no_pending_responses()


def test_the_token_of_a_page_asks_for_the_next() -> None:
    asked: list[dict[str, Any]] = []

    class Client:
        def get_products(self, **arguments: Any) -> dict[str, Any]:
            asked.append(arguments)
            return {"PriceList": [len(asked)], "NextToken": "more" if len(asked) == 1 else ""}

    assert Account(lambda *_: Client()).ask(GET_PRODUCTS, "r", ServiceCode="s") == [1, 2]
    assert asked == [{"ServiceCode": "s"}, {"ServiceCode": "s", "NextToken": "more"}]


def test_pages_that_go_in_a_circle_end() -> None:
    account, _ = stubbed(*[(GET_PRODUCTS, {"PriceList": ["a"], "NextToken": "1"})] * 3)
    assert "in a circle" in problem(account).message


@pytest.mark.parametrize("code", sorted(aws_account.DENIED))
def test_a_missing_permission_is_named(code: str) -> None:
    account, _ = stubbed((GET_PRODUCTS, code))
    told = problem(account)
    assert told.code == "REF003"
    assert "pricing:GetProducts" in told.message


@pytest.mark.parametrize("code", sorted(aws_account.THROTTLED))
def test_throttling_is_told(code: str) -> None:
    account, _ = stubbed((GET_PRODUCTS, code))
    assert problem(account).code == "REF004"
    assert code in problem(stubbed((GET_PRODUCTS, code))[0]).message


@pytest.mark.parametrize("code", sorted(aws_account.NO_CREDENTIALS))
def test_refused_credentials_say_what_to_set(code: str) -> None:
    told = problem(stubbed((GET_PRODUCTS, code))[0])
    assert told.code == "REF002"
    assert "AWS_PROFILE" in told.hint


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (NoCredentialsError(), "REF002"),
        (ProfileNotFound(profile="work"), "REF002"),
        (EndpointConnectionError(endpoint_url="https://nowhere"), "REF004"),
    ],
)
def test_failures_before_an_answer_are_told(error: Exception, code: str) -> None:
    class Client:
        def get_products(self, **_: Any) -> None:
            raise error

    assert problem(Account(lambda *_: Client())).code == code


def test_what_is_not_there_is_the_callers_to_judge() -> None:
    account, _ = stubbed((QUOTA, "NoSuchResourceException"))
    with pytest.raises(Refused) as refused:
        account.ask(QUOTA, "us-east-1", ServiceCode="ec2", QuotaCode="L-1")
    assert refused.value.code == "NoSuchResourceException"


def test_an_answer_with_one_row_is_a_row() -> None:
    account, _ = stubbed((QUOTA, {"Quota": {"Value": 4.0}}), (QUOTA, {}))
    assert account.ask(QUOTA, "r", ServiceCode="ec2", QuotaCode="L-1") == [{"Value": 4.0}]
    assert account.ask(QUOTA, "r", ServiceCode="ec2", QuotaCode="L-1") == []


def test_a_client_is_made_once_for_a_service_and_a_region() -> None:
    made = []

    class Client:
        def describe_instance_type_offerings(self) -> dict[str, Any]:
            return {}

    def connect(service: str, region: str) -> Client:
        made.append((service, region))
        return Client()

    account = Account(connect)
    for region in ("a", "b", "a"):
        account.ask(ZONE_OFFERINGS, region)
    assert made == [("ec2", "a"), ("ec2", "b")]


def test_every_call_only_reads() -> None:
    assert all(call.operation.startswith(("get_", "describe_")) for call in CALLS)
    assert all(call.permission.partition(":")[2].startswith(("Get", "Describe")) for call in CALLS)


def test_without_the_package_one_problem_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def refuse(name: str, *arguments: Any, **options: Any) -> Any:
        if name.startswith("boto"):
            raise ImportError(name)
        return real(name, *arguments, **options)

    monkeypatch.setattr(builtins, "__import__", refuse)
    with pytest.raises(Problems) as raised:
        open_account()
    (told,) = raised.value.problems
    assert (told.code, told.hint) == ("REF001", "pip install -e '.[refresh]'")


def test_clients_wait_and_try_again(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    retries = open_account().connect("pricing", "us-east-1").meta.config.retries
    assert retries["mode"] == "standard"
    assert retries["total_max_attempts"] >= aws_account.ATTEMPTS


def test_a_profile_that_is_not_there_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_PROFILE", "no-such-profile")
    told = problem(open_account())
    assert told.code == "REF002"
    assert "no-such-profile" in told.message


def test_every_error_of_credentials_is_one_of_botocores() -> None:
    assert all(hasattr(exceptions, name) for name in aws_account.UNREADABLE_CREDENTIALS)
