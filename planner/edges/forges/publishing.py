"""One comment for an environment, whatever happens: `steps` decides, and `publish` carries out until nothing is left.

No forge can change a comment only if nobody else did. Therefore `publish` writes, waits a little, reads everything
again and decides again. Two runs that write at once then agree: of several comments that of the newest run stays, and
a newer run that was overwritten writes once more.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from planner.edges.forges.conversation import (
    Comment,
    Conversation,
    Forge,
    ForgeError,
    Mark,
    Run,
    ours,
    without_mark,
)

Behavior = Literal["update", "new", "hide-and-new", "delete-and-new"]
"""What becomes of an earlier comment: it is replaced, left, folded away or deleted."""
Done = Literal["created", "updated", "unchanged", "outdated", "nothing to say"]
MOST_ROUNDS = 6
"""How often everything is read before publishing gives up."""
SETTLING_S = 2.0
"""Time after writing until everything is read again, seconds: longer than another run takes from reading to writing."""


@dataclass(frozen=True)
class Wanted:
    """A comment that should stand in the conversation.

    mark: which one it is, and of which run.
    text: its Markdown without the mark.
    says_nothing: whether it tells no change, so that it only replaces one that did.
    """

    mark: Mark
    text: str
    says_nothing: bool = False


@dataclass(frozen=True)
class Step:
    """A step is one call to the forge. comment: which one it is about; None for a new one."""

    what: Literal["create", "update", "retire"]
    comment: Comment | None = None


@dataclass(frozen=True)
class Decision:
    """A decision says what is to be done for one environment, and how it stands without it."""

    steps: tuple[Step, ...]
    standing: Done
    comment: Comment | None = None


@dataclass(frozen=True)
class Published:
    """What became of a comment.

    done: what was done to it.
    url: where a person reads it; empty where there is none.
    retired: how many earlier ones were folded away or deleted.
    warnings: what could not be tidied up, as sentences.
    """

    done: Done
    url: str
    retired: int = 0
    warnings: tuple[str, ...] = ()


def decide(conversation: Conversation, wanted: Wanted, behavior: Behavior, commits: frozenset[str]) -> Decision:
    """Return what is to be done for one comment.

    commits: what this run planned, under each name that it has. Where the pull request has gone on from all of them,
    an earlier comment of ours stays: the run of the newer commit replaces it.
    """
    found = ours(conversation.comments, wanted.mark.environment, wanted.mark.key)
    shown = [pair for pair in found if not pair[0].is_hidden]
    if not shown:
        return Decision((), "nothing to say") if wanted.says_nothing else Decision((Step("create"),), "created")
    newest, mark = max(shown, key=lambda pair: (_place(pair[1].run), -pair[0].order))
    others = tuple(Step("retire", comment) for comment, _ in shown if comment.key != newest.key)
    if behavior == "new":
        others = ()
    if newest.is_ours and wanted.mark.run.is_older_than(mark.run):
        return Decision(others, "outdated", newest)
    if without_mark(newest.body) == without_mark(wanted.text):
        return Decision(others, "unchanged", newest)
    if conversation.head and commits and not any(_same(conversation.head, commit) for commit in commits):
        return Decision(others, "outdated", newest)
    if behavior == "update":
        return Decision((Step("update", newest), *others), "updated", newest)
    if behavior == "new":
        return Decision((Step("create"),), "created")
    return Decision((Step("create"), *(Step("retire", comment) for comment, _ in shown)), "created")


def publish(
    forge: Forge,
    wanted: Sequence[Wanted],
    behavior: Behavior,
    commits: frozenset[str],
    is_html: bool,
    wait: Callable[[float], None],
) -> tuple[Published, ...]:
    """Bring all comments into the conversation, and return what became of each. Raises `ForgeError`.

    wait: sleeps for that many seconds.
    """
    told: list[Published | None] = [None] * len(wanted)
    foreign: set[str] = set()
    for turn in range(MOST_ROUNDS):
        conversation = _without(forge.conversation(), foreign)
        wrote = False
        for place, each in enumerate(wanted):
            if turn and behavior == "new":
                continue
            # What was written as a new comment is from then on the one that is kept.
            decision = decide(conversation, each, "update" if turn else behavior, commits)
            before = told[place] or Published(decision.standing, "")
            told[place] = _carried_out(forge, decision, each, before, behavior, is_html, turn, foreign)
            wrote = wrote or bool(decision.steps)
        if not wrote:
            break
        wait(SETTLING_S)
    return tuple(each or Published("unchanged", "") for each in told)


def _carried_out(
    forge: Forge,
    decision: Decision,
    wanted: Wanted,
    before: Published,
    behavior: Behavior,
    is_html: bool,
    turn: int,
    foreign: set[str],
) -> Published:
    """Carry out the steps of a decision. A call whose answer was lost is left to the next round.

    foreign: comments that turn out to be somebody else's, as the forge does not let us change them; more are added.
    """
    body = f"{wanted.mark.line(is_html)}\n\n{wanted.text}"
    done = before.done if turn and decision.standing in ("unchanged", "updated") else decision.standing
    url = decision.comment.url if decision.comment else before.url
    retire = forge.hide if forge.can_hide and behavior != "delete-and-new" else forge.delete
    retired, warnings = before.retired, list(before.warnings)
    for step in decision.steps:
        try:
            if step.comment is None:
                url = forge.create(body).url
            elif step.what == "update":
                url = forge.update(step.comment, body).url or url
            else:
                retire(step.comment)
                retired += 1
        except ForgeError as error:
            if step.comment is not None and step.comment.is_ours is None and error.status == 403:
                foreign.add(step.comment.key)
            elif step.what == "retire":
                warnings.append(f"an earlier comment stays: {error.message}")
            elif turn == MOST_ROUNDS - 1 or behavior == "new" or not _is_passing(step, error):
                raise
    return Published(done, url, retired, tuple(dict.fromkeys(warnings)))


def _is_passing(step: Step, error: ForgeError) -> bool:
    """Say whether the next round mends it: the answer was lost, or the comment was deleted meanwhile."""
    return error.is_unsure or (step.what == "update" and error.status == 404)


def _without(conversation: Conversation, foreign: set[str]) -> Conversation:
    kept = tuple(comment for comment in conversation.comments if comment.key not in foreign)
    return Conversation(kept, conversation.head)


def _place(run: Run) -> tuple[int, int]:
    return (run.number if run.number is not None else -1, run.attempt)


def _same(one: str, other: str) -> bool:
    """Say whether two names of a commit may be the same; Bitbucket shortens them."""
    length = min(len(one), len(other))
    return length >= 7 and one[:length] == other[:length]
