"""The four forges against imitations of their APIs: one comment, on any page, and refusals that are told."""

from __future__ import annotations

import threading
import time

import pytest

from planner.edges.forges.conversation import ForgeError, Mark, Run, Target, mark_of
from planner.edges.forges.forge import CAN_HIDE, LIMITS, WITHOUT_HTML, forge_at
from planner.edges.forges.publishing import Behavior, Published, Wanted, publish
from planner.edges.forges.runner import ForgeName
from tests.forges import FORGES, HEAD, Forges

OLD = "a" * 40
each_forge = pytest.mark.parametrize("name", FORGES)


def wanted(text: str, number: int = 5, commit: str = HEAD, environment: str = "prod") -> Wanted:
    return Wanted(Mark(environment, "team/serving", Run(number, 1, commit)), text)


def written(
    forges: Forges, name: ForgeName, *asked: Wanted, behavior: Behavior = "update", token: str = "write-token"
) -> tuple[Published, ...]:
    forge = forges.forge(name, token)
    commits = frozenset({asked[0].mark.run.commit})
    return publish(forge, asked, behavior, commits, name not in WITHOUT_HTML, lambda _: None)


def seen(forges: Forges) -> list[str]:
    """What a reader sees of our comments."""
    return [body.partition("\n\n")[2] for body in forges.bodies() if mark_of(body)]


@each_forge
def test_a_comment_is_created_updated_and_left_alone(forges: Forges, name: ForgeName) -> None:
    (first,) = written(forges, name, wanted("one"))
    assert (first.done, seen(forges)) == ("created", ["one"])
    assert first.url.startswith("http")
    (second,) = written(forges, name, wanted("two", 6))
    assert (second.done, second.url, seen(forges)) == ("updated", first.url, ["two"])
    before = len([call for call in forges.calls() if not call.startswith("GET") and "graphql" not in call])
    (third,) = written(forges, name, wanted("two", 7))
    assert (third.done, third.url) == ("unchanged", first.url)
    assert len([call for call in forges.calls() if not call.startswith("GET") and "graphql" not in call]) == before


@each_forge
def test_it_is_found_on_the_last_page(forges: Forges, name: ForgeName) -> None:
    ours = f"{Mark('prod', 'team/serving', Run(1)).line(name not in WITHOUT_HTML)}\n\nold"
    talk = [["jane", f"comment {n}"] for n in range(23)]
    forges.begin(page_size=4, comments=[*talk, ["spillway", ours], ["jane", "the last word"]])
    (done,) = written(forges, name, wanted("new"))
    assert (done.done, seen(forges)) == ("updated", ["new"])


@each_forge
def test_a_forged_mark_of_somebody_else_changes_nothing(forges: Forges, name: ForgeName) -> None:
    line = Mark("prod", "team/serving", Run(10**15, 1, HEAD)).line(name not in WITHOUT_HTML)
    forges.begin(comments=[["mallory", f"{line}\n\nnothing changed"]])
    (done,) = written(forges, name, wanted("it costs more"))
    assert (done.done, seen(forges)) == ("created", ["nothing changed", "it costs more"])


@each_forge
def test_a_token_that_cannot_say_who_it_is_still_updates_its_comment(forges: Forges, name: ForgeName) -> None:
    written(forges, name, wanted("one"), token="silent-token")
    (done,) = written(forges, name, wanted("two", 6), token="silent-token")
    assert (done.done, seen(forges)) == ("updated", ["two"])


@each_forge
def test_it_is_not_held_up_by_forged_marks_either(forges: Forges, name: ForgeName) -> None:
    line = Mark("prod", "team/serving", Run(10**15, 1, HEAD)).line(name not in WITHOUT_HTML)
    forges.begin(comments=[["mallory", f"{line}\n\nforged {n}"] for n in range(2)])
    for number in (5, 6):
        (done,) = written(forges, name, wanted(f"of run {number}", number), token="silent-token")
        assert done.warnings == ()
    assert seen(forges) == ["forged 0", "forged 1", "of run 6"]


@each_forge
def test_an_older_run_and_an_older_commit_leave_it(forges: Forges, name: ForgeName) -> None:
    written(forges, name, wanted("of run 5"))
    (older,) = written(forges, name, wanted("of run 4", 4))
    (of_old_commit,) = written(forges, name, wanted("of run 9, an old commit", 9, OLD))
    assert (older.done, of_old_commit.done, seen(forges)) == ("outdated", "outdated", ["of run 5"])


@each_forge
def test_environments_do_not_disturb_each_other(forges: Forges, name: ForgeName) -> None:
    written(forges, name, wanted("prod"), wanted("dev", environment="dev"))
    written(forges, name, wanted("prod 2", 6), wanted("dev", 6, environment="dev"))
    assert seen(forges) == ["prod 2", "dev"]


@each_forge
def test_earlier_ones_are_retired(forges: Forges, name: ForgeName) -> None:
    behavior: Behavior = "hide-and-new" if name in CAN_HIDE else "delete-and-new"
    written(forges, name, wanted("one"))
    (done,) = written(forges, name, wanted("two", 6), behavior=behavior)
    assert (done.done, done.retired, seen(forges)) == ("created", 1, ["two"])
    assert forges.comments()[0]["is_hidden"] == (name in CAN_HIDE)


@each_forge
def test_the_longest_body_fits_and_a_longer_one_is_refused(forges: Forges, name: ForgeName) -> None:
    forge = forges.forge(name)
    assert forge.limit == LIMITS[name]
    assert len(forge.create("x" * forge.limit).body) == forge.limit
    with pytest.raises(ForgeError) as caught:
        forge.create("x" * (forge.limit + 1))
    assert caught.value.status in (400, 422)
    assert f"{forge.limit}" in caught.value.message


@each_forge
@pytest.mark.parametrize(("token", "status"), [("read-token", 403), ("no-such-token", 401)])
def test_a_token_that_may_not_write(forges: Forges, name: ForgeName, token: str, status: int) -> None:
    with pytest.raises(ForgeError) as caught:
        written(forges, name, wanted("one"), token=token)
    assert caught.value.status == status
    assert token not in str(caught.value)
    assert forges.comments() == []


@each_forge
def test_a_pull_request_that_is_not_there(forges: Forges, name: ForgeName) -> None:
    with pytest.raises(ForgeError) as caught:
        forges.forge(name, number=8).conversation()
    assert caught.value.status == 404


@each_forge
def test_a_lost_answer_makes_no_second_comment(forges: Forges, name: ForgeName) -> None:
    forges.strike(method="POST", path="comments$|notes$|threads$", status=0)
    (done,) = written(forges, name, wanted("one"))
    assert (done.done, seen(forges)) == ("created", ["one"])


@each_forge
def test_a_limit_of_rate_is_waited_for(forges: Forges, name: ForgeName) -> None:
    forges.strike(path=name, status=429, headers={"Retry-After": "0"}, times=2)
    (done,) = written(forges, name, wanted("one"))
    assert done.done == "created"


@each_forge
def test_a_comment_that_was_deleted_meanwhile_is_written_anew(forges: Forges, name: ForgeName) -> None:
    written(forges, name, wanted("one"))
    forge = forges.forge(name)
    (comment,) = forge.conversation().comments
    forge.delete(comment)
    forge.delete(comment)
    with pytest.raises(ForgeError):
        forge.update(comment, "two")
    written(forges, name, wanted("two", 6))
    assert seen(forges) == ["two"]


@each_forge
@pytest.mark.parametrize("earlier", [False, True])
def test_two_runs_at_once_end_with_the_comment_of_the_newer_commit(
    forges: Forges, name: ForgeName, earlier: bool
) -> None:
    if earlier:
        written(forges, name, wanted("first", 1))
    forges.begin(comments=[["spillway", note["body"]] for note in forges.comments()], page_size=3)
    forges.strike(method="GET", path="comments|notes|threads", delay_s=0.1, times=2)
    done: dict[int, Published] = {}

    def work(number: int, commit: str) -> None:
        asked = wanted(f"of run {number}", number, commit)
        (done[number],) = publish(
            forges.forge(name),
            [asked],
            "update",
            frozenset({commit}),
            name not in WITHOUT_HTML,
            lambda _: time.sleep(0.5),
        )

    threads = [threading.Thread(target=work, args=each) for each in ((10, OLD), (11, HEAD))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert seen(forges) == ["of run 11"]
    assert done[11].done in ("created", "updated")
    assert done[10].done == "outdated"


def test_github_enterprise_has_graphql_beside_rest(forges: Forges) -> None:
    target = Target("team/serving", 7, f"{forges.address}/github/api/v3", "write-token")
    forge = forge_at("github", target)
    forge.create("hello")
    assert [comment.body for comment in forge.conversation().comments] == ["hello"]
    assert set(forges.calls()) == {
        "POST /github/api/v3/repos/team/serving/issues/7/comments",
        "POST /github/api/graphql",
    }
