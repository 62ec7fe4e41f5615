"""The splitter keeps every byte however the stream is chunked; the ledger takes out usage and nothing else."""

import itertools
import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.account import Usage
from gateway.sse import DONE, EventLedger, EventSplitter, EventTooLong, error_code, event_payload

LIMIT = 1 << 20

line_end = st.sampled_from([b"\n", b"\r\n", b"\r"])
line_text = st.text(st.characters(exclude_characters="\r\n", exclude_categories=["Cs"]), max_size=12).map(str.encode)
line = st.builds(bytes.__add__, st.sampled_from([b"data: ", b"data:", b": ", b"event: ", b"", b"id: "]), line_text)
stream_bytes = st.lists(st.tuples(line, line_end, st.sampled_from([b"", b"\n", b"\r\n", b"\r"]))).map(
    lambda parts: b"".join(b"".join(part) for part in parts)
)
any_bytes = st.one_of(stream_bytes, st.binary(max_size=200), st.text("\r\nda:t ", max_size=60).map(str.encode))


def cut(text: bytes, places: list[int]) -> list[bytes]:
    bounds = [0, *sorted(place % (len(text) + 1) for place in places), len(text)]
    return [text[start:stop] for start, stop in itertools.pairwise(bounds)]


def fed(chunks: list[bytes]) -> tuple[list[bytes], bytes]:
    splitter = EventSplitter(LIMIT)
    blocks = [block for chunk in chunks for block in splitter.feed(chunk)]
    return blocks, splitter.rest()


@given(any_bytes, st.lists(st.integers(0, 1000)))
def test_blocks_and_rest_joined_are_the_input(text: bytes, places: list[int]) -> None:
    blocks, rest = fed(cut(text, places))
    assert b"".join(blocks) + rest == text


@given(any_bytes, st.lists(st.integers(0, 1000)))
def test_blocks_do_not_depend_on_the_chunks(text: bytes, places: list[int]) -> None:
    assert fed(cut(text, places)) == fed([bytes([byte]) for byte in text])


@given(any_bytes)
def test_every_block_ends_with_its_only_empty_line(text: bytes) -> None:
    empty_line = re.compile(rb"(?:\r\n|\n|\r(?!\n)){2}")
    blocks, _ = fed([text])
    for block in blocks:
        ends = [match.end() for match in empty_line.finditer(block)]
        assert ends == [len(block)]


@given(any_bytes, st.lists(st.integers(0, 1000)), st.booleans())
def test_without_usage_and_errors_every_event_passes_unchanged(text: bytes, places: list[int], asked: bool) -> None:
    ledger = EventLedger(usage_asked=asked)
    blocks, _ = fed(cut(text, places))
    assert [ledger.pass_on(block) for block in blocks] == blocks


@given(st.lists(st.text(max_size=20), max_size=8), st.lists(st.integers(0, 1000)))
def test_answers_whose_words_look_like_usage_pass_unchanged(words: list[str], places: list[int]) -> None:
    texts = [*words, '"usage":null', '{"error": {"code": 500}}', "data: [DONE]\n\n", ',"usage":{"prompt_tokens":1}']
    events = [b"data: " + json.dumps({"choices": [{"delta": {"content": text}}]}).encode() + b"\n\n" for text in texts]
    ledger = EventLedger(usage_asked=False)
    blocks, rest = fed(cut(b"".join(events), places))
    assert [ledger.pass_on(block) for block in blocks] == events
    assert (rest, ledger.usage, ledger.error_code, ledger.done) == (b"", None, None, False)
    assert ledger.data_events == len(events)


def test_an_event_beyond_the_limit_is_refused_and_many_short_ones_are_not() -> None:
    splitter = EventSplitter(100)
    assert len(splitter.feed(b"data: x\n\n" * 1000)) == 1000
    splitter.feed(b"x" * 100)
    with pytest.raises(EventTooLong):
        splitter.feed(b"x")


@pytest.mark.parametrize(
    ("block", "payload"),
    [
        (b"data: x\n\n", b"x"),
        (b"data:x\r\n\r\n", b"x"),
        (b"data:  x\r\r", b" x"),
        (b"\ndata: x\n\n", b"x"),
        (b"id: 1\nevent: e\ndata: a\ndata: b\n\n", b"a\nb"),
        (b": comment\n\n", b""),
        (b"database: no\n\n", b""),
        (b"data\n\n", b""),
        (b"\n\n", b""),
    ],
)
def test_payload(block: bytes, payload: bytes) -> None:
    assert event_payload(block) == payload


def event(document: object) -> bytes:
    return b"data: " + json.dumps(document).encode() + b"\n\n"


USAGE = {"prompt_tokens": 12, "completion_tokens": 5, "prompt_tokens_details": {"cached_tokens": 8}}
CHOICE = {"index": 0, "delta": {"content": "é"}}


def test_usage_is_read_and_taken_out() -> None:
    ledger = EventLedger(usage_asked=False)
    assert ledger.pass_on(event({"choices": [], "usage": USAGE})) == b""
    assert ledger.usage == Usage(12, 8, 5)
    block = ledger.pass_on(event({"id": 1, "choices": [CHOICE], "usage": None}))
    assert json.loads(event_payload(block)) == {"id": 1, "choices": [CHOICE]}
    block = ledger.pass_on(event({"choices": [CHOICE], "usage": USAGE}))
    assert json.loads(event_payload(block)) == {"choices": [CHOICE]}
    assert ledger.data_events == 2


def test_usage_that_was_asked_passes_unchanged_and_is_read() -> None:
    ledger = EventLedger(usage_asked=True)
    for block in (event({"choices": [CHOICE], "usage": None}), event({"choices": [], "usage": USAGE})):
        assert ledger.pass_on(block) == block
    assert ledger.usage == Usage(12, 8, 5)


def test_done_is_noticed_and_dropped_after_an_error_only() -> None:
    last_event = b"data: " + DONE + b"\n\n"
    ledger = EventLedger(usage_asked=False)
    assert ledger.pass_on(last_event) == last_event
    assert ledger.done
    for error in (event({"error": {"message": "m", "code": 503}}), b"event: error\ndata: it broke\n\n"):
        ledger = EventLedger(usage_asked=False)
        assert ledger.pass_on(error) == error
        assert ledger.pass_on(last_event) == b""
        assert ledger.error_code in (0, 503)


@pytest.mark.parametrize(
    ("error", "code"),
    [
        ({"code": 400}, 400),
        ({"code": "503"}, 503),
        ({"code": "rate_limit", "status": 429}, 429),
        ({"code": "rate_limit"}, 0),
        ({"code": 20}, 0),
        ("text", 0),
        (None, 0),
    ],
)
def test_error_code(error: object, code: int) -> None:
    assert error_code(error) == code


def test_an_event_nested_too_deep_to_read_is_passed_on() -> None:
    ledger = EventLedger(usage_asked=False)
    block = b'data: {"usage":' + b"[" * 100_000 + b"]" * 100_000 + b"}\n\n"
    assert ledger.pass_on(block) == block
    assert ledger.usage is None
