"""docs/calling.md says what the gateway answers: its codes with their status, its reasons to spill, its headers."""

from __future__ import annotations

import re

from gateway.settings import GatewaySettings
from gateway.spill import Trigger
from tests.docs.markdown import ROOT, code, tables, text_of

TEXT = text_of("docs/calling.md")
SOURCE = "\n".join(path.read_text(encoding="utf-8") for path in sorted((ROOT / "gateway").glob("*.py")))
NEVER_A_REASON = {Trigger.API_LIMIT, Trigger.DEADLINE}
"""An account that is used up is passed over, and a deadline ends the request."""


def test_every_error_is_told_with_its_status_and_no_other() -> None:
    told = {(row["status"], code(row["`code`"])) for row in tables(TEXT, "status", "`code`", "what to do")}
    assert told == set(re.findall(r'Refusal\(\s*(\d{3}), "(\w+)"', SOURCE))
    assert ("503", "overloaded") in told


def test_every_reason_to_spill_is_told_and_no_other() -> None:
    told = {code(row["reason"]) for row in tables(TEXT, "reason", "what happened")}
    assert told == {trigger.value for trigger in Trigger if trigger not in NEVER_A_REASON}
    assert all(f"`{trigger.value}`" in TEXT for trigger in NEVER_A_REASON)


def test_every_header_of_an_answer_is_told() -> None:
    told = {code(row["header"]) for row in tables(TEXT, "header", "what it says")}
    written = set(re.findall(r'headers\["((?:X-|Retry-)[\w-]+)"\]', SOURCE))
    assert told == {"X-Request-Id", *written}
    assert len(written) == 3


def test_the_limits_are_those_of_the_settings() -> None:
    settings = GatewaySettings()
    assert (
        f"at most {settings.body_bytes // 2**20} MiB, and must arrive within {settings.body_read_s:.0f} seconds" in TEXT
    )
    assert f"after {settings.chunk_idle_s:.0f} seconds of silence" in TEXT
    assert f"does not read for {settings.client_write_s:.0f} seconds" in TEXT
    assert f"at most {settings.queue_length} requests of one route wait" in " ".join(TEXT.split())


def test_paths_are_those_that_are_served() -> None:
    served = set(re.findall(r'add_(?:get|post)\("(/v1/[\w/]+)"', SOURCE))
    assert {path for path in served if re.search(rf"`(GET |POST )?{path}`", TEXT)} == served
    assert len(served) == 3
