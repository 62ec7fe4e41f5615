"""How many tokens a request carries and how many its answer will have, without a tokenizer or a model.

A prompt may say so itself, at the head of any message, so that a replay decides every answer's length:

    [twin input=1155 output=211] …

Without the hint, the input is bytes ÷ 4, and the output has a fixed, deterministic length. `max_tokens` always caps it,
as a client's cap does with a real model.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

BYTES_PER_TOKEN = 4
DEFAULT_OUTPUT_TOKENS = 64
TOKENS_A_MESSAGE = 4
"""What a chat template adds around one message, tokens: a role marker and separators."""

HINT_WITHIN_CHARACTERS = 512
"""Only this head of a text is searched, so that a long prompt costs no more than a short one."""

_HINT = re.compile(r"\[twin input=(\d{1,9}) output=(\d{1,9})\]")


class PromptError(ValueError):
    """The request's prompt has no form that the protocol knows. The message is the client's answer."""


@dataclass(frozen=True, slots=True)
class RequestLengths:
    """The lengths of one request are in tokens.

    prompt_tokens: what it carries.
    output_tokens: what a model would answer if no cap stopped it.
    """

    prompt_tokens: int
    output_tokens: int


def hint(input_tokens: int, output_tokens: int) -> str:
    """Return the text that makes a twin answer a prompt of `input_tokens` with `output_tokens`."""
    return f"[twin input={input_tokens} output={output_tokens}]"


def lengths_of(body: Mapping[str, Any]) -> RequestLengths:
    """Return the lengths of a chat (`messages`) or text (`prompt`) completion.

    Raises PromptError for any other shape.
    """
    if "messages" in body:
        messages = body["messages"]
        if not isinstance(messages, list) or not messages:
            raise PromptError("'messages' must be a list with at least one message")
        texts = [text for message in messages for text in _texts(message)]
        return _lengths(texts, TOKENS_A_MESSAGE * len(messages))
    prompt = body.get("prompt")
    if isinstance(prompt, str):
        return _lengths([prompt], 0)
    if isinstance(prompt, list) and prompt and all(isinstance(token, int) for token in prompt):
        return RequestLengths(len(prompt), DEFAULT_OUTPUT_TOKENS)
    raise PromptError("the request needs 'messages', or a 'prompt' that is a text or a list of token ids")


def _texts(message: object) -> Iterator[str]:
    if not isinstance(message, Mapping) or not isinstance(message.get("role"), str):
        raise PromptError("every message needs a 'role' and a 'content'")
    content = message.get("content")
    if isinstance(content, str):
        yield content
    elif isinstance(content, list):
        for part in content:
            if not isinstance(part, Mapping) or part.get("type") != "text":
                raise PromptError("this model reads text only: every content part must be of type 'text'")
            yield str(part.get("text", ""))
    elif content is not None:
        raise PromptError("'content' must be a text or a list of parts")


def _lengths(texts: list[str], template_tokens: int) -> RequestLengths:
    for text in texts:
        if match := _HINT.search(text, 0, HINT_WITHIN_CHARACTERS):
            return RequestLengths(max(1, int(match[1])), max(1, int(match[2])))
    text_bytes = sum(len(text.encode()) for text in texts)
    return RequestLengths(max(1, text_bytes // BYTES_PER_TOKEN + template_tokens), DEFAULT_OUTPUT_TOKENS)
