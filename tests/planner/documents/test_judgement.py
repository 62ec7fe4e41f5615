"""Fresh, stale, tampered, denied, expired, aged: each is told with what changed and what to do."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from typing import Any

import pytest

from planner.documents.environment_file import canonical, parse
from planner.documents.judgement import environment_digest, problems
from planner.documents.lock import Lock, content_digest
from planner.domain.catalog import Catalog
from planner.edges.catalog_files import load_catalog
from planner.plan.phases import mean_usd_per_month
from planner.words.diagnostics import Problem
from tests.planner.plans import API, CALIBRATION, ENVIRONMENT, bent, edited, lock, plan

CATALOG = load_catalog()
TODAY = date(2026, 11, 22)
FILE = "environments/prod.lock.json"


def found(
    judged: Lock | None = None,
    environment: str = ENVIRONMENT,
    traces: dict[str, str] | None = None,
    catalog: Catalog = CATALOG,
    calibration: str = CALIBRATION,
    today: date = TODAY,
) -> tuple[Problem, ...]:
    values = canonical(parse(environment, "environments/prod.yaml")[0])
    all_of_them = problems(judged or lock(), FILE, values, traces or {}, catalog, calibration, today)
    assert all(p.where is not None and p.where.file == FILE for p in all_of_them)
    return all_of_them


def replaced(old: str, new: str) -> str:
    assert ENVIRONMENT.count(old) == 1
    return ENVIRONMENT.replace(old, new)


def test_a_fresh_lock_has_nothing_against_it() -> None:
    assert found() == ()


def test_a_comment_or_another_way_to_write_the_same_is_no_change() -> None:
    assert found(environment="# why\n" + replaced("rpm: 5k", "rpm: 5000")) == ()


@pytest.mark.parametrize(
    ("old", "new", "change"),
    [
        ("{mean: 5}", "{mean: 7.5}", "routes.chat.traffic.requests_per_second.mean: 5.0 → 7.5"),
        ("{monthly: $20000}", "{monthly: $30000}", 'budget.monthly: "$20,000" → "$30,000"'),
        ("quotas: {G: 96}", "quotas: {G: 96, P: 192}", "quotas.P: nothing → 192"),
        ("timezone: Europe/Berlin, ", "", 'routes.chat.traffic.timezone: "Europe/Berlin" → "UTC"'),
        ("[qwen3-32b]", "[qwen3-14b]", 'routes.extraction.quality.accept.0: "qwen3-32b" → "qwen3-14b"'),
        ("region: us-east-1", "region: us-east-1\n  nat: none", 'platform.nat: "single" → "none"'),
    ],
)
def test_a_changed_environment_is_stale_and_the_change_is_named(old: str, new: str, change: str) -> None:
    (problem,) = found(environment=replaced(old, new))
    assert (problem.code, problem.severity) == ("LOCK010", "error")
    assert problem.message == f"stale: the environment has changed since it was planned: {change}"
    assert problem.hint == "run `spillway plan prod` and review the change"


def test_many_changes_are_told_up_to_five() -> None:
    text = ENVIRONMENT.replace("2026-11-01", "2026-11-02").replace("office-hours", "flat").replace("$", "$1")
    (problem,) = found(environment=text.replace("96", "97").replace("months: 12", "months: 6"))
    assert problem.message.count("→") == 5


def test_another_trace_is_stale() -> None:
    (problem,) = found(traces={"azure-conv-2023": "sha256:1"})
    assert problem.message.endswith('traces.azure-conv-2023: nothing → "sha256:1"')


def test_a_changed_fact_is_stale_and_a_changed_price_only_ages() -> None:
    row = {**CATALOG.rows["model/qwen3-32b"], "max_context": 1}
    (problem,) = found(catalog=replace(CATALOG, rows={**CATALOG.rows, "model/qwen3-32b": row}))
    assert (problem.code, problem.severity) == ("LOCK010", "error")
    assert "catalog facts" in problem.message
    key = "api/openai/gpt-5.4-mini/input"
    price = {**CATALOG.price_rows[key], "usd": "0.80"}
    (aged,) = found(catalog=replace(CATALOG, price_rows={**CATALOG.price_rows, key: price}))
    assert (aged.code, aged.severity) == ("LOCK020", "warning")
    assert aged.message == f"prices of snapshot {CATALOG.prices.name} have changed"


def test_a_fact_or_price_that_nobody_consulted_changes_nothing() -> None:
    rows = {**CATALOG.rows, "model/qwen3-8b": {}}
    prices = {**CATALOG.price_rows, "api/openai/gpt-4/input": {}}
    assert found(catalog=replace(CATALOG, rows=rows, price_rows=prices)) == ()


def test_another_calibration_only_ages() -> None:
    (problem,) = found(calibration="sha256:other")
    assert (problem.code, problem.severity) == ("LOCK020", "warning")
    assert problem.message == "the performance calibration has changed"


def test_an_edited_lock_is_told_also_where_the_plan_still_adds_up() -> None:
    sealed = lock()
    edited_plan = bent(sealed.plan, {"pools/0/engine/max_num_seqs": 128})
    (problem,) = found(sealed.model_copy(update={"plan": edited_plan}))
    assert (problem.code, problem.severity) == ("LOCK011", "error")
    assert problem.hint.startswith("a lock is computed, never edited")


def test_a_plan_that_does_not_add_up_is_told_even_when_it_is_sealed() -> None:
    (problem,) = found(lock(bent(plan(), {"pools/0/replicas": {"min": 3, "max": 3}})))
    assert problem.code == "CHK002"
    assert problem.hint.startswith("the lock was edited by hand or is damaged")


def test_a_lock_whose_own_environment_cannot_be_read_is_told_and_does_not_crash() -> None:
    values = edited(lock().model_dump(mode="json"), {"environment/version": 9, "environment/surprise": 1})
    values["digests"]["content"] = content_digest(values)
    told = {p.code: p.message for p in found(Lock.model_validate(values))}
    assert told["LOCK003"] == "the environment inside the lock cannot be read: 2 of its values do not fit"


def test_a_denied_verdict_stops_and_a_warning_does_not() -> None:
    verdict: dict[str, Any] = {"name": "budget", "state": "deny", "message": "$60,001 of $60,000 a month"}
    (problem,) = found(lock(bent(plan(), {"verdicts/0": verdict})))
    assert (problem.code, problem.message) == ("LOCK012", "denied: budget: $60,001 of $60,000 a month")
    assert found(lock(bent(plan(), {"verdicts/0": {**verdict, "state": "warn"}}))) == ()


def test_a_retired_hosted_model_expires_the_lock() -> None:
    rows = tuple(replace(row, retires=date(2026, 11, 20)) if row.key == API else row for row in CATALOG.apis)
    (problem,) = found(catalog=replace(CATALOG, apis=rows))
    assert (problem.code, problem.severity) == ("LOCK013", "error")
    assert problem.message.startswith("expired: ")
    assert "2026-11-20" in problem.message


ENDS = date(2027, 3, 1)


def ending() -> Catalog:
    """The catalog in which the plan's hosted model ends inside the horizon; its row in digests stays as it is."""
    rows = tuple(replace(row, retires=ENDS) if row.key == API else row for row in CATALOG.apis)
    return replace(CATALOG, apis=rows)


def phased(usd: str | None) -> Lock:
    """The lock with two phases; the second costs what is given, or cannot be served."""
    first, last = plan().cost.usd_per_month, "2027-12-01"
    head = {"start": "2026-12-01", "end": str(ENDS), "ended": [], "routes": [], "fleet": "", "why_not": ""}
    tail = {
        **head,
        "start": str(ENDS),
        "end": last,
        "ended": [API],
        "usd_per_month": usd,
        "why_not": "" if usd else "no",
    }
    values = plan().model_dump(mode="json")
    values["phases"] = [{**head, "usd_per_month": str(first)}, tail]
    with_phases = type(plan()).model_validate(values)
    mean = mean_usd_per_month(with_phases.phases)
    return lock(with_phases.model_copy(update={"mean_usd_per_month": mean}))


def test_a_model_that_ends_inside_the_horizon_denies_a_lock_without_a_successor() -> None:
    (problem,) = found(catalog=ending())
    assert (problem.code, problem.severity) == ("LOCK014", "error")
    assert problem.message == (
        f"{API} ends on 2027-03-01, inside the horizon (to 2027-12-01), and the plan has nothing that follows it"
    )
    assert problem.hint == "run `spillway plan prod` and review the change"


def test_with_a_phase_that_follows_it_warns_until_the_day() -> None:
    (problem,) = found(phased("15000.00"), catalog=ending())
    assert (problem.code, problem.severity) == ("LOCK014", "warning")
    assert f"{API} ends on 2027-03-01; what follows is planned, for $15,000.00 a month" in problem.message
    assert problem.hint.startswith(
        "nothing is wrong now: shortly before that day let `horizon.start` be that day, run "
    )
    assert [p.code for p in found(phased("15000.00"), catalog=ending(), today=date(2027, 2, 28))] == ["LOCK014"]
    (expired,) = found(phased("15000.00"), catalog=ending(), today=ENDS)
    assert (expired.code, expired.severity) == ("LOCK013", "error")


def test_a_phase_that_nothing_can_serve_is_no_successor() -> None:
    (problem,) = found(phased(None), catalog=ending())
    assert (problem.code, problem.severity) == ("LOCK014", "error")
    assert problem.message.endswith("and nothing can serve after it: no")
    assert problem.hint.startswith("accept a model that serves after that day, or let the horizon end before it")
    assert "spillway plan" not in problem.hint


def test_a_denial_and_the_end_of_a_model_tell_one_reason_once() -> None:
    denied: dict[str, Any] = {"name": "retirement", "state": "deny", "message": "there is no plan: nothing can serve"}
    values = phased(None).plan.model_dump(mode="json")
    values["phases"][1]["why_not"] = "nothing can serve"
    told = found(lock(bent(type(plan()).model_validate(values), {"verdicts/0": denied})), catalog=ending())
    assert [problem.code for problem in told] == ["LOCK012", "LOCK014"]
    assert told[1].message.endswith("and nothing can serve after it: the denial says why")


def test_a_model_that_ends_after_the_horizon_is_no_matter() -> None:
    rows = tuple(replace(row, retires=date(2027, 12, 1)) if row.key == API else row for row in CATALOG.apis)
    assert found(catalog=replace(CATALOG, apis=rows)) == ()


def test_everything_is_told_at_once() -> None:
    sealed = lock(bent(plan(), {"verdicts/0/state": "deny"}))
    told = found(
        sealed.model_copy(update={"name": "staging"}),
        replaced("{mean: 5}", "{mean: 6}"),
        catalog=replace(CATALOG, rows={}),
        calibration="sha256:other",
    )
    assert [p.code for p in told] == ["LOCK011", "LOCK010", "LOCK010", "LOCK012", "LOCK020"]


def test_the_environment_digest_covers_its_traces() -> None:
    assert environment_digest({"a": 1}, {}) != environment_digest({"a": 1}, {"t": "sha256:1"})
    assert environment_digest({"a": 1, "b": 2}, {}) == environment_digest({"b": 2, "a": 1}, {})
