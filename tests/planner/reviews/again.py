"""The figures of a plan, computed again from the plain values of its lock, by code that no review shares."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from functools import cached_property
from typing import Any

ZERO = Decimal(0)
Values = dict[str, Any]


def dollars_of(text: str | None) -> Decimal | None:
    """An amount as an environment states it."""
    return None if text is None else Decimal(text.replace("$", "").replace(",", ""))


class Again:
    """One lock's figures."""

    def __init__(self, values: Values) -> None:
        self.values = values
        self.plan: Values = values["plan"]
        self.environment: Values = values["environment"]
        self.lines: list[Values] = self.plan["cost"]["lines"]
        self.routes = {each["name"]: each for each in self.plan["routes"]}
        self.pools = {each["name"]: each for each in self.plan["pools"]}
        self.groups = {each["name"]: each for each in self.plan["node_groups"]}

    def usd(self, **having: str) -> Decimal:
        """The sum of the cost lines that have these values."""
        found = [line for line in self.lines if all(line[key] == value for key, value in having.items())]
        return sum((Decimal(line["usd_per_month"]) for line in found), ZERO)

    def flows(self, route: str) -> Iterator[tuple[Values, Decimal, Decimal, Decimal]]:
        """Each band at each level with its requests a month: all of them, those sent to APIs, those refused."""
        for level in self.plan["levels"]:
            asked = Decimal(level["hours"]) * 3600 * Decimal(level["mean_requests_per_second"].get(route, 0))
            for band in self.routes[route]["bands"]:
                requests = asked * Decimal(band["share_of_requests"])
                refused = requests * Decimal(band.get("refused_by_level", {}).get(level["name"], 0))
                always = band["api_share"] == "1" and not band["weights"] and not band["spill_by_level"]
                sent = requests * Decimal(band["spill_by_level"].get(level["name"], 0))
                sent = requests - refused if always else sent
                yield band, requests, sent, refused

    def requests(self, route: str) -> Decimal:
        """Requests of a route in a month."""
        return sum((requests for _, requests, _, _ in self.flows(route)), ZERO)

    def sent(self, route: str) -> Decimal:
        """Requests of a route in a month that APIs answer."""
        return sum((sent for _, _, sent, _ in self.flows(route)), ZERO)

    def refused_share(self, route: str) -> Decimal:
        """The share of a route's requests that are refused."""
        return sum((refused for *_, refused in self.flows(route)), ZERO) / self.requests(route)

    def api_share(self, route: str | None = None) -> Decimal:
        """The share of requests that APIs answer, of a route or of all."""
        names = [route] if route else [*self.routes]
        return sum(map(self.sent, names), ZERO) / sum(map(self.requests, names), ZERO)

    def tokens(self, route: str, pool: str | None = None) -> Decimal:
        """Tokens of a route in a month that anything processes, or that a pool does."""
        found = ZERO
        for band, requests, sent, refused in self.flows(route):
            length = Decimal(band["mean_input_tokens"]) + Decimal(band["mean_output_tokens"])
            own = (requests - sent - refused) * length
            found += (
                own * Decimal(band["weights"].get(pool, 0)) if pool else sent * length + own * bool(band["weights"])
            )
        return found

    @cached_property
    def all_tokens(self) -> Decimal:
        """Tokens of a month."""
        return sum(map(self.tokens, self.routes), ZERO)

    def token_share(self, pool: str) -> Decimal:
        """The share of all tokens that a pool processes."""
        return sum((self.tokens(route, pool) for route in self.routes), ZERO) / self.all_tokens

    def nodes(self, pool: str) -> Decimal:
        """Machines of a pool's node group; 0 without such a pool."""
        return Decimal(self.groups[self.pools[pool]["node_group"]]["max_nodes"]) if pool in self.pools else ZERO

    def pool_usd(self, pool: str) -> Decimal | None:
        """Cost lines of a pool's node group; None without such a pool."""
        return self.usd(component=self.pools[pool]["node_group"]) if pool in self.pools else None

    def figures(self) -> dict[str, Decimal | None]:
        """The figures of the first table by name."""
        budget = dollars_of((self.environment.get("budget") or {}).get("monthly"))
        api_budget = dollars_of((self.environment.get("api") or {}).get("monthly_budget"))
        return {
            "expected": self.usd(),
            "fixed": self.usd(kind="fixed"),
            "usage": self.usd(kind="usage"),
            "platform": self.usd(component="platform"),
            "low": Decimal(self.plan["cost"]["low_usd_per_month"]),
            "high": Decimal(self.plan["cost"]["high_usd_per_month"]),
            "per 1M tokens": self.usd() / self.all_tokens * 1_000_000,
            "API share": self.api_share(),
            "budget used": self.usd() / budget if budget else None,
            "API budget used": self.usd(kind="usage") / api_budget if api_budget else None,
            "GPU nodes": Decimal(sum(group["max_nodes"] for group in self.groups.values())),
            "replicas": Decimal(sum(pool["replicas"]["max"] for pool in self.pools.values())),
        }

    def route_usd(self, route: str) -> Decimal:
        """A route's part of the bill, as the lock has it; the parts and the platform are the whole."""
        return Decimal(self.routes[route]["usd_per_month"])

    def latencies(self, route: str) -> dict[str, tuple[Decimal | None, Decimal]]:
        """(target, expected) in ms of each latency, of the pool that comes nearest to its target."""
        slo, worst = self.routes[route]["slo"], dict[str, tuple[Decimal | None, Decimal]]()
        for pool in self.pools.values():
            for each in pool["capacity"]:
                if each["route"] != route:
                    continue
                if not Decimal(self.routes[route]["bands"][each["band"]]["weights"].get(pool["name"], 0)):
                    continue
                prompt = Decimal(each["p95_input_tokens"]) / 1000
                first = Decimal(slo["ttft_p95_base_ms"]) + Decimal(slo.get("ttft_p95_per_1k_input_ms", 0) or 0) * prompt
                for metric, target, time in (
                    ("TTFT", first, Decimal(each["ttft_p95_ms"])),
                    ("TPOT", Decimal(slo["tpot_p95_ms"]), Decimal(each["tpot_p95_ms"])),
                ):
                    known = worst.get(metric)
                    if known is None or known[0] is None or time / target > known[1] / known[0]:
                        worst[metric] = (target, time)
        return worst

    def served(self, route: str) -> tuple[list[str], list[str]]:
        """The words of a route's own pools, and its APIs in order."""
        names = {name for band in self.routes[route]["bands"] for name in band["weights"]}
        pools = [self.pools[name] for name in sorted(names)]
        return [f"{p['replicas']['max']} × {p['model']} on {p['gpu']}" for p in pools], self.routes[route]["fallback"]
