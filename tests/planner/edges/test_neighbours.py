"""Networks of environments in one folder: what shares addresses is told with both places."""

from __future__ import annotations

from pathlib import Path

import pytest

from planner.documents.lock import Lock
from planner.domain.networks import derived_cidr
from planner.edges.neighbours import network_problems
from planner.words.diagnostics import Problem


def told(folder: Path, name: str, *names: str, locks: dict[str, Lock] | None = None) -> list[Problem]:
    return list(network_problems(name, folder, names, lambda wanted: (locks or {}).get(wanted)))


def write(folder: Path, name: str, network: str = "", account: str = "1", region: str = "us-east-1") -> None:
    text = f"version: 1\nplatform:\n  account: 'account-{account}'\n  region: {region}\n{network}"
    (folder / f"{name}.yaml").write_text(text)


STATED = "  network: {cidr: 10.64.0.0/16}\n"


def test_two_stated_networks_that_share_addresses_are_told_with_both_places(tmp_path: Path) -> None:
    write(tmp_path, "prod", STATED)
    write(tmp_path, "dev", "  zones: [a]\n  network: {cidr: 10.64.16.0/20}\n")
    (problem,) = told(tmp_path, "prod", "dev", "prod")
    assert (problem.code, problem.severity) == ("ENV030", "warning")
    assert f"10.64.16.0/20 of `dev` ({tmp_path / 'dev.yaml'}:6)" in problem.message
    assert problem.where is not None
    assert (problem.where.file, problem.where.line) == (str(tmp_path / "prod.yaml"), 5)


def test_a_derived_network_that_meets_another_is_an_error_with_a_free_one(tmp_path: Path) -> None:
    write(tmp_path, "prod")
    write(tmp_path, "dev", f"  network: {{cidr: {derived_cidr('prod', 'us-east-1')}}}\n")
    (problem,) = told(tmp_path, "prod", "dev", "prod")
    assert problem.severity == "error"
    assert problem.hint == "write `platform.network: {cidr: 10.16.0.0/16}`"


@pytest.mark.parametrize(
    "other", [{"account": "2"}, {"region": "eu-central-1"}, {"network": "  network: {vpc: vpc-0a1b2c3d}\n"}]
)
def test_what_is_elsewhere_or_somebody_elses_is_passed_over(tmp_path: Path, other: dict[str, str]) -> None:
    write(tmp_path, "prod", STATED)
    write(tmp_path, "dev", **{"network": STATED, **other})
    assert told(tmp_path, "prod", "dev", "prod") == []


@pytest.mark.parametrize("text", ["", "version: [", "platform: 3", "platform: {network: {cidr: hello}}"])
def test_a_neighbour_that_cannot_be_read_is_told_of_by_its_own_run(tmp_path: Path, text: str) -> None:
    write(tmp_path, "prod", STATED)
    (tmp_path / "dev.yaml").write_text(text)
    assert told(tmp_path, "prod", "dev", "gone", "prod") == []


def test_environments_without_a_network_get_different_ones(tmp_path: Path) -> None:
    for name in ("dev", "staging", "prod"):
        write(tmp_path, name)
    assert told(tmp_path, "prod", "dev", "prod", "staging") == []


def test_several_neighbours_are_told_in_one_problem(tmp_path: Path) -> None:
    for name in ("dev", "staging", "prod"):
        write(tmp_path, name, STATED)
    (problem,) = told(tmp_path, "prod", "dev", "prod", "staging")
    assert "of `dev` (" in problem.message
    assert "of `staging` (" in problem.message
