"""Tiny questions drawn at random, the same for the same seed, and one that is small enough to solve on paper."""

from __future__ import annotations

import random
from dataclasses import replace

from planner.decision.choice.question import ApiOption, BandKey, Flow, Question, ReplicaClass
from planner.decision.choice.search import SearchLimits

EXACT = SearchLimits(gap=1e-7, nodes=100_000)
CHAT: BandKey = ("chat", 0)
MACHINES = {"small": (1, 4, 0.9), "medium": (2, 16, 2.1), "large": (4, 48, 3.3)}
"""Instance type → GPUs, vCPUs, USD an hour."""


def replica_class(
    name: str, machine: str, size: int, capacity: dict[BandKey, float], model: str = "m1", exclusive: bool = False
) -> ReplicaClass:
    """A class on one of `MACHINES`. The checkpoint of its model is stored for nothing."""
    gpus, vcpus, usd = MACHINES[machine]
    return ReplicaClass(
        name=name,
        model=model,
        instance_type=machine,
        gpus_per_node=gpus,
        gpus_per_replica=size,
        vcpus_per_node=vcpus,
        quota_family="G",
        usd_per_node_hour=usd,
        exclusive=exclusive,
        capacity=capacity,
        weights=model,
        weights_usd_per_month=0.0,
    )


def with_weights(question: Question, usd: dict[str, float]) -> Question:
    """The same question where storing a checkpoint costs so many USD a month, by its name."""
    classes = tuple(replace(k, weights_usd_per_month=usd[k.weights]) for k in question.classes)
    return replace(question, classes=classes)


def flow(route: str, band: int, rates: tuple[float, ...], may_spill: bool = True, burst: float = 1.0) -> Flow:
    """A band whose planned rates are `burst` times its mean rates."""
    return Flow(route, band, rates, tuple(burst * rate for rate in rates), may_spill)


def api(
    usd: dict[BandKey, float],
    tokens: float = 1000.0,
    tpm: float | None = None,
    rpm: float | None = None,
    name: str = "api",
) -> ApiOption:
    """A hosted model that these bands may spill to."""
    return ApiOption(name, name, usd, dict.fromkeys(usd, tokens), tpm, rpm)


def drawn(seed: int) -> Question:
    """At most three classes, two flows, two levels and one API, with limits that sometimes bind."""
    draw = random.Random(seed)
    levels = draw.choice([(730.0,), (200.0, 530.0)])
    keys: list[BandKey] = draw.choice([[("a", 0)], [("a", 0), ("a", 1)], [("a", 0), ("b", 0)]])
    flows = []
    for route, band in keys:
        rates = tuple(round(draw.uniform(*span), 2) for span in ((2, 9), (0.2, 3))[: len(levels)])
        flows.append(flow(route, band, rates, draw.random() < 0.75, draw.choice([1.0, 1.3])))
    classes = []
    for index in range(draw.randint(0, 3)):
        machine = draw.choice(sorted(MACHINES))
        size = draw.choice([n for n in (1, 2, 4) if n <= MACHINES[machine][0]])
        able = [key for key in keys if draw.random() < 0.8] or keys[:1]
        capacity = {key: round(draw.uniform(1.5, 4) * size, 2) for key in able}
        model = draw.choice(["m1", "m2"])
        classes.append(replica_class(f"k{index}", machine, size, capacity, model, draw.random() < 0.4))
    apis = []
    if draw.random() < 0.8:
        usd = {key: round(draw.uniform(0.00008, 0.0008), 6) for key in keys}
        tpm = draw.choice([None, None, 150_000.0, 400_000.0, 900_000.0])
        rpm = draw.choice([None, None, 240.0, 900.0])
        apis.append(api(usd, draw.choice([500.0, 1000.0]), tpm, rpm))
    return Question(
        level_hours=levels,
        flows=tuple(flows),
        classes=tuple(classes),
        apis=tuple(apis),
        platform_usd=draw.choice([0.0, 150.0, 600.0]),
        quotas=draw.choice([{}, {}, {}, {"G": 16.0}, {"G": 48.0}, {"G": 200.0}]),
        budget_usd=draw.choice([None, None, None, 4000.0, 9000.0]),
        api_budget_usd=draw.choice([None, None, None, 800.0, 3000.0]),
    )


def existing(question: Question, counts: dict[str, int], may_buy: bool = True, usd: float = 0.0) -> Question:
    """The same question where machines are paid for already, by type, at so many USD a month for all of them.

    A node on one of them costs its disk, 2 cents an hour.
    """
    classes = (
        replace(k, existing=counts[k.instance_type], usd_per_existing_node_hour=0.02, may_buy=may_buy)
        if counts.get(k.instance_type)
        else k
        for k in question.classes
    )
    return replace(question, classes=tuple(classes), existing_usd=usd)


def drawn_existing(seed: int) -> Question:
    """A drawn question of which some machines are paid for already, and may or may not be bought further."""
    draw = random.Random(seed + 77_000)
    counts = {machine: draw.choice([0, 1, 2, 5]) for machine in sorted(MACHINES)}
    return existing(drawn(seed), counts, draw.random() < 0.6, draw.choice([0.0, 500.0]))


def drawn_owned(seed: int) -> Question:
    """A drawn question of which some machines are paid for already: one's own, of capacity blocks, and others."""
    draw = random.Random(seed + 91_000)
    question = drawn_existing(seed)
    own = {machine: draw.choice([0, 1, 2]) for machine in sorted(MACHINES)}
    blocks = {machine: draw.choice([0, 0, 1, 2]) for machine in sorted(MACHINES)}
    classes = (
        replace(k, owned=min(k.existing, own[k.instance_type]), blocks=_blocks(k, own, blocks))
        for k in question.classes
    )
    return replace(question, classes=tuple(classes))


def _blocks(k: ReplicaClass, own: dict[str, int], blocks: dict[str, int]) -> int:
    return max(0, min(k.existing - own[k.instance_type], blocks[k.instance_type]))


def drawn_purchases(seed: int) -> Question:
    """A drawn question whose machines can be bought as spot and under commitments; some are paid for already."""
    draw = random.Random(seed + 33_000)
    question = drawn_existing(seed) if draw.random() < 0.3 else drawn(seed)
    spots = {machine: draw.choice([None, 0.3, 0.6, 1.1]) for machine in sorted(MACHINES)}
    commitments = {machine: draw.choice([(), (0.65,), (0.7, 0.45), (1.05,)]) for machine in sorted(MACHINES)}
    classes = []
    for k in question.classes:
        usd, part = k.usd_per_node_hour, spots[k.instance_type]
        classes.append(
            replace(
                k,
                gpu="tiny" if k.instance_type != "large" else "big",
                usd_per_spot_hour=None if part is None or k.exclusive else usd * part,
                zones=draw.choice([2, 3]),
                commitments=tuple((f"c{i}", usd * each) for i, each in enumerate(commitments[k.instance_type]))
                if k.may_buy
                else (),
            )
        )
    zones = {k.instance_type: k.zones for k in classes}
    classes = [replace(k, zones=zones[k.instance_type]) for k in classes]
    quotas = {**question.quotas, **draw.choice([{}, {}, {"G-spot": 4.0}, {"G-spot": 48.0}])}
    share = draw.choice([0.0, 0.5, 0.5, 0.8, 1.0])
    return replace(question, classes=tuple(classes), quotas=quotas, spot_share=share)


def drawn_zones(seed: int) -> Question:
    """A drawn question, with every way to buy, whose plan must stand the loss of a zone of two or three."""
    draw = random.Random(seed + 55_000)
    question = drawn_purchases(seed)
    zones = {machine: draw.choice([2, 2, 3]) for machine in sorted(MACHINES)}
    classes = (replace(k, zones=zones[k.instance_type]) for k in question.classes)
    return replace(question, classes=tuple(classes), survives_a_zone=True)


def drawn_elastic(seed: int) -> Question:
    """A drawn question of two or three levels whose nodes may be given back, at a price that sometimes forbids it.

    Some classes run the whole month: all of them may only where no machine can be spot.
    """
    draw = random.Random(seed + 99_000)
    question = draw.choice([drawn, drawn_existing, drawn_purchases, drawn_purchases, drawn_zones])(seed)
    times = draw.choice([4.0, 22.0, 90.0])
    levels: tuple[float, ...] = (180.0, 550.0)
    changes: tuple[tuple[int, int, float], ...] = ((0, 1, times), (1, 0, times))
    if draw.random() < 0.3:
        levels, changes = (60.0, 150.0, 520.0), ((0, 1, times), (1, 2, times), (2, 0, times / 2), (2, 1, times / 2))
    flows = []
    for f in question.flows:
        rates = [f.mean[0], *(round(draw.choice([0.0, 0.1, 0.4, 0.8]) * f.mean[0], 2) for _ in levels[1:])]
        flows.append(flow(f.route, f.band, tuple(rates), f.may_spill, f.planned[0] / f.mean[0]))
    classes = []
    for k in question.classes:
        if not question.spot_share and not k.exclusive and draw.random() < 0.4:
            classes.append(k)
        elastic = replace(k, warm_hours=draw.choice([0.1, 0.3, 3.0, 30.0]), name=f"{k.name}-elastic")
        if not k.may_buy or (classes and classes[-1] is k and draw.random() < 0.5):
            elastic = replace(k, name=f"{k.name}-fixed")
        if elastic.is_elastic or not (classes and classes[-1] is k):
            classes.append(elastic)
    if question.spot_share:
        classes = [k for k in classes if k.is_elastic]
    return replace(question, level_hours=levels, changes=changes, flows=tuple(flows), classes=tuple(classes))


def only(flows: tuple[float, ...] = (4.0,), may_spill: bool = True, **parts: object) -> Question:
    """One band of chat, on small machines of 657 USD a month that serve 2 requests/s; with other parts instead."""
    base = Question(
        level_hours=(730.0,),
        flows=(flow("chat", 0, flows, may_spill),),
        classes=(replica_class("k", "small", 1, {CHAT: 2.0}),),
        apis=(),
        platform_usd=0.0,
    )
    return replace(base, **parts)  # type: ignore[arg-type]


PAPER = Question(
    level_hours=(200.0, 530.0),
    flows=(flow("chat", 0, (6.0, 1.0)), flow("vault", 0, (0.5, 0.5), may_spill=False)),
    classes=(
        replica_class("chat-small", "small", 1, {("chat", 0): 2.0}),
        replica_class("vault-small", "small", 1, {("vault", 0): 1.0}, exclusive=True),
    ),
    apis=(api({("chat", 0): 0.0004}),),
    platform_usd=150.0,
)
"""Chat on small machines of 657 USD a month, each serving 2 requests/s; the vault needs two of its own.

One chat machine serves all of the trough and a third of the peak; the other 4/s at peak are 2,880,000 requests a month,
1152 USD at the API, 576 USD less for each further machine: the second and third save less than they cost."""
