"""From files to a sealed lock: what a plan rests on is named in it, and the same inputs give the same bytes."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from planner.decision.answer import assemble
from planner.documents.arithmetic import arithmetic
from planner.documents.lock import content_digest, load, render, says_the_same
from planner.domain.catalog import Catalog
from planner.edges import planning
from planner.edges.catalog_files import load_catalog
from planner.edges.planning import Planned
from planner.edges.workspace import Workspace
from planner.words.diagnostics import Problems
from tests.planner import small

Change = tuple[str, str]
API_ALONE: Change = ("accept: [qwen3-8b, gpt-5.4-mini]", "accept: [gpt-5.4-mini]")
QUOTA: Change = ("quotas: {G: 192, P: 384}", "quotas: {G: 4, P: 0}")
BUDGET: Change = ("budget: {monthly: $20000}", "budget: {monthly: $100}")
API_RATE: Change = ("{tpm: 2M, rpm: 5k}", "{tpm: 2k, rpm: 5k}")
API_BUDGET: Change = ("  monthly_budget: $2000\n", "  monthly_budget: $10\n")


def edited(*changes: Change) -> str:
    """The small environment's text with some lines changed, each of which stands in it once."""
    text = small.text()
    for old, new in changes:
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    return text


def planned(folder: Path, *changes: Change) -> Planned:
    """The plan of the edited environment."""
    return planning.plan(small.workspace(folder, edited(*changes)), "small")


def test_the_lock_is_sealed_and_adds_up() -> None:
    planned = small.planned()
    lock = planned.lock
    assert lock.name == "small"
    assert planned.prior is None
    assert content_digest(lock.model_dump(mode="json")) == lock.digests.content
    assert arithmetic(lock.plan, lock.answered_environment()) == ()
    assert load(render(lock), "small.lock.json") == lock
    assert lock.environment == planned.wanted.canonical


def test_the_lock_names_what_it_rests_on() -> None:
    lock, catalog = small.planned().lock, load_catalog()
    assert lock.consulted.snapshot == catalog.prices.name
    sold = {f"offering/{row.region}/{row.instance_type}" for row in catalog.offered_in("us-east-1")}
    unpublished = {f"failure/nodes/{group.gpu}" for group in lock.plan.node_groups}
    assert set(lock.consulted.facts) <= {*catalog.rows, *sold, *unpublished}
    assert {f"offering/us-east-1/{group.instance_type}" for group in lock.plan.node_groups} <= set(lock.consulted.facts)
    assert set(lock.consulted.prices) <= set(catalog.price_rows)
    assert {line.price for line in lock.plan.cost.lines} <= set(lock.consulted.prices)
    bought = {f"instance/{group.instance_type}" for group in lock.plan.node_groups}
    bought |= {f"model/{pool.model}" for pool in lock.plan.pools} | {f"gpu/{pool.gpu}" for pool in lock.plan.pools}
    bought |= {f"api/{api.name}" for api in lock.plan.apis} | {f"provider/{api.provider}" for api in lock.plan.apis}
    assert bought <= set(lock.consulted.facts)
    assert catalog.facts_digest(lock.consulted.facts) == lock.digests.facts
    assert catalog.prices_digest(lock.consulted.prices) == lock.digests.prices


def test_a_second_plan_gives_the_same_bytes(tmp_path: Path) -> None:
    first = small.planned().lock
    again = planning.plan(small.workspace(tmp_path / "again", lock=first), "small")
    assert render(again.lock) == render(first)
    assert again.prior == first
    assert again.outcome.note == ""


def test_the_folder_and_the_order_of_keys_do_not_matter(tmp_path: Path) -> None:
    text = small.text()
    start, end = text.index("  chat:\n"), text.index("api:\n")
    middle = text.index("  extraction:\n")
    swapped = text[:start] + text[middle:end] + text[start:middle] + text[end:]
    assert swapped != text
    planned = planning.plan(small.workspace(tmp_path / "elsewhere", swapped), "small")
    assert render(planned.lock) == render(small.planned().lock)


def test_a_changed_line_moves_its_own_pool_alone() -> None:
    before, after = small.planned().lock.plan, small.replanned().lock.plan
    assert [pool.name for pool in after.pools] == [pool.name for pool in before.pools]
    grown = [b.name for a, b in zip(before.pools, after.pools, strict=True) if a.replicas != b.replicas]
    assert grown == [pool.name for pool in before.pools if pool.privacy == "internal"]
    assert small.replanned().prior == small.planned().lock
    assert small.replanned().lock.digests.environment != small.planned().lock.digests.environment


def test_a_larger_load_rests_on_the_same_facts_and_on_machines_that_were_too_dear_before() -> None:
    before, after = (set(each.lock.consulted.facts) for each in (small.planned(), small.replanned()))
    assert before <= after
    assert {key.partition("/")[0] for key in after - before} <= {"gpu", "instance"}


def test_the_prices_are_those_of_the_present_lock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The snapshot that the lock names is asked for; the newest only on request or for the first plan."""

    class Asked(Exception):
        pass

    def asked(self: Workspace, snapshot: str | None = None) -> Catalog:
        if self in read:  # the names of the environment were looked up before
            raise Asked(snapshot)
        read.append(self)
        return load_catalog()

    read: list[Workspace] = []
    monkeypatch.setattr(Workspace, "catalog", asked)
    prior = small.planned().lock
    locked = small.workspace(tmp_path / "locked", lock=prior)
    unlocked = small.workspace(tmp_path / "unlocked")
    for plan, workspace, snapshot in (
        (planning.plan, locked, prior.consulted.snapshot),
        (planning.plan_on_newest_prices, locked, None),
        (planning.plan, unlocked, None),
    ):
        read.clear()
        with pytest.raises(Asked) as caught:
            plan(workspace, "small")
        assert caught.value.args == (snapshot,)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        (
            (QUOTA, BUDGET),
            [
                ("G: 4", r"the vCPU quota of family G would have to be ([\d,]+), not 4", "raise the quota"),
                ("monthly: $100", r"the budget would have to be \$([\d,]+), not \$100", "raise `budget:`"),
            ],
        ),
        (
            (API_ALONE, API_RATE, API_BUDGET),
            [
                (
                    "tpm: 2k",
                    r"the tokens a minute of openai would have to be ([\d,]+), not 2,000",
                    "raise the limit with openai and in `api.providers.openai.limits.tpm`",
                ),
                (
                    "monthly_budget: $10",
                    r"the API budget would have to be \$([\d,]+), not \$10",
                    "raise `api.monthly_budget:`",
                ),
            ],
        ),
    ],
    ids=["quota and budget", "API rate and API budget"],
)
def test_two_limits_in_the_way_are_two_problems_each_at_its_key_with_its_own_hint(
    tmp_path: Path, changes: tuple[Change, ...], told: list[tuple[str, str, str]]
) -> None:
    """And what each of them says is needed is enough: written into the file, there is a plan."""
    text = edited(*changes)
    with pytest.raises(Problems) as caught:
        planned(tmp_path / "tight", *changes)
    assert caught.value.exit_code == 1
    assert [problem.code for problem in caught.value.problems] == ["INF002", "INF002"]
    helped = text
    for problem, (entry, message, hint) in zip(caught.value.problems, told, strict=True):
        found = re.fullmatch(rf"no plan exists: {message} \(one of 2 limits that must move together\)", problem.message)
        assert found, problem.message
        assert problem.hint.startswith(hint)
        where = problem.where
        assert where is not None
        assert where.file == str(tmp_path / "tight" / "small.yaml")
        assert text.splitlines()[where.line - 1] == where.source
        assert where.source[where.column - 1 :].startswith(entry)
        assert text.count(entry) == 1
        helped = helped.replace(entry, entry.rstrip("0123456789k") + found[1].replace(",", ""))
    lock = planning.plan(small.workspace(tmp_path / "helped", helped), "small").lock
    assert all(verdict.state != "deny" for verdict in lock.plan.verdicts)


def test_two_routes_without_a_candidate_are_two_problems(tmp_path: Path) -> None:
    changes = (
        API_ALONE,
        ("    openai: {limits: {tpm: 2M, rpm: 5k}}", "    groq: {limits: {tpm: 2M, rpm: 5k}}"),
        ("tpot_p95: 100ms", "tpot_p95: 1ms"),
    )
    with pytest.raises(Problems) as caught:
        planned(tmp_path / "none", *changes)
    lines = edited(*changes).splitlines()
    assert caught.value.exit_code == 1
    assert [(p.code, lines[p.where.line - 1].strip()) for p in caught.value.problems if p.where] == [
        ("INF001", "chat:"),
        ("INF001", "extraction:"),
    ]
    chat, extraction = caught.value.problems
    assert "2 × is at a provider without an account in `api.providers`" in chat.message
    assert chat.hint == "add the provider to `api.providers`, or accept an open-weight model"
    assert "cannot meet the SLO at any load" in extraction.message
    assert extraction.hint.startswith("nearest: qwen3-8b (")
    assert re.search(
        r"1 ms are asked for \(by [\d.]+ times\); no plan exists with any single limit less either$", extraction.hint
    )


def test_another_solver_and_other_limits_of_the_search_leave_the_file_as_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They are told in the lock, but its digest does not cover them, and an equal plan is the same lock."""
    first = small.planned().lock
    monkeypatch.setattr(assemble, "solver_version", lambda: "9.9.9")
    again = planning.plan(small.workspace(tmp_path / "again", lock=first), "small").lock
    assert again.plan.solver.versions["highs"] == "9.9.9" != first.plan.solver.versions["highs"]
    assert again.digests == first.digests
    assert says_the_same(again, first)
