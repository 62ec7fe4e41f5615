"""How providers say no: status, headers and body of each kind of refusal.

`openai` is OpenAI's spelling (its error-code reference), which Groq, Together and Fireworks follow. `bare` is the least
that OpenAI-compatible endpoints send: a status and a message, without `code` and `Retry-After`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from twin.api.offers import Manners

RefusalKind = Literal[
    "rate_limited", "insufficient_quota", "unauthorized", "unknown_model", "bad_request", "server_error", "overloaded"
]

_OPENAI: Mapping[RefusalKind, tuple[int, str, str | None]] = {
    "rate_limited": (429, "requests", "rate_limit_exceeded"),
    "insufficient_quota": (429, "insufficient_quota", "insufficient_quota"),
    "unauthorized": (401, "invalid_request_error", "invalid_api_key"),
    "unknown_model": (404, "invalid_request_error", "model_not_found"),
    "bad_request": (400, "invalid_request_error", None),
    "server_error": (500, "server_error", None),
    "overloaded": (503, "server_error", None),
}
_MESSAGES: Mapping[RefusalKind, str] = {
    "rate_limited": "Rate limit reached. Please try again later.",
    "insufficient_quota": "You exceeded your current quota, please check your plan and billing details.",
    "unauthorized": "Incorrect API key provided.",
    "unknown_model": "The model does not exist or you do not have access to it.",
    "bad_request": "The request is not valid.",
    "server_error": "The server had an error while processing your request. Sorry about that!",
    "overloaded": "The engine is currently overloaded, please try again later.",
}


@dataclass(frozen=True)
class ProviderRefusal:
    """A refusal is one answer that is no.

    body: the JSON document.
    """

    status: int
    body: Mapping[str, Any]
    headers: Mapping[str, str] = field(default_factory=dict)


def provider_refusal(
    manners: Manners, kind: RefusalKind, retry_after_s: float | None = None, detail: str = ""
) -> ProviderRefusal:
    """Return what a provider of these manners answers. `retry_after_s` is sent in whole wall seconds, at least 1."""
    status, error_type, code = _OPENAI[kind]
    message = detail or _MESSAGES[kind]
    if manners == "bare":
        return ProviderRefusal(status, {"error": {"message": message}})
    headers = {} if retry_after_s is None else {"Retry-After": str(max(1, math.ceil(retry_after_s)))}
    return ProviderRefusal(
        status, {"error": {"message": message, "type": error_type, "param": None, "code": code}}, headers
    )
