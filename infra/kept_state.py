"""The state keeps the objects of a cluster that does not answer: what a run may not be told is that they are gone.

The provider keeps the state of a cluster that it cannot reach, unless PULUMI_K8S_DELETE_UNREACHABLE says otherwise.
That is the way out when a cluster was deleted behind Pulumi's back, for one `pulumi refresh`, which runs no program. In
the environment of a pipeline it would wait for the first failing network. Whether this machine reaches the cluster is
said by `reach`. The module is pure.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from planner.words.diagnostics import Problem

DELETE_UNREACHABLE = "PULUMI_K8S_DELETE_UNREACHABLE"


def problems(variables: Mapping[str, str]) -> Iterator[Problem]:
    """Refuse a run whose environment would drop every object of a cluster that does not answer."""
    if variables.get(DELETE_UNREACHABLE) == "true":
        message = f"{DELETE_UNREACHABLE} is set: a run that cannot reach the cluster would forget everything in it"
        hint = "unset it; it is meant for one `pulumi refresh` after the cluster itself was deleted"
        yield Problem("DEP080", message, hint=hint)
