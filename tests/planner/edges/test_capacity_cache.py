"""Capacities kept on disk: found again, absent when they cannot be trusted, and never a change of what a plan says."""

from __future__ import annotations

from pathlib import Path

import pytest

from planner.documents.lock import render
from planner.edges import planning
from planner.edges.capacity_cache import KeptCapacities, cache_folder
from planner.performance import capacity_search
from planner.performance.capacity import Capacity, CapacityQuestion, NoCapacity
from planner.performance.capacity_search import ReplicaTraffic, search
from tests.planner import small

pytestmark = pytest.mark.usefixtures("alone")

SERVED = Capacity(
    requests_per_second=1 / 3,
    max_num_seqs=64,
    concurrency=17.25,
    ttft_ms_p50=210.0,
    ttft_ms_p95=1e3 / 7,
    tpot_ms_p50=21.0,
    tpot_ms_p95=49.9,
    binding="tpot",
    utilisation=0.875,
    provenance="calibrated",
    low=0.1,
    high=2e-17,
)
REFUSED = NoCapacity("an idle replica already takes 31.0 ms per output token, 20 ms are asked for", "tpot")


def test_what_is_kept_is_found_again(tmp_path: Path) -> None:
    kept = KeptCapacities(tmp_path / "new" / "folder")
    assert "a" not in kept
    kept["a"], kept["b"] = SERVED, REFUSED
    for again in (kept, KeptCapacities(tmp_path / "new" / "folder")):
        assert (again["a"], again["b"]) == (SERVED, REFUSED)
        assert list(again) == ["a", "b"]
        assert len(again) == 2
    assert sorted(path.name for path in (tmp_path / "new" / "folder").iterdir()) == ["a.json", "b.json"]


def test_what_is_written_anew_or_taken_out(tmp_path: Path) -> None:
    kept = KeptCapacities(tmp_path)
    kept["a"] = SERVED
    kept["a"] = REFUSED
    assert KeptCapacities(tmp_path)["a"] == REFUSED
    del kept["a"]
    assert "a" not in kept
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(KeyError):
        del kept["a"]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        '{"requests_per_second": 1.5, "max_num',
        "null",
        "[]",
        "{}",
        '{"requests_per_second": 1.5}',
        '{"reason": "too slow", "binding": "mood"}',
        "\0\0\0\0",
        b"\xff\xfe{}".decode("latin-1"),
    ],
)
def test_a_torn_or_foreign_file_counts_as_absent(tmp_path: Path, text: str) -> None:
    kept = KeptCapacities(tmp_path)
    (tmp_path / "a.json").write_text(text, encoding="utf-8")
    assert "a" not in kept
    assert list(kept) == []
    with pytest.raises(KeyError):
        kept["a"]
    kept["a"] = SERVED
    assert KeptCapacities(tmp_path)["a"] == SERVED


def test_a_folder_in_place_of_a_file_counts_as_absent(tmp_path: Path) -> None:
    (tmp_path / "a.json").mkdir()
    kept = KeptCapacities(tmp_path)
    assert "a" not in kept
    kept["a"] = SERVED
    assert kept["a"] == SERVED


def test_a_folder_that_cannot_be_written_keeps_in_memory(tmp_path: Path) -> None:
    """For as long as the plan takes; the next one begins anew, and nothing is told."""
    (tmp_path / "file").touch()
    kept = KeptCapacities(tmp_path / "file" / "capacities")
    kept["a"] = SERVED
    assert kept["a"] == SERVED
    assert list(kept) == ["a"]
    assert "a" not in KeptCapacities(tmp_path / "file" / "capacities")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_a_full_disk_leaves_no_half_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    kept = KeptCapacities(tmp_path)
    kept["a"] = SERVED
    assert kept["a"] == SERVED
    assert list(tmp_path.iterdir()) == []


def test_the_folder_is_the_users_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    assert cache_folder() == tmp_path / "cache" / "spillway" / "capacities"
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    for relative in ("", "cache"):  # the specification of that variable has relative paths ignored
        monkeypatch.setenv("XDG_CACHE_HOME", relative)
        assert cache_folder() == tmp_path / "home" / ".cache" / "spillway" / "capacities"
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert cache_folder() == tmp_path / "home" / ".cache" / "spillway" / "capacities"
    monkeypatch.setattr("os.path.expanduser", lambda path: path)  # as for a user without a home
    kept = KeptCapacities()
    kept["a"] = SERVED
    assert "a" not in KeptCapacities()


@pytest.fixture
def searches(monkeypatch: pytest.MonkeyPatch) -> list[CapacityQuestion]:
    """Every question that is searched for from now on."""
    asked: list[CapacityQuestion] = []

    def counted(question: CapacityQuestion, traffic: ReplicaTraffic) -> Capacity | NoCapacity:
        asked.append(question)
        return search(question, traffic)

    monkeypatch.setattr(capacity_search, "search", counted)
    return asked


def test_the_cache_changes_how_long_a_plan_takes_and_not_what_it_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, searches: list[CapacityQuestion]
) -> None:
    """Cold, warm, and with a corrupted cache the lock has the same bytes."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    folder = tmp_path / "cache" / "spillway" / "capacities"

    def planned(name: str) -> tuple[str, int]:
        before = len(searches)
        lock = planning.plan(small.workspace(tmp_path / name), "small").lock
        return render(lock), len(searches) - before

    cold, searched = planned("cold")
    files = sorted(folder.iterdir())
    assert searched == len(files) > 0
    assert planned("warm") == (cold, 0)
    for file, text in zip(files, ("", "{", "{}") * len(files), strict=False):
        file.write_text(text)
    assert planned("corrupted") == (cold, searched)
    assert planned("mended") == (cold, 0)


@pytest.mark.beside
def test_a_plan_in_a_read_only_place_says_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "cache").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    lock = planning.plan(small.workspace(tmp_path / "environments"), "small").lock
    assert render(lock) == render(small.planned().lock)
    assert (tmp_path / "cache").is_file()
