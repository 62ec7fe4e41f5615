"""Models that a route could accept, for the terminal and for programs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rich.console import Group, RenderableType

from planner.domain.scores import Metric, Suggestion
from planner.faces.layout import below, figures, names, sentences
from planner.faces.prose import Prose
from planner.faces.tables import FoldingTable

_OPEN = {"open-weights": "open weights", "truly-open": "weights, data and code"}


def suggestions_view(
    title: str, found: Sequence[Suggestion], metrics: Mapping[str, Metric], accept: Sequence[str]
) -> Iterator[RenderableType]:
    """Yield the models with a score as a table, where the scores are from, and a line for an accept list.

    accept: the entries of that line; empty = no minimum was asked for.
    """
    scored = [each for each in found if each.scores]
    columns = (
        *names("model"),
        *figures("parameters"),
        *names("open", "hosted, $ / 1M"),
        *sentences("scores", "licence"),
    )
    rows = [
        (
            f"{each.entry}{' (accepted)' if each.accepted else ''}",
            _parameters(each),
            _openness(each),
            _hosted(each),
            ", ".join(_score(name, each) for name in each.scores),
            _licence(each),
        )
        for each in scored
    ]
    others = len(found) - len(scored)
    caption = [f"{others} more can serve it and have no public score here: --all names them"] if others else []
    if any(row.reasoning is None for each in scored for row in each.scores.values()):
        caption.append("(?): the source does not say whether the model thought before it answered")
    yield FoldingTable(title, columns, rows, (below("scores", "licence"),), "; ".join(caption))
    used = sorted({name for each in scored for name in each.scores})
    yield Group(Prose("The scores are:"), *(Prose(line, first="· ", rest="  ") for line in _origins(used, metrics)))
    if accept:
        yield Prose(f"quality: {{accept: [{', '.join(accept)}], …}}", rest="  ")


def as_values(found: Sequence[Suggestion], metrics: Mapping[str, Metric]) -> list[dict[str, Any]]:
    """Return the same as plain values, each score with its source and day."""
    return [
        {
            "entry": each.entry,
            "accepted": each.accepted,
            "parameters": each.model.architecture.params_total if each.model else None,
            "active_parameters": each.model.architecture.params_active if each.model else None,
            "openness": each.model.openness if each.model else None,
            "licence": each.model.licence if each.model else None,
            "own_machines": each.against or None,
            "licence_asks": each.asks or None,
            "hosted": None
            if each.cheapest is None
            else {
                "api": each.cheapest.api,
                "usd_per_mtok_input": round(each.cheapest.usd_input, 6),
                "usd_per_mtok_output": round(each.cheapest.usd_output, 6),
            },
            "scores": {
                name: {
                    "score": row.score,
                    "reasoning": row.reasoning,
                    "named": row.named,
                    "source": metrics[name].source,
                    "as_of": metrics[name].as_of,
                }
                for name, row in each.scores.items()
            },
        }
        for each in found
    ]


def _parameters(each: Suggestion) -> str:
    if each.model is None:
        return ""
    shape = each.model.architecture
    total, active = shape.params_total / 1e9, shape.params_active / 1e9
    return f"{total:.3g} B" if active > 0.8 * total else f"{total:.3g} B, {active:.2g} active"


def _openness(each: Suggestion) -> str:
    return _OPEN[each.model.openness] if each.model else "closed"


def _hosted(each: Suggestion) -> str:
    price = each.cheapest
    return (
        "" if price is None else f"{price.usd_input:.3g} in, {price.usd_output:.3g} out ({price.api.partition('/')[0]})"
    )


def _score(metric: str, each: Suggestion) -> str:
    row = each.scores[metric]
    mode = {True: " thinking", False: "", None: " (?)"}[row.reasoning]
    return f"{metric} {row.score:g}{mode}"


def _licence(each: Suggestion) -> str:
    if each.model is None:
        return ""
    parts = [each.model.licence or "not read", each.against and f"not on own machines: {each.against}", each.asks]
    return "; ".join(part for part in parts if part)


def _origins(used: Sequence[str], metrics: Mapping[str, Metric]) -> Iterator[str]:
    """Yield one sentence for each source: whose word its figures are, and what each metric of it means."""
    for source in dict.fromkeys((metrics[name].source, metrics[name].as_of, metrics[name].evidence) for name in used):
        of_it = [metrics[name] for name in used if (metrics[name].source, metrics[name].as_of) == source[:2]]
        scales = "; ".join(f"{metric.key}, {metric.scale}" for metric in of_it)
        evidence = f"{source[2]} " if source[2] else ""
        yield f"{evidence}({source[0]}, {source[1]}): {scales}"
