"""`models suggest`: the models that a route could accept, with the public evidence that there is."""

from __future__ import annotations

from pathlib import Path

from planner.cli.catalog_views import catalog_of
from planner.cli.output import show, show_json
from planner.domain.gaps import did_you_mean
from planner.edges.score_files import read_metric
from planner.edges.workspace import Workspace, workspace_of
from planner.faces.suggestions import as_values, suggestions_view
from planner.words.diagnostics import Problem, Problems


def suggest(
    subject: str, route: str, metric: str, minimum: float | None, everything: bool, folder: Path, form: str
) -> None:
    """Print the models that a route of an environment could accept; without an environment, all that can be served.

    minimum: the least score of those in the line for an accept list. everything: whether models without a score are
    listed too.
    """
    from planner.decision.suggestions import suggestions

    workspace, name = workspace_of(subject, folder) if subject else (Workspace(folder), "")
    environment = workspace.wanted(name).environment if name else None
    if environment is not None and route not in environment.routes:
        hint = did_you_mean(route, environment.routes)
        raise Problems([Problem("USE002", f"`{name}` has no route `{route}`", hint=hint)])
    start = environment.horizon.start if environment is not None else None
    catalog = catalog_of(folder) if start is None else workspace.catalog().priced_on(start)
    metrics = workspace.metrics()
    if environment is not None and (quality := environment.routes[route].quality).metric and quality.scores:
        metrics[quality.metric] = read_metric(quality.metric, workspace.folder / quality.scores, catalog)
    if metric not in metrics:
        raise Problems([Problem("USE002", f"there is no metric `{metric}`", hint=did_you_mean(metric, metrics))])
    found = suggestions(catalog, metrics, environment, route, metric)
    if form == "json":
        show_json(as_values(found, metrics))
        return
    possible = {each.entry for each in found}
    reached = [] if minimum is None else [e for e in metrics[metric].reached_by(minimum) if e in possible]
    whom = f"route {route} of {name}" if name else "any route"
    show(suggestions_view(f"Models for {whom}, by {metric}", found, metrics, reached))
    if everything:
        show([", ".join(each.entry for each in found if not each.scores)])
