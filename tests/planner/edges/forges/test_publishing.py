"""What is decided for a comment, and that two runs at once agree on one, however their calls are mixed."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from planner.edges.forges.conversation import Comment, Conversation, ForgeError, Mark, Run
from planner.edges.forges.publishing import Behavior, Done, Published, Wanted, decide, publish

OLD, NEW, HEAD = "a" * 40, "b" * 40, "b" * 40
HERE = frozenset({NEW})


def mark(number: int | None, commit: str = "") -> Mark:
    return Mark("prod", "team/serving", Run(number, 1, commit))


def wanted(text: str = "new", number: int | None = 5, quiet: bool = False) -> Wanted:
    return Wanted(mark(number), text, quiet)


def told(key: int, text: str, number: int | None = 1, is_ours: bool | None = True, is_hidden: bool = False) -> Comment:
    return Comment(str(key), key, f"{mark(number).line(True)}\n\n{text}", f"https://x/{key}", is_ours, is_hidden)


CASES: list[tuple[str, list[Comment], Wanted, Behavior, Done, list[str]]] = [
    ("none yet", [], wanted(), "update", "created", ["create"]),
    ("nothing to tell", [], wanted(quiet=True), "update", "nothing to say", []),
    ("a change went away", [told(1, "old")], wanted(quiet=True), "update", "updated", ["update 1"]),
    ("update", [told(1, "old")], wanted(), "update", "updated", ["update 1"]),
    ("identical", [told(1, "new")], wanted(), "update", "unchanged", []),
    ("identical, of a newer run", [told(1, "new", 9)], wanted(), "update", "outdated", []),
    ("newer run", [told(1, "old", 9)], wanted(), "update", "outdated", []),
    ("newer, but who wrote it is unknown", [told(1, "old", 9, None)], wanted(), "update", "updated", ["update 1"]),
    ("newer, by somebody else", [told(1, "old", 9, False)], wanted(), "update", "created", ["create"]),
    ("without numbers", [told(1, "old", None)], wanted(number=None), "update", "updated", ["update 1"]),
    ("hidden", [told(1, "old", is_hidden=True)], wanted(), "update", "created", ["create"]),
    ("two of them", [told(1, "old"), told(2, "old", 3)], wanted(), "update", "updated", ["update 2", "retire 1"]),
    ("two of one run", [told(1, "old"), told(2, "old")], wanted(), "update", "updated", ["update 1", "retire 2"]),
    ("new", [told(1, "old")], wanted(), "new", "created", ["create"]),
    ("new, identical", [told(1, "new")], wanted(), "new", "unchanged", []),
    ("hide", [told(1, "old"), told(2, "x")], wanted(), "hide-and-new", "created", ["create", "retire 1", "retire 2"]),
    ("hide, identical", [told(1, "x"), told(2, "new", 3)], wanted(), "hide-and-new", "unchanged", ["retire 1"]),
    ("delete", [told(1, "old")], wanted(), "delete-and-new", "created", ["create", "retire 1"]),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: str(case[0]))
def test_decisions(case: tuple[str, list[Comment], Wanted, Behavior, Done, list[str]]) -> None:
    _, comments, asked, behavior, standing, steps = case
    decision = decide(Conversation(tuple(comments), HEAD), asked, behavior, HERE)
    assert decision.standing == standing
    assert [f"{s.what} {s.comment.key}" if s.comment else s.what for s in decision.steps] == steps


@pytest.mark.parametrize(
    ("head", "commits", "standing"),
    [
        (HEAD, {OLD}, "outdated"),
        (HEAD, {OLD, NEW}, "updated"),
        (HEAD[:12], {NEW}, "updated"),
        ("", {OLD}, "updated"),
        (HEAD, set(), "updated"),
    ],
)
def test_a_run_of_an_older_commit_leaves_the_comment(head: str, commits: set[str], standing: str) -> None:
    decision = decide(Conversation((told(1, "old"),), head), wanted(), "update", frozenset(commits))
    assert decision.standing == standing
    first = decide(Conversation((), head), wanted(), "update", frozenset(commits))
    assert first.standing == "created", "the first comment is written in any case"


@dataclass
class Memory:
    """A forge in memory that several runs share."""

    head: str = HEAD
    notes: list[Comment] = field(default_factory=list)
    lost: int = 0
    writes: int = 0

    limit = 65_536
    can_hide = True

    def conversation(self) -> Conversation:
        return Conversation(tuple(self.notes), self.head)

    def create(self, body: str) -> Comment:
        self.writes += 1
        number = len(self.notes) + 1
        self.notes.append(Comment(str(number), number, body, f"https://x/{number}", True))
        if self.lost:
            self.lost -= 1
            raise ForgeError(0, "the answer was lost", is_unsure=True)
        return self.notes[-1]

    def update(self, comment: Comment, body: str) -> Comment:
        self.writes += 1
        self._replace(comment, Comment(comment.key, comment.order, body, comment.url, True))
        return comment

    def hide(self, comment: Comment) -> None:
        self.writes += 1
        self._replace(comment, Comment(comment.key, comment.order, comment.body, comment.url, True, True))

    def delete(self, comment: Comment) -> None:
        self.writes += 1
        self.notes = [note for note in self.notes if note.key != comment.key]

    def _replace(self, old: Comment, new: Comment) -> None:
        self.notes = [new if note.key == old.key else note for note in self.notes]

    def shown(self) -> list[str]:
        return [note.body.rpartition("\n\n")[2] for note in self.notes if not note.is_hidden]


def run(forge: Memory, *asked: Wanted, behavior: Behavior = "update") -> tuple[Published, ...]:
    return publish(forge, asked, behavior, HERE, True, lambda _: None)


def test_a_second_run_with_the_same_body_writes_nothing() -> None:
    forge = Memory()
    assert [done.done for done in run(forge, wanted(number=5))] == ["created"]
    writes = forge.writes
    assert [done.done for done in run(forge, wanted(number=6))] == ["unchanged"]
    assert forge.writes == writes == 1


def test_several_environments_have_a_comment_each() -> None:
    forge = Memory()
    dev = Wanted(Mark("dev", "team/serving", Run(5)), "of dev")
    assert [done.url for done in run(forge, wanted("of prod"), dev)] == ["https://x/1", "https://x/2"]
    assert forge.shown() == ["of prod", "of dev"]


def test_a_lost_answer_makes_no_second_comment() -> None:
    forge = Memory(lost=1)
    (done,) = run(forge, wanted())
    assert forge.shown() == ["new"]
    assert (done.done, done.url) == ("created", "https://x/1")


def test_a_new_comment_whose_answer_was_lost_is_an_error() -> None:
    with pytest.raises(ForgeError):
        run(Memory(lost=1), wanted(), behavior="new")


@pytest.mark.parametrize("behavior", ["hide-and-new", "delete-and-new"])
def test_old_ones_are_retired_after_the_new_one_stands(behavior: Behavior) -> None:
    forge = Memory(notes=[told(1, "old"), told(2, "older")])
    (done,) = run(forge, wanted(), behavior=behavior)
    assert forge.shown() == ["new"]
    assert (done.done, done.retired) == ("created", 2)
    assert len(forge.notes) == (3 if behavior == "hide-and-new" else 1)


def test_what_cannot_be_tidied_up_is_a_warning() -> None:
    class Stubborn(Memory):
        def hide(self, comment: Comment) -> None:
            raise ForgeError(403, "not allowed")

    (done,) = run(Stubborn(notes=[told(1, "old"), told(2, "old")]), wanted())
    assert done.done == "updated"
    assert done.warnings == ("an earlier comment stays: not allowed",)


class Turns:
    """Lets one of several runs do its next call, as a schedule says.

    A run that waits goes on only when no other run stands between reading and writing: that is what the wait is for.
    """

    def __init__(self, schedule: list[int]) -> None:
        self._schedule = schedule
        self._state: dict[int, str] = {}
        self._next: int | None = None
        self._changed = threading.Condition()

    def ask(self, who: int, what: str) -> None:
        with self._changed:
            self._state[who] = what
            self._changed.notify_all()
            self._changed.wait_for(lambda: self._next == who)
            self._next = None
            self._state[who] = "runs"

    def finish(self, who: int) -> None:
        with self._changed:
            self._state[who] = "ended"
            self._changed.notify_all()

    def play(self, runs: int) -> None:
        with self._changed:
            for step in range(1000):
                self._changed.wait_for(
                    lambda: self._next is None and len(self._state) == runs and "runs" not in self._state.values()
                )
                ready = [
                    who
                    for who, what in sorted(self._state.items())
                    if what in ("read", "write")
                    or (what == "wait" and all(o != "write" for w, o in self._state.items() if w != who))
                ]
                if not ready:
                    return
                self._next = ready[self._schedule[step % len(self._schedule)] % len(ready)]
                self._changed.notify_all()
        raise AssertionError("the runs never end")


class Shared(Memory):
    """The forge as one run sees it: each call waits for its turn."""

    def __init__(self, world: Memory, turns: Turns, who: int) -> None:
        self._world, self._turns, self._who = world, turns, who

    def conversation(self) -> Conversation:
        self._turns.ask(self._who, "read")
        return self._world.conversation()

    def create(self, body: str) -> Comment:
        self._turns.ask(self._who, "write")
        return self._world.create(body)

    def update(self, comment: Comment, body: str) -> Comment:
        self._turns.ask(self._who, "write")
        return self._world.update(comment, body)

    def hide(self, comment: Comment) -> None:
        self._turns.ask(self._who, "write")
        self._world.hide(comment)

    def wait(self, _: float) -> None:
        self._turns.ask(self._who, "wait")


@settings(max_examples=150, deadline=None)
@given(
    st.lists(st.integers(0, 2), min_size=1, max_size=25),
    st.integers(0, 2),
    st.booleans(),
    st.integers(2, 3),
)
def test_runs_at_once_end_with_one_comment_of_the_newest(
    schedule: list[int], earlier: int, knows_head: bool, runs: int
) -> None:
    world = Memory(head=HEAD if knows_head else "", notes=[told(n + 1, "old") for n in range(earlier)])
    turns = Turns(schedule)

    def work(who: int) -> None:
        commit = NEW if who == runs - 1 else OLD
        shared = Shared(world, turns, who)
        asked = Wanted(mark(10 + who, commit), f"of run {who}")
        try:
            publish(shared, [asked], "update", frozenset({commit}), True, shared.wait)
        finally:
            turns.finish(who)

    threads = [threading.Thread(target=work, args=(who,), daemon=True) for who in range(runs)]
    for thread in threads:
        thread.start()
    turns.play(runs)
    for thread in threads:
        thread.join(10)
    assert world.shown() == [f"of run {runs - 1}"]
