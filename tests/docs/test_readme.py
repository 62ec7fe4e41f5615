"""README.md is for the first minute: short, and what a stranger must know stands on the first screen."""

from __future__ import annotations

from tests.docs.markdown import text_of

LINES = text_of("README.md").splitlines()
SCREEN = 32


def test_it_is_read_in_a_minute() -> None:
    assert len(LINES) <= 120
    assert [line for line in LINES if len(line) > 120] == []
    assert sum(line.startswith("![") for line in LINES) == 1


def test_the_first_screen_says_what_must_be_known() -> None:
    screen = "\n".join(LINES[:SCREEN])
    for told in (
        "platform engineers",
        "finance",
        "security",
        "$ make demo",
        "$ make test",
        "| real | imitated",
        "Nothing here has run on a real AWS account",
    ):
        assert told in screen, told
