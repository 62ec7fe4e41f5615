"""From files to a sealed lock: what a plan rests on is named in it, and the same inputs give the same bytes."""

from __future__ import annotations

from pathlib import Path

import pytest

from planner.documents.check import arithmetic
from planner.documents.lock import content_digest, load, render
from planner.edges import planning
from planner.edges.catalog_files import load_catalog
from tests.planner import small


def test_the_lock_is_sealed_and_adds_up() -> None:
    planned = small.planned()
    lock = planned.lock
    assert lock.name == "small"
    assert planned.prior is None
    assert content_digest(lock.model_dump(mode="json")) == lock.digests.content
    assert arithmetic(lock.plan, lock.wanted()) == ()
    assert load(render(lock), "small.lock.json") == lock
    assert lock.environment == planned.wanted.canonical


def test_the_lock_names_what_it_rests_on() -> None:
    lock, catalog = small.planned().lock, load_catalog()
    assert lock.consulted.snapshot == catalog.prices.name
    assert set(lock.consulted.facts) <= set(catalog.rows)
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
    assert again.outcome.kept == ""


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
    assert small.replanned().lock.digests.facts == small.planned().lock.digests.facts


def test_the_prices_are_those_of_the_present_lock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The snapshot that the lock names is asked for; the newest only on request or for the first plan."""

    class Asked(Exception):
        pass

    def asked(snapshot: str | None) -> None:
        raise Asked(snapshot)

    monkeypatch.setattr(planning, "load_catalog", asked)
    prior = small.planned().lock
    locked = small.workspace(tmp_path / "locked", lock=prior)
    unlocked = small.workspace(tmp_path / "unlocked")
    for plan, workspace, snapshot in (
        (planning.plan, locked, prior.consulted.snapshot),
        (planning.plan_on_newest_prices, locked, None),
        (planning.plan, unlocked, None),
    ):
        with pytest.raises(Asked) as caught:
            plan(workspace, "small")
        assert caught.value.args == (snapshot,)
