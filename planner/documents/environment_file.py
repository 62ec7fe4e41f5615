"""The environment file: an environment is read from text, and every problem of it is told in one run, with its line.

The schema is `planner.domain.environment`, and `complaints` puts what it refuses into words. Keys that a later release
will read are refused with their reason (ENV010).
"""

from __future__ import annotations

from typing import Any

from planner.documents.complaints import read_as
from planner.documents.contradictions import contradictions
from planner.domain.environment import Environment
from planner.words.diagnostics import Problem, Problems, Span, first_of
from planner.words.spans import Document, read

OF_ANY_CLUSTER = frozenset({"region", "cluster", "ingress", "pool_tls", "engine"})
"""Keys of `platform` that a plan reads where the cluster is there already."""


def parse(text: str, file: str) -> tuple[Environment, Document]:
    """Read the text of an environment file. Return the environment, and the document that knows where each key stood.

    Raises `Problems` with every problem of the file: ENV001 (it is no YAML), ENV002 (a key stands twice), and those of
    `environment_of`.
    """
    document = read(text, file)
    return environment_of(document), document


def environment_of(document: Document) -> Environment:
    """Return the environment that a document holds.

    Raises `Problems` with every problem of it: ENV002 (a key is missing), ENV003 (a key is unknown), ENV004 (a value or
    unit is wrong), ENV005 (parts contradict each other), ENV010 (a key is planned for a later release).
    """
    if not isinstance(document.value, dict):
        hint = "see examples/environments/dev.yaml and docs/environment.md"
        raise Problems([Problem("ENV004", "an environment is a mapping of keys", Span(document.file, 1), hint)])
    environment, document, refused = read_as(Environment, document)
    found = (*refused, *first_of(contradictions(document)))
    if environment is None or found:
        raise Problems(found)
    return environment


def canonical(environment: Environment) -> dict[str, Any]:
    """Return the environment as plain values, in the units of the file. The lock embeds them and digests them.

    Rules and overrides that are judged live are not among them, nor is what says how a cluster is made, where one is
    there already.
    """
    values: dict[str, Any] = environment.as_planned().model_dump(mode="json", exclude_none=True)
    if environment.platform.cluster is not None:
        values["platform"] = {key: value for key, value in values["platform"].items() if key in OF_ANY_CLUSTER}
    return values
