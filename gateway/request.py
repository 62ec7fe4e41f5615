"""One chat completion request: it is read, measured, and written again for a backend.

What the client asked is judged once, at the edge. Fields that would widen the route are refused, and so are unknown
fields. The body that leaves is written anew from what was judged, so that of a duplicate key only the value that was
judged survives. This module does not decide who serves the request. It has no tokenizer, so it estimates:

    input tokens = UTF-8 bytes of prompt text ÷ bytes per token of the route
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from gateway.errors import Refusal
from gateway.features import (
    CORE_FIELDS,
    FEATURE_OF_CONTENT_PART,
    FEATURE_OF_FIELD,
    OPTIONAL_PLAIN_FIELDS,
    ROUTE_WIDENING_FIELDS,
)

_T = TypeVar("_T")

_KNOWN_FIELDS = CORE_FIELDS | OPTIONAL_PLAIN_FIELDS | FEATURE_OF_FIELD.keys()

_NEUTRAL: Mapping[str, object] = {"n": 1, "logprobs": False}
"""Values that mean the same as leaving the field out. They need no feature and are not forwarded."""

_ENCODE = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode

_OUTPUT_CAPS = ("max_completion_tokens", "max_tokens")
"""Names of the output cap. Where a client gives both, the first one counts, as in vLLM."""


@dataclass(frozen=True, kw_only=True)
class ChatRequest:
    """A chat request was read and judged.

    fields: the body without nulls, neutral values and output caps.
    usage_asked: whether the client asked for usage in its stream.
    prompt_bytes: UTF-8 bytes of message texts, tool calls and tool definitions.
    output_cap: tokens that one choice may have, None if the client gave no cap.
    choices: answers that the client asked for.
    features, plain_fields: what a backend must support.
    """

    fields: dict[str, Any]
    route: str
    stream: bool
    usage_asked: bool
    prompt_bytes: int
    output_cap: int | None
    choices: int
    features: frozenset[str]
    plain_fields: frozenset[str]

    def forget_body(self) -> None:
        """Drop the prompt. After the commit nobody sends it again, and a stream may live for minutes."""
        self.fields.clear()

    def input_tokens(self, bytes_per_token: float) -> int:
        """Estimate the tokens of the prompt, at least 1."""
        return max(1, math.ceil(self.prompt_bytes / bytes_per_token))

    def output_limit(self, most: int | None) -> int | None:
        """Return the output cap to send upstream: the smaller of the client's and the route's, None without either."""
        caps = [cap for cap in (self.output_cap, most) if cap is not None]
        return min(caps) if caps else None

    def body_for(
        self, model: str, output_cap: int | None, renames: Mapping[str, str], cut_to_tokens: int | None = None
    ) -> bytes:
        """Write the JSON to send, with the backend's model name, the output cap, usage asked for, and the backend's
        field names.

        `cut_to_tokens` asks vLLM to read only that many tokens of the prompt, which are its last ones. They are those
        that the model counts.

        Raises Refusal (400) for what can be read but not written: lone surrogates, nesting at the limit of reading.
        """
        document = {**self.fields, "model": model}
        if output_cap is not None:
            document["max_tokens"] = output_cap
        if cut_to_tokens is not None:
            document["truncate_prompt_tokens"] = cut_to_tokens
        if self.stream:
            document["stream_options"] = {**self.fields.get("stream_options", {}), "include_usage": True}
        backend_document = {renames.get(name, name): value for name, value in document.items()}
        try:
            return _ENCODE(backend_document).encode()
        except (ValueError, RecursionError):
            raise _unwritable() from None


def parse_chat_request(raw: bytes) -> ChatRequest:
    """Read a request body. Raises Refusal (400) that names the field."""
    document = _parse_json(raw)
    try:
        return _chat_request_of(document)
    except (UnicodeEncodeError, RecursionError):
        raise _unwritable() from None


def _chat_request_of(document: dict[str, Any]) -> ChatRequest:
    if not ROUTE_WIDENING_FIELDS.isdisjoint(document):
        widening = sorted(ROUTE_WIDENING_FIELDS.intersection(document))
        message = f"{', '.join(widening)}: the route alone decides where a request goes; leave the field out"
        raise Refusal(400, "field_refused", message, param=widening[0])
    fields = {
        name: value
        for name, value in document.items()
        if value is not None and not (name in _NEUTRAL and _NEUTRAL[name] == value)
    }
    if not _KNOWN_FIELDS.issuperset(fields):
        unknown = sorted(fields.keys() - _KNOWN_FIELDS)
        raise Refusal(400, "field_unknown", f"{', '.join(unknown)}: no such field here; leave it out", param=unknown[0])

    route = _value_of_type(fields, "model", str, "")
    if not route:
        raise Refusal(400, "field_missing", "model: name the route to use", param="model")
    stream = _value_of_type(fields, "stream", bool, False)
    output_cap = _output_cap(fields)
    choices = _positive(fields, "n") or 1
    features = {FEATURE_OF_FIELD[name] for name in fields if name in FEATURE_OF_FIELD}
    prompt_bytes = _measure_messages(fields.get("messages"), features)
    for definitions in ("tools", "functions"):
        if definitions in fields:
            prompt_bytes += _json_bytes(fields[definitions])
    usage_asked = _usage_asked(fields, stream)
    for cap in _OUTPUT_CAPS:
        fields.pop(cap, None)
    return ChatRequest(
        fields=fields,
        route=route,
        stream=stream,
        usage_asked=usage_asked,
        prompt_bytes=prompt_bytes,
        output_cap=output_cap,
        choices=choices,
        features=frozenset(features),
        plain_fields=OPTIONAL_PLAIN_FIELDS.intersection(fields),
    )


def _parse_json(raw: bytes) -> dict[str, Any]:
    try:
        text = raw.decode()  # strictly UTF-8; json.loads would let lone surrogates and other encodings in
        document = json.loads(text, parse_constant=_refuse_constant, parse_float=_finite)
    except (ValueError, RecursionError) as error:
        raise Refusal(400, "body_invalid", f"the body is not a JSON document: {error}") from None
    if not isinstance(document, dict):
        raise Refusal(400, "body_invalid", "the body must be a JSON object")
    return document


def _unwritable() -> Refusal:
    return Refusal(400, "body_invalid", "the body cannot be written as UTF-8 JSON again")


def _refuse_constant(name: str) -> float:
    raise ValueError(f"{name} is not JSON")


def _finite(digits: str) -> float:
    value = float(digits)
    if not math.isfinite(value):
        raise ValueError(f"{digits[:20]} is beyond any number here")
    return value


def _value_of_type(fields: Mapping[str, Any], name: str, kind: type[_T], default: _T) -> _T:
    value = fields.get(name, default)
    if not isinstance(value, kind):
        raise Refusal(400, "field_invalid", f"{name}: must be of type {kind.__name__}", param=name)
    return value


def _positive(fields: Mapping[str, Any], name: str) -> int | None:
    value = fields.get(name)
    if value is None:
        return None
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise Refusal(400, "field_invalid", f"{name}: must be a whole number above 0", param=name)
    return value


def _output_cap(fields: Mapping[str, Any]) -> int | None:
    caps = [_positive(fields, name) for name in _OUTPUT_CAPS]
    return next((cap for cap in caps if cap is not None), None)


def _usage_asked(fields: Mapping[str, Any], stream: bool) -> bool:
    options = _value_of_type(fields, "stream_options", dict, {})
    if options and not stream:
        raise Refusal(400, "field_invalid", "stream_options: only for stream true", param="stream_options")
    unknown = sorted(options.keys() - {"include_usage"})
    if unknown:
        message = f"stream_options.{unknown[0]}: no such field here; leave it out"
        raise Refusal(400, "field_unknown", message, param="stream_options")
    return options.get("include_usage") is True


def _measure_messages(messages: object, features: set[str]) -> int:
    """Count the bytes of prompt text, and add to `features` what content parts need."""
    if not isinstance(messages, list) or not messages:
        raise Refusal(400, "field_invalid", "messages: must be a list with at least one message", param="messages")
    total = 0
    for index, message in enumerate(messages):
        if not isinstance(message, dict):
            raise Refusal(400, "field_invalid", f"messages[{index}]: must be an object", param="messages")
        content = message.get("content")
        if isinstance(content, str):
            total += _text_bytes(content)
        elif isinstance(content, list):
            total += sum(_measure_part(part, index, features) for part in content)
        elif content is not None:
            message_text = f"messages[{index}].content: must be text or a list of parts"
            raise Refusal(400, "field_invalid", message_text, param="messages")
        for calls in ("tool_calls", "function_call"):
            if message.get(calls) is not None:
                total += _json_bytes(message[calls])
                features.add("tools" if calls == "tool_calls" else "functions")
    return total


def _measure_part(part: object, index: int, features: set[str]) -> int:
    kind = part.get("type") if isinstance(part, dict) else None
    if not isinstance(part, dict) or not isinstance(kind, str) or kind not in FEATURE_OF_CONTENT_PART:
        known_types = ", ".join(sorted(FEATURE_OF_CONTENT_PART))
        raise Refusal(
            400, "field_unknown", f"messages[{index}].content: parts are of type {known_types}", param="messages"
        )
    feature = FEATURE_OF_CONTENT_PART[kind]
    if feature is not None:
        features.add(feature)
        return 0
    text = part.get(kind)
    return _text_bytes(text) if isinstance(text, str) else 0


def _text_bytes(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode())


def _json_bytes(value: object) -> int:
    return len(_ENCODE(value).encode())
