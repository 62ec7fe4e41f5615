"""A stack's mark is that of its state: the same in each run, and another one for another state."""

from __future__ import annotations

import asyncio

import pulumi
import pytest
from pulumi.runtime import mocks

from infra.stack_mark import digits_of, is_earlier, known_mark, mark, unknown

KNOWN = {("pulumi:providers:aws", "aws"): {"region": "us-east-1"}}


class _Provider:
    """A provider that the engine has registered under an id."""

    def __init__(self, identifier: str | None) -> None:
        self.id = unknown() if identifier is None else pulumi.Output.from_input(identifier)


@pytest.fixture(autouse=True)
def stack() -> None:
    asyncio.set_event_loop(asyncio.new_event_loop())
    mocks.set_mocks(mocks.MockResourceArgs, "spillway", "prod", preview=False, organization="acme")


def test_a_mark_names_the_stack_and_its_state() -> None:
    first, second = mark("0b1c"), mark("0b1d")
    assert first.startswith("acme/spillway/prod/")
    assert first == mark("0b1c")
    assert digits_of(first) != digits_of(second)
    assert len(digits_of(first)) == 7


@pytest.mark.parametrize(
    ("dry", "state", "known"), [(False, {}, True), (True, KNOWN, True), (True, {}, False), (False, KNOWN, True)]
)
def test_only_the_first_preview_has_no_mark(
    monkeypatch: pytest.MonkeyPatch, dry: bool, state: dict[tuple[str, str], dict[str, str]], known: bool
) -> None:
    monkeypatch.setattr("pulumi.runtime.is_dry_run", lambda: dry)
    found = known_mark(_Provider("0b1c"), state)  # type: ignore[arg-type]
    assert found == (mark("0b1c") if known else None)


def test_a_mark_that_is_not_known_yet_is_said_to_be_unknown() -> None:
    async def is_known() -> bool:
        return await unknown().is_known()

    assert asyncio.get_event_loop().run_until_complete(is_known()) is False


def test_a_provider_without_an_id_has_no_mark() -> None:
    assert known_mark(_Provider(None), KNOWN) is None  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("found", "earlier"),
    [
        ("acme/spillway/prod/1234567", False),
        ("acme/spillway/prod/7654321", True),
        ("acme/spillway/dev/7654321", False),
        ("other/spillway/prod/7654321", False),
        (None, False),
    ],
)
def test_only_the_digits_of_an_earlier_state_differ(found: str | None, earlier: bool) -> None:
    assert is_earlier(found, "acme/spillway/prod/1234567") is earlier


def test_a_new_state_has_no_mark_yet_and_knows_an_earlier_one() -> None:
    assert is_earlier("acme/spillway/prod/1234567", None)
    assert not is_earlier("acme/spillway/dev/1234567", None)
