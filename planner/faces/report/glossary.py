"""What the words of the report mean. A page explains those that it uses."""

from __future__ import annotations

import re
from collections.abc import Iterator

TERMS: dict[str, str] = {
    "API": "A hosted model that is paid by the token; its provider sees the prompts that are sent there.",
    "availability": "The share of a month's requests that a route serves, when machines and APIs fail as published.",
    "base": "The plan that this one is compared with.",
    "break-even": "The load at which another way to serve a route becomes cheaper.",
    "hybrid": "A route that own machines serve, and hosted APIs when these are full.",
    "node": "One rented machine with its GPUs.",
    "on-demand": "A machine that is rented by the hour without a commitment.",
    "p95": "The 95th percentile: 95 of 100 requests are faster.",
    "pool": "Equal copies of one model on one kind of machine, behind one name.",
    "replica": "One running copy of a model, on one GPU or on several.",
    "reserve": "Machines that are bought so that the loss of one breaks no promise.",
    "restricted": "Data that no hosted API may see; the plan has no way to send it there.",
    "route": "One use of language models with its own load, promises and class of data, such as `chat`.",
    "self-host": "A route that own machines serve alone.",
    "SLO": "Service-level objective: what a route promises, such as its time to the first token.",
    "spill": "A request that own machines have no place for and that a hosted API answers instead.",
    "token": "The unit that models read and write: about four letters of English.",
    "TPOT": "Time per output token after the first one: how fast an answer is written.",
    "TTFT": "Time to first token: how long a reader waits until an answer begins.",
    "end to end": "Time from the arrival of a request to the last token of its answer.",
    "usage": "What is billed by what is used, such as tokens of APIs; fixed cost is billed by the hour.",
    "verdict": "One judgement on the plan: it passes, it warns, or it denies the deployment.",
}
"""Meaning of each term, in one sentence."""


def terms_in(text: str) -> Iterator[tuple[str, str]]:
    """Yield (term, meaning) of the terms that a text uses, in alphabetical order."""
    for term in sorted(TERMS, key=str.lower):
        forms = rf"\b{re.escape(term)}(?:s|ed|led|ing)?\b"
        if re.search(forms, text, 0 if term.isupper() else re.IGNORECASE):
            yield term, TERMS[term]
