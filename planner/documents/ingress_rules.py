"""Contradictions of `platform.ingress`: two ways at once, TLS without a name, and doors that stand open to everyone."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from planner.plan.ingress import opens_to_everyone
from planner.words.diagnostics import Problem
from planner.words.spans import Document, mapping_at, value_at

WAYS = ("load_balancer", "gateway_api", "ingress_class")
PLACE = ("platform", "ingress")
BALANCER = (*PLACE, "load_balancer")


def ingress_problems(document: Document) -> Iterator[Problem]:
    """Yield what contradicts itself in the way in of a file (ENV005)."""
    stated = mapping_at(document.value, *PLACE)
    ways = [way for way in WAYS if stated.get(way) is not None]
    for further in ways[1:]:
        message = f"platform.ingress names `{ways[0]}` and `{further}`; there is one way in"
        yield Problem("ENV005", message, document.at((*PLACE, further)), "keep one of them")
    balancer = mapping_at(document.value, *BALANCER)
    if balancer:
        yield from _named(document, stated.get("hostname"), balancer)
        yield from _closed(document, balancer)
    if stated.get("hostname") is None and value_at(document.value, (*PLACE, "ingress_class", "tls_secret")):
        where = document.at((*PLACE, "ingress_class", "tls_secret"))
        yield Problem("ENV005", "a certificate is for a name, and there is none", where, "add `hostname:`")
    if stated.get("hostname") is not None and not ways:
        message = "platform.ingress has a hostname and no way in that answers to it"
        hint = f"add one of {', '.join(WAYS)}, or leave `hostname` out"
        yield Problem("ENV005", message, document.at((*PLACE, "hostname")), hint)


def _named(document: Document, hostname: Any, balancer: dict[Any, Any]) -> Iterator[Problem]:
    """Require the name that a certificate or a record is for."""
    for key in ("certificate", "hosted_zone"):
        if balancer.get(key) is not None and hostname is None:
            message = f"platform.ingress.load_balancer.{key} needs the name that clients call"
            yield Problem("ENV005", message, document.at((*BALANCER, key)), "add `platform.ingress.hostname:`")


def _closed(document: Document, balancer: dict[Any, Any]) -> Iterator[Problem]:
    """Require TLS and stated networks of a load balancer that faces the internet."""
    if balancer.get("scheme") != "internet-facing":
        return
    if balancer.get("certificate") is None and balancer.get("hosted_zone") is None:
        message = "keys of clients would cross the internet in clear text"
        hint = "add `certificate:` (ARN) or `hosted_zone:` (a Route 53 zone, where one is asked for)"
        yield Problem("ENV005", message, document.at((*BALANCER, "scheme")), hint)
    cidrs = balancer.get("cidrs")
    for index, cidr in enumerate(cidrs if isinstance(cidrs, list) else ()):
        if opens_to_everyone(str(cidr)):
            message = f"platform.ingress.load_balancer.cidrs: {cidr} is everyone"
            hint = "name the networks of your clients; put a service of your own in front to serve everyone"
            yield Problem("ENV005", message, document.at((*BALANCER, "cidrs", index)), hint)
