"""Backends as the gateway calls them: replicas of local pools, and API clients per route.

This is the line between inside and outside. An `ApiClient` is made for one route and one API of its chain, and only for
routes that are not restricted: for a restricted route there is no object that could reach an API. Secrets come from
environment variables that the policy names, and appear nowhere else.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import aiohttp

from gateway.forward import UpstreamCall
from gateway.policy import ApiPolicy, Policy, RateLimits
from gateway.rates import ApiLimiter
from gateway.request import ChatRequest

_TRACE_HEADERS = ("traceparent", "tracestate")
"""Headers of the client that go on to local pools. None of the client's headers goes to an API."""


class MissingSecret(ValueError):
    """An environment variable that the policy names is not set."""


@dataclass(frozen=True)
class ApiClient:
    """An API client is the right to send one route's requests to one API."""

    route: str
    name: str
    api: ApiPolicy
    session: aiohttp.ClientSession
    limiter: ApiLimiter
    secrets: Mapping[str, str]
    """API -> Authorization header. It is read with every request, so that a key that changes is the next one's."""

    def call_for(self, request: ChatRequest, output_cap: int | None, own_id: str) -> UpstreamCall:
        """Build the call that carries `request` there. `own_id` is the gateway's own id of the request, not the
        client's."""
        headers = {"Content-Type": "application/json", "Accept-Encoding": "identity", "X-Client-Request-Id": own_id}
        if self.name in self.secrets:
            headers["Authorization"] = self.secrets[self.name]
        body = request.body_for(self.api.model, output_cap, self.api.renames)
        return UpstreamCall(f"{self.api.base_url}/chat/completions", headers, body)


def replica_call(
    url: str,
    model: str,
    request: ChatRequest,
    output_cap: int | None,
    headers: Mapping[str, str],
    request_id: str,
    cut_to_tokens: int | None = None,
    server_name: str | None = None,
) -> UpstreamCall:
    """Build the call that carries `request` to a local replica at `url`. `headers` are the client's.

    `model` is the name that the replica is asked for. `cut_to_tokens` are those that the replica keeps of the prompt;
    None keeps it whole.
    `server_name` is what its certificate must have; None takes the host of the URL.
    """
    own_headers = {"Content-Type": "application/json", "Accept-Encoding": "identity", "X-Request-Id": request_id}
    own_headers |= {name: headers[name] for name in _TRACE_HEADERS if name in headers}
    body = request.body_for(model, output_cap, {}, cut_to_tokens)
    return UpstreamCall(f"{url}/v1/chat/completions", own_headers, body, server_name)


def chained_apis(policy: Policy) -> frozenset[str]:
    """Name the APIs that some route may reach. If there are none, the gateway opens no outside session at all."""
    return frozenset(
        name for route in policy.routes.values() if route.privacy != "restricted" for name in route.fallback
    )


def key_variables(policy: Policy) -> frozenset[str]:
    """Name the variables that hold the keys of all APIs that some route may reach."""
    variables = (policy.apis[name].api_key_env for name in chained_apis(policy))
    return frozenset(variable for variable in variables if variable is not None)


def read_secrets(policy: Policy, environment: Mapping[str, str]) -> dict[str, str]:
    """Map each chained API that has a key to its `Authorization`. Raises MissingSecret that names all keys that are
    missing."""
    secrets: dict[str, str] = {}
    missing = []
    for name in sorted(chained_apis(policy)):
        variable = policy.apis[name].api_key_env
        if variable is None:
            continue
        if environment.get(variable, "").strip():
            secrets[name] = f"Bearer {environment[variable].strip()}"
        else:
            missing.append(f"{variable} (API {name})")
    if missing:
        raise MissingSecret(f"set the environment variables of the policy's APIs: {', '.join(missing)}")
    return secrets


def account_limits(policy: Policy, provider: str) -> RateLimits:
    """Return what the account at `provider` may ask: the smallest limits that any of the provider's APIs states."""
    all_limits = [api.limits for api in policy.apis.values() if api.provider == provider]
    return RateLimits(
        rpm=min((limits.rpm for limits in all_limits if limits.rpm is not None), default=None),
        tpm=min((limits.tpm for limits in all_limits if limits.tpm is not None), default=None),
    )


def api_chains(
    policy: Policy,
    session: aiohttp.ClientSession,
    secrets: Mapping[str, str],
    rate_window_s: float,
    clock: Callable[[], float],
) -> dict[str, dict[str, ApiClient]]:
    """Map route -> API -> client, for routes that are not restricted.

    All APIs of a provider share one limiter, because they draw on one account.
    """
    providers = {policy.apis[name].provider for name in chained_apis(policy)}
    limiters = {name: ApiLimiter(account_limits(policy, name), rate_window_s, clock) for name in providers}
    return {
        route_name: {
            name: ApiClient(route_name, name, api, session, limiters[api.provider], secrets)
            for name, api in ((name, policy.apis[name]) for name in route.fallback)
        }
        for route_name, route in policy.routes.items()
        if route.privacy != "restricted"
    }
