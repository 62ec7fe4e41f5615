"""The lock file: the same plan gives the same bytes, any edit shows in its digest, and a broken file is refused."""

from __future__ import annotations

import json
import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from planner.documents.lock import Lock, content_digest, digest, load, render, says_the_same
from planner.words.diagnostics import Problem, Problems
from tests.planner.documents.leaves import keys_of, leaves, other
from tests.planner.plans import API, ENVIRONMENT, bent, edited, lock, plan

LOCK = lock()
TEXT = render(LOCK)
VALUES: dict[str, Any] = json.loads(TEXT)


LEAVES = dict(leaves(VALUES))


def sealed_well(candidate: Lock) -> bool:
    return content_digest(candidate.model_dump(mode="json")) == candidate.digests.content


def refused(text: str) -> tuple[Problem, ...]:
    with pytest.raises(Problems) as raised:
        load(text, "environments/prod.lock.json")
    assert raised.value.exit_code == 2
    for problem in raised.value.problems:
        assert problem.where is not None
        assert problem.where.file == "environments/prod.lock.json"
    return raised.value.problems


def test_a_lock_survives_writing_and_reading_byte_for_byte() -> None:
    assert load(TEXT, "prod.lock.json") == LOCK
    assert render(load(TEXT, "prod.lock.json")) == TEXT
    assert render(lock()) == TEXT
    assert sealed_well(load(TEXT, "prod.lock.json"))


def test_an_input_limit_of_an_api_stands_in_the_file_only_where_it_is() -> None:
    assert "api_max_input_tokens" not in TEXT
    limited = lock(bent(plan(), {"routes/0/api_max_input_tokens": {API: 12_288}}))
    read = load(render(limited), "prod.lock.json")
    assert read == limited
    assert sealed_well(read)
    assert read.plan.routes[0].api_max_input_tokens == {API: 12_288}
    assert not sealed_well(lock().model_copy(update={"plan": limited.plan})), "the digest covers it"


def test_the_form_is_canonical() -> None:
    assert TEXT.endswith("}\n")
    assert not TEXT.endswith("\n\n")
    assert json.dumps(VALUES, indent=2, ensure_ascii=False) + "\n" == TEXT
    for line in TEXT.splitlines():
        assert len(line.strip().rstrip(",").split('": ')) <= 2, f"more than one scalar on {line!r}"
    assert "×" in TEXT, "text is written as it reads, not escaped"


def test_what_a_person_reviews_stands_first() -> None:
    """Inputs and digests stand last; in each part its name and its money come before what is expected of it."""
    assert list(VALUES) == ["format_version", "name", "plan", "environment", "consulted", "generated_by", "digests"]
    decided = ["verdicts", "cost", "routes", "pools", "node_groups", "apis", "platform"]
    told = ["baselines", "runners_up", "break_even", "levels", "omitted", "solver"]
    assert [key for key in VALUES["plan"] if key in {*decided, *told}] == decided + told
    assert next(iter(VALUES["plan"]["cost"])) == "usd_per_month"
    assert list(VALUES["plan"]["routes"][0])[:2] == ["name", "usd_per_month"]
    assert list(VALUES["plan"]["pools"][0])[-2:] == ["capacity", "clock"]
    for part in ("routes", "pools", "node_groups", "apis", "verdicts"):
        assert {next(iter(each)) for each in VALUES["plan"][part]} == {"name"}, (
            "a diff keeps parts of one name together"
        )


def test_what_is_named_by_the_plan_stands_by_name() -> None:
    plan_values = VALUES["plan"]
    for named in (plan_values["levels"][0]["mean_requests_per_second"], plan_values["break_even"][0]["routes"]):
        assert list(named) == sorted(named)
    assert list(VALUES["environment"]) == sorted(VALUES["environment"])


def test_decimals_are_text_and_counts_are_numbers() -> None:
    assert not [path for path, value in LEAVES.items() if isinstance(value, float) and path[0] != "environment"]
    assert VALUES["plan"]["cost"]["usd_per_month"] == "13136.87"
    assert VALUES["plan"]["pools"][0]["engine"]["gpu_memory_utilization"] == "0.92"
    assert VALUES["plan"]["pools"][0]["replicas"]["max"] == 2


def test_the_lock_embeds_its_environment() -> None:
    wanted = LOCK.answered_environment()
    assert wanted.routes["extraction"].data == "restricted"
    target = wanted.routes["chat"].slo.ttft_p95
    assert target is not None
    assert (target.base, target.per_1k_input) == (1200, 300)


def test_names_stand_in_the_form() -> None:
    assert VALUES["format_version"] == "1.2"
    assert VALUES["generated_by"] == "spillway 0.1.0"
    assert set(VALUES["digests"]) == {"environment", "facts", "prices", "calibration", "content"}
    assert VALUES["digests"]["content"].startswith("sha256:")


REFUSED_BY_FORM = {
    ("format_version",),
    *(path for path in LEAVES if path[-1] in ("kind", "state", "privacy", "provenance", "capacity_type", "protocol")),
    *(path for path in LEAVES if path[:3] == ("plan", "platform", "cluster") and path[-1] == "name"),
}
"""Places that hold one of few words, or the version: another value does not load at all."""
OF_THE_SOLVER = {path for path in LEAVES if path[:2] == ("plan", "solver") and path[2] not in ("status", "gap")}
"""How the plan was found, which the digest does not cover; how sure it is, it covers."""


def test_the_content_digest_does_not_cover_how_the_solver_got_there() -> None:
    assert OF_THE_SOLVER
    for path in OF_THE_SOLVER:
        text = json.dumps(edited(VALUES, {keys_of(path): other(LEAVES[path])}))
        assert sealed_well(load(text, "prod.lock.json")), path


def test_the_same_plan_found_by_another_solver_or_written_by_another_release_says_the_same() -> None:
    for changes in (
        {"plan/solver/versions/highs": "9.9.9", "plan/solver/classes": 25},
        {"plan/solver/bound_usd_per_month": "13000.00", "plan/solver/options/mip_rel_gap": "0.02"},
        {"generated_by": "spillway 0.2.0"},
    ):
        values = edited(VALUES, changes)
        values["digests"]["content"] = content_digest(values)
        assert says_the_same(LOCK, Lock.model_validate(values)), changes


@pytest.mark.parametrize(
    "changes", [{"generated_by": "spillway 0.2.0"}, {"digests/content": "sha256:edited"}], ids=["writer", "digest"]
)
def test_a_lock_that_was_edited_never_says_the_same(changes: dict[str, str]) -> None:
    """Else `plan` would leave alone what `check` calls damaged."""
    assert not says_the_same(LOCK, Lock.model_validate(edited(VALUES, changes)))


def test_any_other_value_says_something_else() -> None:
    for path in LEAVES.keys() - OF_THE_SOLVER - REFUSED_BY_FORM - {("generated_by",), ("digests", "content")}:
        changed = Lock.model_validate(edited(VALUES, {keys_of(path): other(LEAVES[path])}))
        assert not says_the_same(LOCK, changed), path
    assert not says_the_same(LOCK, LOCK.model_copy(update={"format_version": "1.3"}))


@pytest.mark.parametrize("path", sorted(LEAVES.keys() - OF_THE_SOLVER), ids="/".join)
def test_an_edit_of_any_single_value_is_detected(path: tuple[str, ...]) -> None:
    text = json.dumps(edited(VALUES, {keys_of(path): other(LEAVES[path])}))
    assert json.loads(text) != VALUES
    if path in REFUSED_BY_FORM:
        assert refused(text)
    else:
        assert not sealed_well(load(text, "prod.lock.json"))


@settings(max_examples=30)
@given(st.randoms(use_true_random=False))
def test_the_order_of_keys_and_blanks_do_not_matter(randomness: random.Random) -> None:
    def shuffled(value: Any) -> Any:
        if isinstance(value, dict):
            keys = list(value)
            randomness.shuffle(keys)
            return {key: shuffled(value[key]) for key in keys}
        return [shuffled(item) for item in value] if isinstance(value, list) else value

    reordered = load(json.dumps(shuffled(VALUES)), "prod.lock.json")
    assert sealed_well(reordered)
    assert render(reordered) == TEXT
    assert says_the_same(reordered, LOCK)


def test_unknown_keys_of_a_newer_minor_version_are_not_read_and_not_lost() -> None:
    newer = edited(
        VALUES,
        {"format_version": "1.7", "spot": {"share": "0.5"}, "plan/pools/0/warm": 3, "digests/future": "sha256:1"},
    )
    newer["digests"]["content"] = content_digest(newer)
    text = json.dumps(newer, indent=2, ensure_ascii=False) + "\n"
    read = load(text, "prod.lock.json")
    assert sealed_well(read)
    assert read.plan.pools[1] == LOCK.plan.pools[1]
    assert json.loads(render(read)) == newer
    assert render(load(render(read), "prod.lock.json")) == render(read)
    assert list(json.loads(render(read))["plan"]["pools"][0])[-1] == "warm", "what is not known stands last"
    tampered = load(text.replace('"warm": 3', '"warm": 4'), "prod.lock.json")
    assert not sealed_well(tampered)


@pytest.mark.parametrize("version", ["2.0", "0.9", "10.0", "", "one", None, 2])
def test_another_major_version_is_refused(version: Any) -> None:
    (found,) = refused(json.dumps(edited(VALUES, {"format_version": version})))
    assert found.code == "LOCK002"
    assert "this program reads 1.x" in found.message
    assert "plan again" in found.hint


def test_a_lock_without_a_version_is_refused() -> None:
    values = {key: value for key, value in VALUES.items() if key != "format_version"}
    (found,) = refused(json.dumps(values))
    assert found.message == "the lock has format none; this program reads 1.x"


@pytest.mark.parametrize("share", [0, 0.1, 0.5, 0.999])
def test_a_truncated_lock_is_told_with_the_line_where_it_ends(share: float) -> None:
    text = TEXT[: int(len(TEXT) * share)]
    (found,) = refused(text)
    assert found.code == "LOCK001"
    assert found.message.startswith("the lock is not JSON: ")
    assert found.hint == "restore it with git, or delete it and run `spillway plan`"
    assert found.where is not None
    assert abs(found.where.line - (text.count("\n") + 1)) <= 1


def test_a_conflicted_lock_is_told_with_the_line_of_the_conflict() -> None:
    lines = TEXT.splitlines()
    lines[10:12] = ["<<<<<<< HEAD", lines[10], "=======", lines[11], ">>>>>>> other"]
    (found,) = refused("\n".join(lines))
    assert (found.code, found.message) == ("LOCK001", "the lock has merge conflicts")
    assert found.where is not None
    assert found.where.line == 11
    assert found.hint.endswith("a lock is computed, never merged")


@pytest.mark.parametrize("text", ["[]", "3", "null", '"lock"'])
def test_json_that_is_no_object_is_no_lock(text: str) -> None:
    (found,) = refused(text)
    assert (found.code, found.message) == ("LOCK003", "a lock is a JSON object")


@pytest.mark.parametrize("part", ["plan", "digests", "consulted", "environment", "name"])
def test_a_missing_part_is_named(part: str) -> None:
    (found,) = refused(json.dumps({key: value for key, value in VALUES.items() if key != part}))
    assert (found.code, found.message) == ("LOCK003", f"{part}: Field required")
    assert "spillway plan" in found.hint


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("plan/cost/usd_per_month", "a lot"),
        ("plan/cost/usd_per_month", None),
        ("plan/pools/0/replicas/max", "two"),
        ("plan/levels/0/hours", "Infinity"),
        ("plan/node_groups/1/placement", {}),
        ("digests/content", None),
    ],
)
def test_a_value_of_the_wrong_form_is_named_with_its_path(path: str, value: Any) -> None:
    (found,) = refused(json.dumps(edited(VALUES, {path: value})))
    assert found.code == "LOCK003"
    assert found.message.startswith(path.replace("/", ".") + ": ")


def test_digests_do_not_depend_on_the_order_of_keys() -> None:
    assert digest({"a": 1, "b": [1, 2]}) == digest({"b": [1, 2], "a": 1})
    assert digest({"a": "×"}) != digest({"a": "x"})
    assert len(digest({})) == len("sha256:") + 64


def test_a_lock_is_small_enough_to_review() -> None:
    assert len(TEXT) < 30_000
    assert ENVIRONMENT.splitlines()[0] == "version: 1"


@pytest.mark.parametrize(
    ("old", "new", "why"),
    [
        ('"version": 1', '"version": ' + "9" * 5_000, "it holds a number that is too long"),
        ('"version": 1', '"version": ' + "[" * 200 + "]" * 200, "it is nested too deeply"),
        ('"version": 1', '"version": ' + "[" * 100_000, "it is nested too deeply"),
        ('"name": "prod"', '"name": "\\ud800"', "it holds half a character"),
        ('"version": 1', '"\\udfff": 1', "it holds half a character"),
    ],
)
def test_a_lock_that_nobody_could_write_again_is_told(old: str, new: str, why: str) -> None:
    text = render(lock())
    assert old in text
    with pytest.raises(Problems) as raised:
        load(text.replace(old, new, 1), "prod.lock.json")
    (found,) = raised.value.problems
    assert (found.code, found.message) == ("LOCK001", f"the lock cannot be read: {why}")


def test_a_load_stands_in_the_lock_only_where_one_was_told() -> None:
    silent = lock()
    assert '"load"' not in render(silent)
    told: dict[str, Any] = {
        "stated": None,
        "mean_requests_per_second": "5",
        "busiest_hour_requests_per_second": "8",
        "capacity_factor": "1",
        "usage_factor": "1",
        "plan_again_by": None,
        "notes": [],
    }
    written = lock(bent(plan(), {"routes/0/load": told}))
    assert load(render(written), "prod.lock.json") == written
