"""What happens to requests that are too long for what serves their route: how many they are, from what length on."""

from __future__ import annotations

from planner.decision.answer.solved import Solved
from planner.decision.candidates.demand import RouteDemand
from planner.decision.candidates.reach import WORTH_A_BAND
from planner.plan.review import Verdict
from planner.plan.traffic import TooLongRequests


def too_long(solved: Solved, route: RouteDemand) -> TooLongRequests | None:
    """Return how many requests of a route are refused or cut for their length; None where none are."""
    keys = [(route.name, index) for index in range(len(route.bands))]
    every = (1.0,) * solved.choice.levels
    month = sum(solved.requests_to(key, every) for key in keys)
    refused = {key: solved.requests_to(key, solved.choice.turned_away(key)) / month for key in keys}
    cut = {key: solved.served_requests(key) / month for key in keys if solved.cut_to(key) is not None}
    hit = [index for _, index in keys if refused[(route.name, index)] > 0 or (route.name, index) in cut]
    if not hit:
        return None
    over = route.bands[hit[0]].over_tokens
    return TooLongRequests(over_tokens=over, refused_share=sum(refused.values()), cut_share=sum(cut.values()))


def too_long_words(requests: TooLongRequests) -> str:
    """Say how many requests of a route are refused or cut, and from what length on."""
    parts = [
        f"{_percent(float(share))} of its requests {what}"
        for share, what in (
            (requests.refused_share, "are refused (HTTP 400, `context_length_exceeded`)"),
            (requests.cut_share, "are cut"),
        )
        if share
    ]
    return f"prompts over {requests.over_tokens:,} tokens are too long for what serves the route: {' and '.join(parts)}"


def too_long_verdicts(solved: Solved) -> list[Verdict]:
    """Return a verdict for each route of which requests are refused or cut. Hardly any of them is worth no warning."""
    verdicts = []
    for route in solved.demand.routes:
        requests = too_long(solved, route)
        if requests is not None:
            share = requests.refused_share + requests.cut_share
            most = route.route.too_long.most
            message = f"{route.name}: {too_long_words(requests)}; `too_long.most` allows {_percent(most)}"
            if requests.refused_share and route.route.too_long.rule == "truncate":
                message += "; an API cuts no prompt"
            if route.tail_is_assumed:
                message += "; the length of the longest is assumed: state `tokens.input.max`"
            verdicts.append(Verdict(name="too long", state="warn" if share > WORTH_A_BAND else "pass", message=message))
    return verdicts


def _percent(share: float) -> str:
    """Write a share as a percentage with two significant digits."""
    return f"{share * 100:.2g} %"
