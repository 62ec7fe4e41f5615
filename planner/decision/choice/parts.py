"""Parts of a question: routes that share nothing by which they could be served, so that each part can be solved alone.

Two bands belong together when some class or node group could serve both; where a team allows a share of spot, also when
classes on the same GPUs could. Quotas, budgets and the rate limits of API accounts bind all parts together, and each
part keeps them whole: they are too wide there, and never too tight. Two costs belong to no part alone:

- The platform. A question falls into parts only where some band must be self-hosted: no API reads it, and it may not be
  turned away. Then every plan pays for the platform, and no part does.
- A checkpoint that several parts may store. One of them pays for it, and the others do not.

So the parts together cost no more than any plan of the whole. Machines that exist can carry every route, so that
a question with some that cost money has one part.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from planner.decision.choice.pairs import api_pairs
from planner.decision.choice.question import BandKey, Question

NOBODY: Mapping[str, int] = {}


def parts(question: Question, payer: Mapping[str, int] = NOBODY) -> tuple[Question, ...]:
    """Return the parts, or the question alone where it has only one.

    payer: index of the part that pays for a checkpoint, by the checkpoint's name; where it is absent, the first that
    could use it pays.
    """
    spill = {f.key for f, _ in api_pairs(question)}
    bands = _together(question)
    if len(bands) < 2 or question.existing_usd or all(f.key in spill or f.may_turn_away for f in question.flows):
        return (question,)
    made: list[Question] = []
    paid: set[str] = set()
    for index, keys in enumerate(bands):
        classes = [k for k in question.classes if not keys.isdisjoint(k.capacity)]
        pays = {k.weights for k in classes if payer.get(k.weights, index) == index} - paid
        paid |= pays
        made.append(
            replace(
                question,
                flows=tuple(f for f in question.flows if f.key in keys),
                classes=tuple(k if k.weights in pays else replace(k, weights_usd_per_month=0.0) for k in classes),
                platform_usd=0.0,
            )
        )
    return tuple(made)


def _together(question: Question) -> Sequence[frozenset[BandKey]]:
    """Return the sets of bands that belong together, those of exclusive classes first, then by their first band."""
    group_of: dict[str, set[BandKey]] = {}
    sets = [{flow.key} for flow in question.flows]
    for k in question.classes:
        group_of.setdefault(k.node_group, set()).update(k.capacity)
        if question.spot_share and not k.exclusive:
            group_of.setdefault(f"spot of {k.gpu}", set()).update(k.capacity)
    routes: dict[str, set[BandKey]] = {}
    for flow in question.flows:
        routes.setdefault(flow.route, set()).add(flow.key)
    for linked in (*group_of.values(), *routes.values()):
        joined = [each for each in sets if each & linked]
        sets = [each for each in sets if not each & linked]
        sets.append(set().union(*joined) & {flow.key for flow in question.flows})
    exclusive = {key for k in question.classes if k.exclusive for key in k.capacity}
    filled = [frozenset(each) for each in sets if each]
    return sorted(filled, key=lambda keys: (keys.isdisjoint(exclusive), min(keys)))
