"""The first request to a deployed environment, on the twin: its keys, what stands behind it by a lock, and asking.

The demo and the tests ask by it. Engines keep the times of the lock's clocks, and hosted APIs sell what the lock names,
at its prices and under their own URLs.
"""

from __future__ import annotations

import json
import re
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gateway.keys import new_key
from planner.documents import routing
from planner.plan.plan import Plan

_DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))
_LIMIT_S = 60.0
_LOOK_S = 0.5
NAMESPACE = "gateway"


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


class Keys:
    """The keys that a gateway of a plan needs, where they are Kubernetes Secrets.

    of_client: a key that admits to all routes.
    of_providers: variable -> key of its hosted API.
    """

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.of_client, entry = new_key("first", tuple(route.name for route in plan.routes))
        self.of_providers = {api.api_key_env: f"key-of-{api.provider}" for api in plan.apis}
        entries = json.dumps({name: each.model_dump() for name, each in entry.items()})
        self._secrets = {"gateway-client-keys": {"keys.json": entries}, "gateway-provider-keys": self.of_providers}

    @contextmanager
    def brought_to(self, kubeconfig: Path) -> Iterator[None]:
        """Make the Secrets as soon as the gateway's namespace is there, within the block.

        A team's operator does so while `pulumi up` runs (External Secrets), or a person. The pods wait for it.
        """
        from kubernetes import client, config

        core = client.CoreV1Api(config.new_client_from_config(str(kubeconfig)))
        over = threading.Event()
        bringing = threading.Thread(target=self._bring, args=(core, over))
        bringing.start()
        try:
            yield
        finally:
            over.set()
            bringing.join()

    def _bring(self, core: Any, over: threading.Event) -> None:
        from kubernetes.client.exceptions import ApiException

        waiting = dict(self._secrets)
        while waiting and not over.wait(_LOOK_S):
            for name, entries in list(waiting.items()):
                try:
                    core.create_namespaced_secret(NAMESPACE, {"metadata": {"name": name}, "stringData": entries})
                    del waiting[name]
                except ApiException as error:
                    if error.status != 404:  # the namespace is not there yet
                        raise


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
