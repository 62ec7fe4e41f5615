"""Judgements on tokens: how models count them, how many they think, and how many need not be computed or paid in full.

What is assumed of tokens stands in one line of the plan, and nothing of it where everything is known.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from planner.decision.answer.solved import Solved
from planner.decision.candidates.demand import RouteDemand
from planner.decision.candidates.hosted_apis import MILLION, HostedApi
from planner.decision.candidates.price_parts import NoDiscount, tokens_by_price_part
from planner.decision.candidates.self_hosted import SelfHosted
from planner.domain.model_facts import token_counts
from planner.domain.prompts import ASSUMED_PAUSE_MS
from planner.performance.prefix import CachedPrompts, cached_prompts
from planner.plan.review import Verdict

EXAMPLE_TOKENS = 100
"""Reasoning tokens of an answer by which the price of not knowing them is told."""
NO_DISCOUNT: Mapping[NoDiscount, str] = {
    "unknown": "how prompts are recognised is not known",
    "marks": "requests would need cache marks",
    "no-minimum": "the shortest prefix is not stated",
    "too-short": "the prefix is too short",
    "no-price": "no price of cached input",
    "writes": "cache writes are billed too",
}
"""Why an API gives no discount on a shared prefix, as the end of a phrase that begins with its name."""
MOST_NAMES = 4
"""Names that one line tells before it counts the others."""


def token_verdicts(solved: Solved, bytes_per_token: float) -> tuple[Verdict, ...]:
    """Return the judgements on tokens. `bytes_per_token` is what the gateway takes for the length of one."""
    return (
        *_unknown_counts(solved, bytes_per_token),
        *_unused_facts(solved),
        *_prefix_reuse(solved),
        *_prompt_caching(solved),
    )


def _unknown_counts(solved: Solved, bytes_per_token: float) -> list[Verdict]:
    """Tell of the models of the plan whose tokenizer or thinking is not known, and of what that could cost."""
    facts, catalog = solved.environment.models, solved.catalog
    names = sorted({pool.shape.model.key for pool in solved.pools} | {api.row.slug for api in solved.apis})
    counts = {name: token_counts(name, facts, catalog) for name in names}
    silent = [name for name in names if not counts[name].reasoning_known]
    unmeasured = [name for name in names if not counts[name].ratio_known]
    usd = sum(_usd_of_output(solved, api) for api in solved.apis if api.row.slug in silent) * EXAMPLE_TOKENS
    worth = f" ({EXAMPLE_TOKENS} of them an answer would add ${usd:,.2f} a month)" if usd >= 0.005 else ""
    parts = []
    if silent and silent == unmeasured:
        what = f"reasoning tokens and tokenizer ratio of {_listed(silent)} are not known"
        parts.append(f"{what}: 0 and 1 are assumed{worth}")
    else:
        if silent:
            parts.append(f"reasoning tokens of {_listed(silent)} are not known: 0 are assumed{worth}")
        if unmeasured:
            parts.append(f"the tokenizer ratio of {_listed(unmeasured)} is not known: 1 is assumed")
    if unmeasured:
        parts.append(f"input bands assume {bytes_per_token:g} bytes a token")
    if not parts:
        return []
    return [Verdict(name="gap tokens", state="warn", message="; ".join([*parts, "measure them and set `models.NAME`"]))]


def _usd_of_output(solved: Solved, api: HostedApi) -> float:
    """Return what one more output token of every answer of an API would cost, USD a month."""
    price = float(api.price_of("output").usd) / MILLION
    return price * sum(
        solved.requests_to(key, shares)
        for (key, name), shares in solved.choice.answer.spilled.items()
        if name == api.row.key
    )


def _unused_facts(solved: Solved) -> list[Verdict]:
    """Tell of figures of models that no route accepts."""
    named = {entry.partition("@")[0] for route in solved.environment.routes.values() for entry in route.quality.accept}
    adapters = solved.catalog.adapters
    accepted = {adapters[name].base if name in adapters else name for name in named}
    unused = sorted(set(solved.environment.models) - accepted)
    if not unused:
        return []
    message = f"`models:` has figures of {_listed(unused)}, which no route accepts; they are not used"
    return [Verdict(name="models", state="warn", message=message)]


def _prefix_reuse(solved: Solved) -> list[Verdict]:
    """Tell what of the prompts the pools are counted to have in their cache already."""
    told = []
    assumed_pause = guessed = False
    for route in solved.demand.routes:
        pools = solved.pools_of(route.name)
        repeated = route.repeated
        if not pools or not (repeated.shared_tokens or repeated.session_share):
            continue
        found = [reuse for pool in pools for reuse in _found(solved, route, pool)]
        without = sorted({pool.shape.model.key for pool in pools if pool.replica.memory.state_bytes > 0})
        any_keeps = len(without) < len({pool.shape.model.key for pool in pools})
        words = []
        if repeated.shared_tokens and any_keeps:
            words.append(f"{repeated.shared_tokens:,.0f} shared tokens of a prompt are held once a replica")
        if repeated.session_share and any_keeps:
            share = max((reuse.found_share for reuse in found), default=0.0)
            words.append(_history_words(route, share))
            guessed |= repeated.guessed
            assumed_pause |= not (repeated.pause_stated or repeated.curve)
        if without:
            words.append(f"{_listed(without)} keeps no prompts, because linear attention caches no tokens")
        told.append(f"{route.name}: " + "; ".join(words))
    if not told:
        return []
    if assumed_pause:
        seconds = ASSUMED_PAUSE_MS / 1000
        told.append(f"a session is taken to pause {seconds:g} s; state `traffic.users.think_time`")
    return [Verdict(name="prefix reuse", state="warn" if assumed_pause or guessed else "pass", message="; ".join(told))]


def _history_words(route: RouteDemand, found_share: float) -> str:
    """Tell how much of a prompt its session sent before, from where that is known, and how often a replica has it."""
    repeated = route.repeated
    other = "other " if repeated.shared_tokens else ""
    share = f"{repeated.session_share:.0%} of the {other}prompt tokens"
    if repeated.guessed:
        sent = (
            f"{share} are guessed to be sent again in a session, because its prompts grow in the trace; no hashes "
            "measured it (`tokens.session_hit` overrides it; the alternative `no guessed reuse` is the plan without it)"
        )
    else:
        sent = f"{share} were sent before in the same session"
    return (
        f"{sent}; {found_share:.0%} of the requests are counted to find them in the cache, as the gateway spreads a "
        f"session over {_replicas(route)} without affinity"
    )


def _found(solved: Solved, route: RouteDemand, pool: SelfHosted) -> Iterable[CachedPrompts]:
    """Yield what a replica of a pool finds of the prompts of each band that it serves."""
    counted, replica = pool.shape.route(route.name), pool.replica
    for band in solved.bands_of(route.name, pool):
        lengths = counted.band_lengths[band]
        yield cached_prompts(
            replica.memory,
            replica.clock,
            lengths,
            replica.max_num_seqs * replica.shape.copies,
            counted.repeated,
            counted.spread,
        )


def _replicas(route: RouteDemand) -> str:
    return "one replica" if route.spread == 1.0 else f"{route.spread:.3g} replicas"


def _prompt_caching(solved: Solved) -> list[Verdict]:
    """Tell what cached input saves at the APIs that the plan uses, and which of them give no discount."""
    apis = {api.row.key: api for api in solved.apis}
    saved: dict[str, float] = {}
    refused: dict[str, NoDiscount] = {}
    for (key, name), shares in sorted(solved.choice.answer.spilled.items()):
        api, route = apis[name], solved.route(key[0])
        if not any(shares) or not route.repeated.shared_tokens:
            continue
        recognised = api.recognised[route.name]
        if recognised.why_not:
            refused[name] = recognised.why_not
        elif requests := solved.requests_to(key, shares):
            saved[name] = saved.get(name, 0.0) + requests * _usd_saved(api, route, key[1]) / MILLION
    parts = []
    if any(usd >= 0.005 for usd in saved.values()):
        usd = sum(saved.values())
        parts.append(
            f"the shared prefix is billed as cached input at {_listed(sorted(saved))}, which saves "
            f"${usd:,.2f} a month; no provider promises that it still has it"
        )
    parts += [f"no discount at {name}: {NO_DISCOUNT[why]}" for name, why in sorted(refused.items())]
    if not parts:
        return []
    plain = not saved and all(why in ("no-price", "too-short") for why in refused.values())
    return [Verdict(name="prompt caching", state="pass" if plain else "warn", message="; ".join(parts))]


def _usd_saved(api: HostedApi, route: RouteDemand, band: int) -> float:
    """Return what cached input saves of a request of a band, USD for a million requests."""
    mix = api.counts.mix(route.bands[band].mix)
    full = tokens_by_price_part(api.row, mix)
    return sum(count * float(api.prices[part].usd) for part, count in full.items()) - sum(
        count * float(api.prices[part].usd) for part, count in api.tokens_by_part(route, band).items()
    )


def _listed(names: list[str]) -> str:
    """Join names; the first few of many."""
    if len(names) > MOST_NAMES:
        return f"{', '.join(names[:MOST_NAMES])} and {len(names) - MOST_NAMES} more"
    return " and ".join([", ".join(names[:-1]), names[-1]]) if len(names) > 1 else names[0]
