"""The tables of docs/why-this-mix.md: each row is one step of the arithmetic of the worked production plan.

Results are rounded last, so a product of the rounded figures of a row can differ in its last digits.
"""

from __future__ import annotations

from planner.plan.plan import Plan
from tools.figures.marks import table_lines
from tools.figures.mix import Mix

STEPS = ["step", "arithmetic", ">result"]
MACHINE, SMALLER = "p5.4xlarge", "g7e.2xlarge"
API_ALONE, HYBRID = "0.2", "0.35"
"""Multiples of the load below and above the one from which a machine for chat and code pays."""


def parts(plan: Plan) -> dict[str, list[str]]:
    """The generated parts of the document."""
    mix = Mix(plan)
    return {
        "asked": asked(mix),
        "chat": chat(mix),
        "others": others(mix),
        "less": less(mix),
        "extraction": extraction(mix),
        "uncertainty": uncertainty(mix),
    }


def asked(mix: Mix) -> list[str]:
    """The routes: how many requests of which lengths."""
    rows = []
    for route in mix.plan.routes:
        prompt, answer = mix.mean_tokens(route.name)
        per_s = mix.requests(route.name) / mix.hours / 3600
        volume = f"{mix.requests(route.name) / 1e6:.2f} M"
        rows.append((route.name, route.privacy, f"{per_s:.2f}/s", volume, f"{prompt:,.0f}", f"{answer:,.0f}"))
    columns = ["route", "data", ">mean rate", ">requests a month", ">tokens in a mean prompt", ">in a mean answer"]
    return table_lines(columns, rows)


def chat(mix: Mix) -> list[str]:
    """From the price of a machine to the share of chat that is left to the API."""
    route = mix.route("chat")
    served = mix.served_bands("chat")
    shares = [f"{share:.1%}".replace("%", " %") for share, _ in served]
    bands = " + ".join(f"{share} ÷ {rate:.2f}" for share, (_, rate) in zip(shares, served, strict=True))
    full, api = mix.full_request_usd("chat"), mix.api_request_usd("chat")
    machine, rate = mix.machine_usd(MACHINE), mix.replica_per_s("chat")
    most = mix.spent_usd("chat") + mix.spent_usd("code")
    spilled = f"{float(route.spill_share):.1%} of chat".replace("%", " %")
    rows = [
        (f"a `{MACHINE}`", mix.machine_words(MACHINE), f"${machine:,.2f}"),
        ("what one replica takes", f"({' + '.join(shares)}) ÷ ({bands})", f"{rate:.2f} requests/s"),
        (
            "a request on it when it is full",
            f"${machine:,.2f} ÷ {mix.hours:.0f} h ÷ 3,600 s ÷ {rate:.2f}/s",
            f"${full:.6f}",
        ),
        ("a request at the API", _tokens(mix, "chat"), f"${api:.6f}"),
        ("the machine pays from this use on", f"${full:.6f} ÷ ${api:.6f}", f"{100 * full / api:.0f} %"),
        ("all of chat at the API", f"{_volume(mix, 'chat')} × ${api:.6f}", f"${mix.all_api_usd('chat'):,.0f}"),
        ("what the plan leaves of it to the API", spilled, f"${mix.spent_usd('chat'):,.0f}"),
        ("what it leaves of code", "nearly all of it for the longer prompts", f"${mix.spent_usd('code'):,.0f}"),
        ("the most that a second machine could save", "both together", f"${most:,.0f}"),
    ]
    return table_lines(STEPS, rows)


def others(mix: Mix) -> list[str]:
    """The plan beside those that come to mind."""
    most = mix.spent_usd("chat") + mix.spent_usd("code")
    second = mix.usd + mix.machine_usd(MACHINE) - most
    rows = [
        ("the plan", f"${mix.usd:,.0f}", "proven: no mix of the screened candidates costs less"),
        (f"a second `{MACHINE}`", f"≥ ${second:,.0f}", "costs more than all that is left at the API"),
        _other(
            mix, f"without {MACHINE}", f"the best mix without it: {mix.alternative(f'without {MACHINE}').description}"
        ),
        _other(mix, "all API", "where privacy allows it"),
        _other(mix, "self-host only", "machines for every peak"),
    ]
    return table_lines(["mix", ">a month", "why not"], rows)


def _other(mix: Mix, name: str, why_not: str) -> tuple[str, str, str]:
    """A row of an alternative. One that does not exist says so itself."""
    other = mix.alternative(name)
    if other.usd_per_month is None:
        return name, "", other.description
    return name, f"${other.usd_per_month:,.0f}", why_not


def less(mix: Mix) -> list[str]:
    """Chat and code at two lighter loads: at the API alone, and with one machine and the rest at the API."""
    machine = mix.machine_usd(SMALLER)
    rows = []
    for scale in (API_ALONE, HYBRID):
        api = sum(mix.all_api_usd(route) for route in ("chat", "code")) * float(scale)
        point = mix.point(scale)
        beside = f"${machine:,.0f} and the rest"
        if point.routes["chat"] == "hybrid":
            left = left_at_the_api_usd(mix, scale)
            beside = f"${machine:,.0f} + ${left:,.0f} = ${machine + left:,.0f}"
        rows.append((f"{scale} ×", f"${api:,.0f}", beside, f"{point.routes['chat']}, {point.fleet}"))
    return table_lines(
        ["load", ">all at the API", f">one `{SMALLER}`, the rest at the API", "the plan at that load"], rows
    )


def left_at_the_api_usd(mix: Mix, scale: str) -> float:
    """What the plan at a multiple of the load spends at the API: its cost without platform and machines."""
    point = mix.point(scale)
    count, _, instance = point.fleet.partition(" × ")
    return float(point.usd_per_month) - mix.spent_usd("platform") - int(count) * mix.machine_usd(instance)


def extraction(mix: Mix) -> list[str]:
    """What it costs that no API may help."""
    pool, peak, served = mix.pool("extraction"), mix.peak_per_s("extraction"), mix.replica_per_s("extraction")
    nodes, machines = pool.replicas.max, mix.spent_usd(pool.node_group)
    api = mix.all_api_usd("extraction")
    rows = [
        ("planned peak", "", f"{peak:.2f} requests/s"),
        ("replicas that are busy then", f"{peak:.2f} ÷ {served:.2f}", f"{peak / served:.2f}"),
        ("replicas, one to a node", "those that are busy, and one that may be lost", f"{nodes}"),
        (f"{nodes} × `{SMALLER}`", f"{nodes} × ({mix.machine_words(SMALLER)})", f"${machines:,.2f}"),
        (
            "the same requests at the API of chat",
            f"{_volume(mix, 'extraction')} × ({_tokens(mix, 'extraction')})",
            f"${api:,.0f}",
        ),
        ("the price of the promise", "the difference", f"${machines - api:,.0f}"),
    ]
    return table_lines(STEPS, rows)


def uncertainty(mix: Mix) -> list[str]:
    """What is paid for not knowing step times better."""
    fair, cost = mix.alternative_usd("no uncertainty margin"), mix.plan.cost
    rows = [
        ("the plan, with the margin", f"${mix.usd:,.0f}"),
        ("the same choice with steps as fast as the model expects", f"${fair:,.0f}"),
        ("the premium for uncertainty", f"${mix.usd - fair:,.0f}, {100 * (1 - fair / mix.usd):.0f} % of the plan"),
        *(
            (f"with {each.assumption}", f"${each.low_usd_per_month:,.0f} to ${each.high_usd_per_month:,.0f}")
            for each in cost.ranges
        ),
        ("the plan's range", f"${cost.low_usd_per_month:,.0f} to ${cost.high_usd_per_month:,.0f}"),
    ]
    return table_lines(["figure", ">a month"], rows)


def _volume(mix: Mix, route: str) -> str:
    return f"{mix.requests(route) / 1e6:.2f} M"


def _tokens(mix: Mix, route: str) -> str:
    """A mean request at the API of chat: `1,155 × $0.30/M + 211 × $2.50/M`."""
    prompt, answer = mix.mean_tokens(route)
    api = mix.api("chat")
    prices = api.usd_per_million_input_tokens, api.usd_per_million_output_tokens
    return f"{prompt:,.0f} × ${prices[0]:.2f}/M + {answer:,.0f} × ${prices[1]:.2f}/M"
