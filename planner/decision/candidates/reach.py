"""How long a prompt each candidate reads, and where the requests of a route are cut for that.

    reach = (context − room for the answer) / tokens of the model for a stated one

This one rule holds for APIs and for hosted models alike. The gateway knows the length of a prompt on arrival and routes
by it. So an input band ends at the reach of each candidate that some requests exceed, and a request that is too long
for a candidate is a share of the route and never a reason to drop the candidate. A replica whose memory holds less than
its model could read reads that much.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product

from planner.domain.adapters import max_lora_rank
from planner.domain.catalog import Catalog
from planner.domain.environment import ApiAccounts, Environment, ModelFacts
from planner.domain.gaps import Gap
from planner.domain.lengths_declared import NOTHING
from planner.domain.model_facts import TokenCounts, token_counts
from planner.domain.models import Drafter, Model, Quantization
from planner.domain.offerings import Gpu, Offerings
from planner.domain.route import Route
from planner.domain.traces import TraceSummary, bin_of, bin_start
from planner.domain.workload import Mix, Workload, band_bounds, route_workload
from planner.performance.adapters import unplanned_adapters
from planner.performance.drafters import unplanned_drafter
from planner.performance.engine.defaults import default_batched_tokens
from planner.performance.memory import MemoryFit, NoFit, memory_fit
from planner.performance.parallelism import TENSOR_PARALLEL_SIZES, Parallelism, offered
from planner.performance.precision import KV_FORMATS, KvFormat, unplanned_cache

NARROWEST_CAP = 16
"""The smallest batch cap (`max_num_seqs`, sequences) that is tried; a shape that does not load with it never loads."""
LEAST_CONTEXT = 4096
"""Tokens of context that every pool has at least."""
MOST_CUTS = 3
"""Most cuts of a route; each of them adds a band to the program."""
WORTH_A_BAND = 5e-4
"""Share of a route's requests from which on they are worth a band of their own, and a warning where they are lost."""

ANY_RATE = 1.0
"""Requests/s of the workloads that are cut here. Bursts depend on the rate, and lengths do not."""


@dataclass(frozen=True)
class Cuts:
    """The cuts of a route are the reaches behind which its requests have other candidates.

    reaches: input lengths, tokens, which ascend; a band begins behind each of them.
    least: the shortest reach of any candidate; None where every candidate reads every prompt.
    enough: the shortest reach that leaves next to no request over; None where only the longest prompt's does.
    """

    reaches: tuple[int, ...] = ()
    least: int | None = None
    enough: int | None = None


NO_CUTS = Cuts()


def context_wanted(workload: Workload) -> int:
    """Return the tokens of context that hold every request that is planned for: the next power of two."""
    return max(LEAST_CONTEXT, 1 << (workload.longest_input + workload.room - 1).bit_length())


def context_held(
    model: Model,
    quantization: Quantization,
    gpu: Gpu,
    layout: Parallelism,
    kv_format: KvFormat,
    wanted: int,
    drafter: Drafter | None = None,
    max_loras: int = 0,
    max_lora_rank: int = 0,
) -> int:
    """Return the context that a replica is started with: what is wanted, or less where model or memory hold less.

    It is 0 where the replica does not load at all. Memory is taken in steps of a quarter of a power of two.
    max_loras, max_lora_rank: slots of adapters, and the rank of each.
    """
    wanted = min(wanted, model.max_context)

    def fit(context: int) -> MemoryFit | NoFit:
        return memory_fit(
            model,
            quantization,
            gpu,
            tensor_parallel_size=layout.tensor_parallel_size,
            expert_parallel_size=layout.expert_parallel_size,
            max_num_seqs=NARROWEST_CAP,
            max_model_len=context,
            max_num_batched_tokens=default_batched_tokens(gpu),
            kv_format=kv_format,
            drafter=drafter,
            max_loras=max_loras,
            max_lora_rank=max_lora_rank,
        )

    if isinstance(fit(wanted), MemoryFit):
        return wanted
    least = fit(1)
    if isinstance(least, NoFit):
        return 0
    steps = [bin_start(index) for index in range(bin_of(LEAST_CONTEXT), bin_of(wanted) + 1)]
    holds = (context for context in reversed(steps) if context < wanted and least.sequences(context) >= least.copies)
    return next(holds, 0)


def cuts(
    environment: Environment,
    traces: Mapping[str, TraceSummary],
    catalog: Catalog,
    offerings: Offerings,
    known: dict[Hashable, Cuts] | None = None,
) -> dict[str, Cuts]:
    """Return the cuts of each route, by name.

    offerings: the machines that can be bought. known: what was found before; it is added to.
    """
    found = {} if known is None else known
    sold = tuple((row.instance_type, row.price) for row in offerings)
    accounts, facts = tuple(sorted(environment.api.providers)), environment.models
    keys = {}
    for name, route in sorted(environment.routes.items()):
        trace = traces.get(route.traffic.trace or "")
        contexts = tuple(_contexts_stated(route, catalog, facts))
        keys[name] = key = (route.model_dump_json(exclude={"traffic"}), route.traffic.trace, accounts, sold, contexts)
        if key not in found:
            found[key] = _cuts(route, trace, catalog, environment.api, offerings, facts)
    return {name: found[key] for name, key in keys.items()}


def _contexts_stated(
    route: Route, catalog: Catalog, facts: Mapping[str, ModelFacts]
) -> Iterator[tuple[str, int | None, TokenCounts]]:
    """Yield (key, context, how it counts) of each model and hosted model that a route accepts."""
    for entry in route.quality.accept:
        accepted = catalog.accepted_entry(entry)
        if not isinstance(accepted, Gap):
            yield from ((row.key, row.context_tokens, token_counts(row.slug, facts, catalog)) for row in accepted.apis)
            if (model := accepted.model) is not None:
                yield model.key, model.max_context, token_counts(model.key, facts, catalog)


def room_counted(room: int, counts: TokenCounts) -> int:
    """Return the room for the answer, in a model's own tokens. room: the same in stated tokens."""
    return math.ceil(room * counts.ratio + counts.reasoning)


def reach_of(context: int, room: int, counts: TokenCounts) -> int:
    """Return the longest prompt, in stated tokens, that a candidate reads.

    context: in its own tokens. room: for the answer, in its own tokens too.
    """
    return math.floor((context - room) / counts.ratio)


def bands_read(workload: Workload, cuts: Cuts, reach: int) -> int:
    """Return how many input bands, from the shortest on, a candidate reads whole."""
    if reach >= (workload.longest_input if cuts.enough is None else cuts.enough):
        return len(workload.bands)
    return sum(band.below_tokens is not None and band.below_tokens - 1 <= reach for band in workload.bands)


def _cuts(
    route: Route,
    trace: TraceSummary | None,
    catalog: Catalog,
    accounts: ApiAccounts,
    offerings: Offerings,
    facts: Mapping[str, ModelFacts],
) -> Cuts:
    whole = route_workload(route, trace, ANY_RATE)
    firm, loose = _reaches(route, whole, catalog, accounts, offerings, facts)
    reaches = firm | loose
    short = sorted(reach for reach in reaches if 0 < reach < whole.longest_input)
    if not short:
        return NO_CUTS
    # The cells of declared lengths are cut at every reach, so that the shares over them are exact.
    mix = route_workload(route, trace, ANY_RATE, short).mix
    enough = next((reach for reach in short if mix.share_over(reach) <= NOTHING), None)
    short = [reach for reach in short if enough is None or reach < enough]
    asked = [reach for reach in short if reach in firm or mix.share_over(reach) <= route.too_long.most]
    read_by_some = enough is not None or max(reaches) >= whole.longest_input
    most = 1.0 if read_by_some else route.too_long.most
    return Cuts(_apart(asked, mix, most), short[0] if short else None, enough)


def _apart(reaches: Sequence[int], mix: Mix, most: float) -> tuple[int, ...]:
    """Return the reaches that are worth a band: few of them, with enough requests between each and the next shorter.

    A candidate whose reach is left out reads up to the next shorter one. The longest reach stays where otherwise more
    than the share `most` would be too long for every candidate: it decides then whether there is a plan at all.
    """
    others = [bound - 1 for bound in band_bounds(mix)]

    def lower(reach: int, kept: Iterable[int]) -> int:
        return max((edge for edge in (*others, *kept) if edge <= reach), default=0)

    def between(reach: int, kept: Iterable[int]) -> float:
        return mix.share_over(lower(reach, kept)) - mix.share_over(reach)

    kept: list[int] = []
    for reach in reaches:
        if between(reach, kept) >= WORTH_A_BAND:
            kept.append(reach)
    longest = reaches[-1] if reaches else 0
    if between(longest, kept) > 0 and mix.share_over(lower(longest, kept)) > most:
        kept.append(longest)
    while len(kept) > MOST_CUTS:
        kept.remove(min(kept[:-1], key=lambda reach: (between(reach, [r for r in kept if r < reach]), reach)))
    return tuple(kept)


def _reaches(
    route: Route,
    whole: Workload,
    catalog: Catalog,
    accounts: ApiAccounts,
    offerings: Offerings,
    facts: Mapping[str, ModelFacts],
) -> tuple[set[int], set[int]]:
    """Return the reaches of a route's candidates, in stated tokens: those of APIs and models, and all others.

    The others are what the memory of replicas holds, and a context that the route holds itself, which is refused as
    such where it is far too short. A replica that holds less than its model reads counts only where it costs less than
    every replica that holds all.
    """
    own = route.engine.max_model_len
    firm: set[int] = set()
    loose: set[int] = set()
    held: list[tuple[float, int]] = []
    cheapest = math.inf
    for entry in route.quality.accept:
        accepted = catalog.accepted_entry(entry)
        if isinstance(accepted, Gap):
            continue
        if route.may_use_api:
            for row in accepted.apis:
                if row.provider in accounts.providers and row.context_tokens is not None:
                    counts = token_counts(row.slug, facts, catalog)
                    room = room_counted(whole.room, counts)
                    (loose if row.context_tokens == own else firm).add(reach_of(row.context_tokens, room, counts))
        if accepted.model is not None:
            counts = token_counts(accepted.model.key, facts, catalog)
            room = room_counted(whole.room, counts)
            longest = math.ceil(whole.longest_input * counts.ratio)
            wanted = own or context_wanted(replace(whole, longest_input=longest, room=room))
            most = min(wanted, accepted.model.max_context)
            forms, drafters = route.quality.kv_cache_dtype, drafters_of(route, accepted.model)
            adapters = (accepted.adapter,) if accepted.adapter else ()
            ways = product(accepted.precisions, forms, drafters, _replica_prices(offerings))
            for way, form, drafter, (gpu, usd_of) in ways:
                if unplanned_cache(accepted.model, gpu, form):
                    continue
                if drafter and unplanned_drafter(accepted.model, way, drafter):
                    continue
                if adapters and unplanned_adapters(accepted.model, way, drafter):
                    continue
                for layout in offered(accepted.model, way, gpu):
                    if layout.gpus in usd_of:
                        usd = usd_of[layout.gpus]
                        held_by = accepted.model, way, gpu, layout, KV_FORMATS[form], wanted, drafter
                        context = context_held(*held_by, len(adapters), max_lora_rank(adapters))
                        if context == most:
                            (loose if most == own else firm).add(reach_of(most, room, counts))
                            cheapest = min(cheapest, usd)
                        elif context:
                            held.append((usd, reach_of(context, room, counts)))
    return firm, loose | {reach for usd, reach in held if usd < cheapest}


def drafters_of(route: Route, model: Model) -> tuple[Drafter | None, ...]:
    """Return what may propose tokens of a model for a route; None stands for nothing, which is always there."""
    return (None, *(model.drafters if route.engine.speculative == "allow" else ()))


def _replica_prices(offerings: Offerings) -> list[tuple[Gpu, dict[int, float]]]:
    """Return each kind of GPU, with the least price of each number of them that a replica can have, USD an hour."""
    found: dict[str, tuple[Gpu, dict[int, float]]] = {}
    for row in offerings:
        for size in TENSOR_PARALLEL_SIZES:
            if row.price is not None and row.instance.gpu_count % size == 0:
                usd = float(row.price.usd) * size / row.instance.gpu_count
                usd_of = found.setdefault(row.gpu.key, (row.gpu, {}))[1]
                usd_of[size] = min(usd, usd_of.get(size, usd))
    return [found[key] for key in sorted(found)]
