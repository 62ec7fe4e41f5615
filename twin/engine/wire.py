"""Bodies and server-sent events in the spelling of vLLM's OpenAI server (0.33). The module is pure text.

A stream has these parts: the role chunk, which is sent with the first token and not before; content chunks, the last of
which carries the `finish_reason`; the usage chunk, when the client asked for it; and `[DONE]`. A stream that breaks
inside vLLM sends an error event and then, unlike OpenAI, `[DONE]` all the same.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any, Literal

FinishReason = Literal["stop", "length"]

DONE = b"data: [DONE]\n\n"
_WORDS = ("lorem", "ipsum", "dolor", "sit", "amet", "consectetur", "adipiscing", "elit")
_CYCLE = "".join(f" {word}" for word in _WORDS)
_STARTS = [sum(len(word) + 1 for word in _WORDS[:index]) for index in range(len(_WORDS))]


def filler(first_token: int, tokens: int) -> str:
    """Return text that stands for `tokens` tokens from position `first_token` on: one word a token, always the same
    words."""
    start = _place(first_token % len(_WORDS))
    end = _place(first_token % len(_WORDS) + tokens)
    return (_CYCLE * (end // len(_CYCLE) + 1))[start:end]


def _place(words: int) -> int:
    """Return the number of characters in the first `words` words of the endless cycle."""
    return words // len(_WORDS) * len(_CYCLE) + _STARTS[words % len(_WORDS)]


def event(document: Mapping[str, Any]) -> bytes:
    """Write one server-sent event of a JSON document."""
    return b"data: " + json.dumps(document, separators=(",", ":")).encode() + b"\n\n"


def error_body(status: int, message: str, kind: str | None = None) -> dict[str, Any]:
    """Return vLLM's error document. Its `code` repeats the HTTP status."""
    return {
        "error": {"message": message, "type": kind or HTTPStatus(status).phrase, "param": None, "code": status},
    }


def usage(prompt_tokens: int, completion_tokens: int) -> dict[str, Any]:
    """Return vLLM's `usage` object."""
    return {
        "prompt_tokens": prompt_tokens,
        "total_tokens": prompt_tokens + completion_tokens,
        "completion_tokens": completion_tokens,
        "prompt_tokens_details": None,
    }


def model_list(model: str, max_model_len: int, created_s: int, adapters: Sequence[str] = ()) -> dict[str, Any]:
    """Return `GET /v1/models` of a replica that serves one model, with its adapters, whose parent is the model."""
    cards = [
        {
            "id": name,
            "object": "model",
            "created": created_s,
            "owned_by": "vllm",
            "root": name,
            "parent": None if name == model else model,
            "max_model_len": max_model_len if name == model else None,
        }
        for name in (model, *adapters)
    ]
    return {"object": "list", "data": cards}


class AnswerSpelling:
    """This object spells one answer: a `chat` (messages) or `text` (prompt) completion.

    created_s: time of the answer, Unix seconds.

    Chunks are put together from parts that are made once, because under load they are most of what a replica writes.
    """

    def __init__(self, kind: Literal["chat", "text"], identity: str, model: str, created_s: int) -> None:
        self.kind = kind
        self._identity = identity
        self._model = model
        self._created_s = created_s
        head = json.dumps(self._head(self._chunk_object()), separators=(",", ":"))[:-1]
        text_key = '"text":"' if kind == "text" else '"delta":{"content":"'
        self._open = f'data: {head},"choices":[{{"index":0,{text_key}'.encode()
        self._close = b'"' if kind == "text" else b'"}'

    def first_chunk(self) -> bytes:
        """Return what precedes the first token of a stream: a chat's role chunk, and nothing for a text completion."""
        if self.kind == "text":
            return b""
        role = {"index": 0, "delta": {"role": "assistant", "content": ""}, "logprobs": None, "finish_reason": None}
        return event(self._head(self._chunk_object()) | {"choices": [role]})

    def chunk(self, text: str, finish_reason: FinishReason | None) -> bytes:
        """Return one event of new text, which needs no JSON escapes. The last one carries the reason."""
        closing = _CLOSINGS[self.kind, finish_reason]
        return b"".join((self._open, text.encode(), self._close, closing))

    def usage_chunk(self, prompt_tokens: int, completion_tokens: int) -> bytes:
        """Return the event without choices that `stream_options.include_usage` asks for."""
        usage_part = {"choices": [], "usage": usage(prompt_tokens, completion_tokens)}
        return event(self._head(self._chunk_object()) | usage_part)

    def whole(self, text: str, finish_reason: FinishReason, prompt_tokens: int, completion_tokens: int) -> bytes:
        """Return the body of an answer that is not streamed."""
        closing: dict[str, Any] = {"logprobs": None, "finish_reason": finish_reason, "stop_reason": None}
        choice: dict[str, Any]
        if self.kind == "text":
            name, choice = "text_completion", {"index": 0, "text": text, **closing, "prompt_logprobs": None}
        else:
            name = "chat.completion"
            choice = {"index": 0, "message": {"role": "assistant", "content": text}, **closing}
        document = self._head(name) | {"choices": [choice], "usage": usage(prompt_tokens, completion_tokens)}
        return json.dumps(document, separators=(",", ":")).encode()

    def _chunk_object(self) -> str:
        return "text_completion" if self.kind == "text" else "chat.completion.chunk"

    def _head(self, name: str) -> dict[str, Any]:
        return {"id": self._identity, "object": name, "created": self._created_s, "model": self._model}


def _closing_part(kind: str, finish_reason: FinishReason | None) -> bytes:
    rest: dict[str, Any] = {"logprobs": None, "finish_reason": finish_reason}
    if finish_reason is not None or kind == "text":
        rest["stop_reason"] = None
    return f",{json.dumps(rest, separators=(',', ':'))[1:]}]}}\n\n".encode()


_CLOSINGS = {
    (kind, reason): _closing_part(kind, reason) for kind in ("chat", "text") for reason in (None, "stop", "length")
}
