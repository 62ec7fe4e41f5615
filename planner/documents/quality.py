"""From a metric and a minimum to an accept list: which models are good enough for a route, by scores.

The list is made when the environment is read. From then on a route has an accept list, whichever way it was stated, and
a lock embeds it: when a score changes so that another model qualifies, the lock is stale.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import date

from planner.domain.environment import Environment
from planner.domain.gaps import did_you_mean
from planner.domain.prices import earliest_day
from planner.domain.route import Quality
from planner.domain.scores import Metric
from planner.words.diagnostics import Problem, Problems
from planner.words.spans import Document, Path

MetricOf = Callable[[str, str | None], Metric | tuple[str, ...]]
"""(metric, path of its file or None) → the metric, or the names of those that there are."""


def with_accept_lists(environment: Environment, document: Document, metric_of: MetricOf) -> Environment:
    """Return the environment in which every route has an accept list.

    Raises `Problems`: ENV006 where there is no such metric, ENV005 where its figures are of a day after the horizon,
    SCR002 where no model reaches the minimum.
    """
    problems: list[Problem] = []
    for name, route in environment.routes.items():
        quality = route.quality
        if quality.metric is None or quality.minimum is None:
            continue
        path: Path = ("routes", name, "quality")
        metric = metric_of(quality.metric, quality.scores)
        if isinstance(metric, tuple):
            hint = (
                f"{did_you_mean(quality.metric, metric)}; your own stand in catalog/scores/, or name a file: `scores`"
            )
            message = f"there is no metric `{quality.metric}`"
            problems.append(Problem("ENV006", message, document.at((*path, "metric")), hint))
        elif refused := [
            *_too_late(metric, environment.horizon.end, document, path),
            *_out_of_reach(metric, quality, document, path),
        ]:
            problems.extend(refused)
        else:
            environment = environment.with_route(name, quality=_accepting(quality, metric, quality.minimum))
    if problems:
        raise Problems(problems)
    return environment


def _accepting(quality: Quality, metric: Metric, minimum: float) -> Quality:
    return quality.model_copy(
        update={
            "accept": metric.reached_by(minimum, quality.among),
            "source": quality.source or metric.origin,
            "date": quality.date or earliest_day(metric.as_of),
        }
    )


def _too_late(metric: Metric, end: date, document: Document, path: Path) -> Iterator[Problem]:
    """Yield a problem where the models were scored after the horizon. No clock is read."""
    day = earliest_day(metric.as_of)
    if day >= end:
        message = f"{'.'.join(map(str, path))}: `{metric.key}` is of {day}, which is not before the end of the horizon"
        hint = f"write as its `as_of` the day on which it was done; the horizon ends before {end}"
        yield Problem("ENV005", message, document.at((*path, "metric")), hint)


def _out_of_reach(metric: Metric, quality: Quality, document: Document, path: Path) -> Iterator[Problem]:
    """Yield a problem where no model reaches the minimum, with the best that there is."""
    if metric.reached_by(quality.minimum or 0, quality.among):
        return
    considered = {entry: row for entry, row in metric.scores.items() if not quality.among or entry in quality.among}
    best = max(considered.items(), key=lambda pair: (pair[1].score, pair[0]), default=None)
    among = " of `among`" if quality.among else ""
    if best is None:
        message, hint = (
            f"no model{among} has a score in `{metric.key}`",
            f"it scores {', '.join(sorted(metric.scores))}",
        )
    else:
        message = f"no model{among} reaches {quality.minimum:g} in `{metric.key}`"
        hint = f"the best is {best[0]} with {best[1].score:g}; the scale is: {metric.scale}"
    yield Problem("SCR002", message, document.at((*path, "minimum")), hint)
