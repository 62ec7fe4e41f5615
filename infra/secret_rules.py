"""Secrets of an environment by name: which there are, which must have a value, and the command that gives one.

Secrets lie in AWS Secrets Manager. The program makes them empty, people fill them, pods read them; no value passes
through the program, its plan or its state. The module is pure.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from planner.plan.plan import Plan
from planner.plan.platform import CLIENT_KEYS, HUB_ACCOUNT
from planner.words.diagnostics import Problem

RECOVERY_DAYS = 30
"""Time for which a deleted secret of a protected environment can be restored, days. Its name is taken until then."""


@dataclass(frozen=True)
class KeyStore:
    """A key store is where the gateway's keys lie.

    client_keys: name of the secret with the clients' keys.
    provider_keys: name of the secret by the variable that the policy reads a key from.
    """

    region: str
    client_keys: str
    provider_keys: dict[str, str]


def names(plan: Plan) -> tuple[str, ...]:
    """Return the secrets that a plan makes, by the names that it gives them."""
    parts = plan.platform.cluster
    return parts.secrets if parts is not None else ()


def physical_name(prefix: str, name: str) -> str:
    """Return the name at AWS. Amazon's registry takes only secrets whose names begin as it says."""
    return f"ecr-pullthroughcache/{prefix}-{name}" if name == HUB_ACCOUNT else f"{prefix}/{name}"


def key_variables(plan: Plan) -> tuple[str, ...]:
    """Return the variables of the API keys that the gateway needs, sorted; none where no route may spill."""
    spilling = any(route.fallback for route in plan.routes)
    return tuple(sorted({api.api_key_env for api in plan.apis})) if spilling else ()


def key_store(plan: Plan, prefix: str) -> KeyStore | None:
    """Return where the gateway's keys lie; None where they are Kubernetes Secrets that the team makes."""
    if CLIENT_KEYS not in names(plan):
        return None
    providers = {variable: physical_name(prefix, variable) for variable in key_variables(plan)}
    return KeyStore(plan.platform.region, physical_name(prefix, CLIENT_KEYS), providers)


def needed(plan: Plan) -> tuple[str, ...]:
    """Return the secrets without whose values something of the plan could not start, sorted.

    A key of an account that the plan does not use may stay empty.
    """
    started = {CLIENT_KEYS, HUB_ACCOUNT, *key_variables(plan)}
    return tuple(name for name in names(plan) if name in started)


def without_value(plan: Plan, prefix: str, has_value: Callable[[str], bool]) -> tuple[str, ...]:
    """Return the needed secrets that have no value yet. `has_value` asks AWS by the physical name."""
    return tuple(name for name in needed(plan) if not has_value(physical_name(prefix, name)))


def problem(plan: Plan, prefix: str, name: str) -> Problem:
    """Return what to say of a needed secret without a value: its name, and the command that gives it one."""
    hint = f"`{command(prefix, name, plan.platform.region)}`, then run `pulumi up` again"
    message = f"secret {physical_name(prefix, name)} has no value yet"
    return Problem("DEP050", message, hint=hint, severity="warning")


def command(prefix: str, name: str, region: str) -> str:
    """Return the command that fills a secret. A value is never an argument, which others on the machine could read."""
    put = f"aws secretsmanager put-secret-value --region {region} --secret-id {physical_name(prefix, name)}"
    value = {
        CLIENT_KEYS: "python -m gateway.keys CLIENT ROUTE…",
        HUB_ACCOUNT: 'printf \'{"username": "%s", "accessToken": "%s"}\' "$HUB_USER" "$HUB_TOKEN"',
    }.get(name, f'printf %s "${name}"')
    return f"{value} | {put} --secret-string file:///dev/stdin"
