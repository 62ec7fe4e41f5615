"""The first request to a deployed environment, on the twin: what stands behind it by a lock, and asking the gateway.

The demo and the tests ask by it. Engines keep the times of the lock's clocks, and hosted APIs sell what the lock names,
at its prices and under their own URLs.
"""

from __future__ import annotations

import json
import re
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from planner.documents import routing
from planner.plan.plan import Plan

_DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))
_LIMIT_S = 60.0


@dataclass(frozen=True)
class Answered:
    """What came back.

    served_by: header `X-Spillway-Served-By`, such as `pool/NAME`; None in a refusal.
    code: the gateway's code of a refusal; None in an answer.
    """

    status: int
    served_by: str | None
    text: str
    code: str | None
    seconds: float


def clocks(plan: Plan) -> dict[str, Any]:
    """Return the clock of each pool's engine by the name under which its model is served."""
    return {pool.name: routing.clock(pool) for pool in plan.pools}


def offers(plan: Plan, keys: Mapping[str, str]) -> dict[str, Any] | None:
    """Return what the plan's hosted APIs sell; None where it has none.

    keys: variable -> key for which the provider asks.
    """
    providers: dict[str, Any] = {}
    for api in plan.apis:
        name = re.sub(r"[^a-z0-9.]+", "-", api.base_url.removeprefix("https://").lower())
        seller = {"base_url": api.base_url, "api_key": keys[api.api_key_env], "models": {}}
        providers.setdefault(name, seller)["models"][api.model] = {
            "usd_per_mtok": {
                "input": f"{api.usd_per_million_input_tokens:f}",
                "output": f"{api.usd_per_million_output_tokens:f}",
            },
            "context_tokens": api.context_tokens,
            "limits": {"rpm": api.requests_per_minute, "tpm": api.tokens_per_minute},
        }
    return {"version": "1.0", "providers": providers} if providers else None


def ask(gateway: str, key: str, route: str, question: str = "Good morning", **more: Any) -> Answered:
    """Ask a gateway for a route, and read the whole answer. more: fields of the request."""
    message = {"role": "user", "content": question}
    body = json.dumps({"model": route, "messages": [message], "max_tokens": 12, **more}).encode()
    headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
    began = time.monotonic()
    try:
        with _DIRECT.open(
            urllib.request.Request(f"{gateway}/v1/chat/completions", body, headers), timeout=_LIMIT_S
        ) as r:
            status, answered_by, raw = r.status, r.headers.get("X-Spillway-Served-By"), r.read().decode()
    except urllib.error.HTTPError as error:
        refusal = json.loads(error.read())["error"]
        return Answered(error.code, None, refusal["message"], refusal["code"], time.monotonic() - began)
    return Answered(status, answered_by, _text(raw), None, time.monotonic() - began)


def _text(raw: str) -> str:
    """Return what an answer says, whole or as a stream that has come to its end."""
    if not raw.startswith("data:"):
        return str(json.loads(raw)["choices"][0]["message"]["content"])
    events = [line.removeprefix("data: ") for line in raw.splitlines() if line.startswith("data: ")]
    if events[-1] != "[DONE]":
        raise ValueError("the stream was cut")
    deltas = [choice["delta"] for event in events[:-1] for choice in json.loads(event)["choices"]]
    return "".join(delta.get("content") or "" for delta in deltas)
