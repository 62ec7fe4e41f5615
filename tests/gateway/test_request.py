"""Reading, measuring and writing a request."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import Refusal
from gateway.features import FEATURE_OF_FIELD, OPTIONAL_PLAIN_FIELDS, ROUTE_WIDENING_FIELDS
from gateway.request import ChatRequest, parse_chat_request

MESSAGES = [{"role": "user", "content": "hello"}]


def request_with(**fields: Any) -> ChatRequest:
    return parse_chat_request(json.dumps({"model": "chat", "messages": MESSAGES, **fields}).encode())


def body_of(request: ChatRequest, cap: int | None = None, **renames: str) -> Any:
    return json.loads(request.body_for("served", cap, renames))


def test_what_is_judged_is_what_is_sent() -> None:
    request = request_with(temperature=0.5, tools=[{"type": "function"}], seed=None, n=1, logprobs=False)
    assert body_of(request) == {
        "model": "served",
        "messages": MESSAGES,
        "temperature": 0.5,
        "tools": [{"type": "function"}],
    }
    assert request.features == {"tools"}
    assert request.plain_fields == {"temperature"}


@given(
    st.recursive(
        st.none() | st.booleans() | st.text() | st.integers(), lambda c: st.lists(c) | st.dictionaries(st.text(), c)
    )
)
def test_field_values_arrive_as_they_were(value: Any) -> None:
    body = json.dumps({"model": "chat", "messages": MESSAGES, "response_format": value}).encode()
    assert body_of(parse_chat_request(body)).get("response_format") == value


def test_streams_always_ask_for_usage() -> None:
    assert body_of(request_with(stream=True))["stream_options"] == {"include_usage": True}
    for options in (None, {}, {"include_usage": False}, {"include_usage": None}):
        request = request_with(stream=True, stream_options=options)
        assert not request.usage_asked
        assert body_of(request)["stream_options"] == {"include_usage": True}
    assert request_with(stream=True, stream_options={"include_usage": True}).usage_asked
    assert "stream_options" not in body_of(request_with())


@pytest.mark.parametrize(
    ("fields", "route_cap", "expected"),
    [
        ({}, None, None),
        ({}, 100, 100),
        ({"max_tokens": 50}, None, 50),
        ({"max_tokens": 50}, 100, 50),
        ({"max_tokens": 500}, 100, 100),
        ({"max_completion_tokens": 70, "max_tokens": 50}, None, 70),
    ],
)
def test_output_cap(fields: dict[str, int], route_cap: int | None, expected: int | None) -> None:
    request = request_with(**fields)
    assert request.output_limit(route_cap) == expected
    body = body_of(request, expected)
    assert body.get("max_tokens") == expected
    assert "max_completion_tokens" not in body  # it would undo the route's cap
    body = body_of(request, expected, max_tokens="max_completion_tokens")
    assert body.get("max_completion_tokens") == expected
    assert "max_tokens" not in body


@pytest.mark.parametrize(
    ("messages", "prompt_bytes", "features"),
    [
        ([{"role": "user", "content": "hello"}], 5, set()),
        ([{"role": "user", "content": "grüße"}], 7, set()),
        ([{"role": "system", "content": "ab"}, {"role": "user", "content": "cd"}], 4, set()),
        ([{"role": "assistant", "content": None}], 0, set()),
        ([{"role": "user", "content": [{"type": "text", "text": "abc"}]}], 3, set()),
        (
            [
                {
                    "role": "user",
                    "content": [{"type": "image_url", "image_url": {"url": "data:x"}}, {"type": "text", "text": "a"}],
                }
            ],
            1,
            {"image"},
        ),
        ([{"role": "user", "content": [{"type": "input_audio", "input_audio": {}}]}], 0, {"audio"}),
        ([{"role": "assistant", "tool_calls": [{"id": "1"}]}], len('[{"id":"1"}]'), {"tools"}),
    ],
)
def test_measure(messages: list[Any], prompt_bytes: int, features: set[str]) -> None:
    request = request_with(messages=messages)
    assert request.prompt_bytes == prompt_bytes
    assert request.features == features
    assert request.input_tokens(4.0) == max(1, -(-prompt_bytes // 4))


def test_tool_definitions_are_prompt() -> None:
    tools = [{"type": "function", "function": {"name": "f"}}]
    assert request_with(tools=tools).prompt_bytes == 5 + len(json.dumps(tools, separators=(",", ":")))


@pytest.mark.parametrize(
    ("fields", "code", "param"),
    [
        ({"service_tier": "priority"}, "field_unknown", "service_tier"),
        ({"messages": [{"role": "user", "content": [{"type": "video_url"}]}]}, "field_unknown", "messages"),
        ({"messages": [{"role": "user", "content": 5}]}, "field_invalid", "messages"),
        ({"messages": ["hello"]}, "field_invalid", "messages"),
        ({"messages": "hello"}, "field_invalid", "messages"),
        ({"stream": "yes"}, "field_invalid", "stream"),
        ({"max_tokens": -1}, "field_invalid", "max_tokens"),
        ({"max_tokens": True}, "field_invalid", "max_tokens"),
        ({"max_tokens": 1.5}, "field_invalid", "max_tokens"),
        ({"n": 0}, "field_invalid", "n"),
        ({"stream_options": {"include_usage": True}}, "field_invalid", "stream_options"),
        ({"stream": True, "stream_options": {"extra": 1}}, "field_unknown", "stream_options"),
        ({"model": ""}, "field_missing", "model"),
        *(({field: "x"}, "field_refused", field) for field in sorted(ROUTE_WIDENING_FIELDS)),
    ],
)
def test_refusals_name_the_field(fields: dict[str, Any], code: str, param: str) -> None:
    with pytest.raises(Refusal) as caught:
        request_with(**fields)
    assert (caught.value.status, caught.value.code, caught.value.param) == (400, code, param)


def test_a_widening_field_is_refused_even_when_null() -> None:
    with pytest.raises(Refusal):
        request_with(fallbacks=None)


def test_the_vocabularies_do_not_overlap() -> None:
    fields = FEATURE_OF_FIELD.keys()
    assert not fields & OPTIONAL_PLAIN_FIELDS
    assert not fields & ROUTE_WIDENING_FIELDS
    assert not OPTIONAL_PLAIN_FIELDS & ROUTE_WIDENING_FIELDS


def test_forgetting_the_body_leaves_no_prompt() -> None:
    request = request_with()
    request.forget_body()
    assert "hello" not in repr(request)
