"""Environments that cannot be read or cannot be planned, and locks that cannot be used: `plan` tells everything in one
run, exits with 2 or 1, and touches nothing."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from planner.documents.lock import render
from planner.edges import catalog_files
from planner.edges.catalog_yaml import TextLoader, read
from planner.edges.workspace import Workspace
from tests.planner import small
from tests.planner.cli.command import Ended, spillway
from tools.catalog.yaml_text import prices_text

ENVIRONMENT = Path("environments/small.yaml")
LOCK = Path("environments/small.lock.json")

BAD = """\
version: 1
platform:
  account: 123456789012
  region: us-esat-1
  zones: [use1-az4, use1-az6]
horizon: {start: 2026-12-01}
routes:
  chat:
    traffic: {profile: office-hours, requests_per_second: {mean: 5}, trace: azure-conv-2032}
    slo: {ttft_p95: 1200, tpot_p95: 60ms}
    data: secret
    qualty: {}
    quality: {accept: [gpt-oss-12b], source: own evaluation, date: 2026-11-01}
  code:
    traffic: {requests_per_second: {mean: 1}}
    slo: {ttft_p95: 1s, tpot_p95: 60ms}
    data: internal
    quality: {accept: [gpt-oss-120b], source: own evaluation, date: 2026-11-01}
    tiers: [simple]
budget: {monthly: 60000}
"""
TOLD = [
    ("ENV004", 3, "platform.account"),
    ("ENV007", 4, "us-esat-1"),
    ("ENV008", 9, "azure-conv-2032"),
    ("ENV004", 10, "routes.chat.slo.ttft_p95"),
    ("ENV004", 11, "secret"),
    ("ENV003", 12, "qualty"),
    ("ENV006", 13, "gpt-oss-12b"),
    ("ENV005", 14, "code"),
    ("ENV010", 19, "tiers"),
    ("ENV004", 20, "budget.monthly"),
]


def _planned(old: str = "", new: str = "") -> Ended:
    """`plan` of the small environment with one text replaced; a refusal that leaves the folder as it was."""
    text = small.text()
    assert old in text
    ENVIRONMENT.write_text(text.replace(old, new))
    before = {path: path.read_bytes() for path in ENVIRONMENT.parent.iterdir()}
    ended = spillway("plan", "small", "--format", "json")
    assert {path: path.read_bytes() for path in ENVIRONMENT.parent.iterdir()} == before
    return ended


def _messages(ended: Ended) -> str:
    return "\n".join(f"{problem['message']} {problem['hint']}" for problem in ended.document["problems"])


def test_every_problem_of_a_file_in_one_run(unplanned: Workspace) -> None:
    ENVIRONMENT.write_text(BAD)
    ended = spillway("plan", "small", "--format", "json")
    assert ended.status == 2
    found = [(p["code"], p["line"]) for p in ended.document["problems"]]
    assert found == [(code, line) for code, line, _ in TOLD]
    for problem, (_, _, word) in zip(ended.document["problems"], TOLD, strict=True):
        assert word in problem["message"]
        assert problem["file"] == "environments/small.yaml"
    assert sum(bool(problem["hint"]) for problem in ended.document["problems"]) > len(TOLD) / 2


def test_a_problem_is_shown_at_its_place(unplanned: Workspace) -> None:
    ENVIRONMENT.write_text(BAD)
    ended = spillway("plan", "small")
    assert (ended.status, ended.out) == (2, "")
    lines = ended.err.splitlines()
    start = lines.index("error[ENV003]: unknown key `qualty`")
    assert lines[start + 1 : start + 5] == [
        "  --> environments/small.yaml:12:5",
        "  12 |     qualty: {}",
        "     |     ^^^^^^",
        "  hint: did you mean `quality`?",
    ]
    assert sum(line.startswith("error[") for line in lines) == len(TOLD)
    assert lines[-1] == f"{len(TOLD)} problems in environments/small.yaml"


def test_problems_annotate_a_pull_request(unplanned: Workspace) -> None:
    ENVIRONMENT.write_text(BAD)
    ended = spillway("plan", "small", GITHUB_ACTIONS="true")
    assert (ended.status, ended.out) == (2, "")
    annotations = ended.err.splitlines()
    assert len(annotations) == len(TOLD)
    assert all(line.startswith("::error file=environments/small.yaml,line=") for line in annotations)


@pytest.mark.parametrize("text", ["routes: [", "just words", "", "\x00", "a: 1\na: 2\n"])
def test_what_is_no_environment_at_all(unplanned: Workspace, text: str) -> None:
    ENVIRONMENT.write_text(text)
    ended = spillway("plan", "small", "--format", "json")
    assert ended.status == 2
    assert ended.codes
    assert {p["file"] for p in ended.document["problems"]} == {"environments/small.yaml"}


def test_an_environment_that_is_not_there(unplanned: Workspace) -> None:
    ended = spillway("plan", "smal")
    assert (ended.status, ended.out) == (2, "")
    assert "error[IO001]: environments/smal.yaml does not exist" in ended.err
    assert "hint: environments here: small" in ended.err
    assert spillway("plan", "smal", "--format", "json").codes == ["IO001"]


def test_an_slo_that_no_machine_meets(unplanned: Workspace) -> None:
    ended = _planned("tpot_p95: 100ms", "tpot_p95: 1ms")
    assert ended.status == 1
    assert set(ended.codes) == {"INF001"}
    said = _messages(ended)
    assert "route `extraction`" in said
    assert "cannot meet the SLO at any load" in said
    assert "1 ms are asked for" in said  # the nearest candidate, and by how much it falls short
    assert "chat" not in said


def test_an_slo_that_only_apis_meet_is_no_problem_where_they_may_serve(unplanned: Workspace) -> None:
    unlimited = small.text().replace("  monthly_budget: $2000\n", "")
    ENVIRONMENT.write_text(unlimited.replace("tpot_p95: 60ms", "tpot_p95: 1ms"))
    ended = spillway("plan", "small", "--dry-run", "--format", "json")
    assert ended.status == 0
    chat = next(route for route in ended.document["plan"]["routes"] if route["name"] == "chat")
    assert float(chat["spill_share"]) == 1


def test_a_tiny_quota(unplanned: Workspace) -> None:
    ended = _planned("quotas: {G: 192, P: 384}", "quotas: {G: 4, P: 0}")
    assert (ended.status, ended.codes) == (1, ["INF002"])
    assert "the vCPU quota of family G would have to be" in _messages(ended)
    assert "raise the quota" in _messages(ended)


def test_a_tiny_budget(unplanned: Workspace) -> None:
    ended = _planned("budget: {monthly: $20000}", "budget: {monthly: $100}")
    assert (ended.status, ended.codes) == (1, ["INF002"])
    assert "the budget would have to be" in _messages(ended)
    assert "raise `budget:`" in _messages(ended)


def test_two_tiny_limits_are_told_side_by_side(unplanned: Workspace) -> None:
    text = small.text().replace("quotas: {G: 192, P: 384}", "quotas: {G: 4, P: 0}").replace("$20000", "$100")
    ENVIRONMENT.write_text(text)
    ended = spillway("plan", "small", "--format", "json")
    assert (ended.status, ended.codes) == (1, ["INF002", "INF002"])
    lines = [text.splitlines()[problem["line"] - 1] for problem in ended.document["problems"]]
    assert lines == ["quotas: {G: 4, P: 0}", "budget: {monthly: $100}"]
    assert [problem["hint"].split(",")[0] for problem in ended.document["problems"]] == [
        "raise the quota in AWS and in `quotas:`",
        "raise `budget:`",
    ]
    for verb in (spillway("plan", "small"), spillway("plan", "small", GITHUB_ACTIONS="true")):
        assert verb.err.count("INF002") == 2


def test_tiny_limits_at_the_only_api(unplanned: Workspace) -> None:
    only = small.text().replace("accept: [qwen3-8b, gpt-5.4-mini]", "accept: [gpt-5.4-mini]")
    ENVIRONMENT.write_text(only.replace("tpm: 2M", "tpm: 2k").replace("  monthly_budget: $2000\n", ""))
    ended = spillway("plan", "small", "--format", "json")
    assert (ended.status, ended.codes) == (1, ["INF002"])
    assert "the tokens a minute of openai would have to be" in _messages(ended)
    assert "raise the limit with openai and in `api.providers.openai.limits.tpm`" in _messages(ended)


def test_zones_without_the_only_machine_that_fits(unplanned: Workspace) -> None:
    """671 B parameters in fp8 need eight H200 or B200, which these two zones do not sell."""
    ended = _planned("accept: [qwen3-8b]", "accept: [deepseek-r1]")
    assert ended.status == 1
    assert set(ended.codes) == {"INF001"}
    assert "route `extraction`" in _messages(ended)
    assert "not sold in the environment's zones" in _messages(ended)
    assert "does not fit the GPU's memory" in _messages(ended)


def test_a_zone_of_another_region(unplanned: Workspace) -> None:
    ended = _planned("zones: [use1-az1, use1-az5]", "zones: [usw2-az1, use1-az5]")
    assert (ended.status, ended.codes) == (2, ["ENV007"])
    assert "usw2-az1" in _messages(ended)


@pytest.fixture
def without_prices(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], None]]:
    """Takes all prices away whose key starts so, in a catalog of the test's own."""
    folder = tmp_path / "catalog"
    shutil.copytree(Path(str(catalog_files.package_folder())), folder)

    def take_away(start: str) -> None:
        kind, group, prefix = start.split("/", 2)
        file = max((folder / "prices").glob(f"*/{kind}/{group}.yaml"))  # of the newest day
        found = read(file.read_text(encoding="utf-8"), file.name, TextLoader).value
        kept = {name: block for name, block in found["prices"].items() if not f"{name}/".startswith(prefix)}
        assert len(kept) < len(found["prices"])
        file.write_text(prices_text({**found, "prices": kept}), encoding="utf-8")
        catalog_files.load_catalog.cache_clear()

    monkeypatch.setattr(catalog_files, "package_folder", lambda: folder)
    yield take_away
    catalog_files.load_catalog.cache_clear()


WEST = ("region: us-east-1\n  zones: [use1-az1, use1-az5]", "region: us-west-2\n  zones: [usw2-az1, usw2-az2]")


def test_a_price_that_every_plan_needs_is_missing(unplanned: Workspace, without_prices: Callable[[str], None]) -> None:
    without_prices("platform/us-west-2/eks-control-plane")
    ended = _planned(*WEST)
    assert (ended.status, set(ended.codes)) == (1, {"ENV020"})
    assert "platform/us-west-2/eks-control-plane" in _messages(ended)


def test_machines_without_a_price_are_not_bought(unplanned: Workspace, without_prices: Callable[[str], None]) -> None:
    without_prices("ec2/us-west-2/g")
    without_prices("ec2/us-west-2/p")
    ended = _planned(*WEST)
    assert (ended.status, set(ended.codes)) == (1, {"INF001"})
    assert "has no price" in _messages(ended)


def test_one_machine_without_a_price_warns_and_another_is_bought(
    unplanned: Workspace, without_prices: Callable[[str], None]
) -> None:
    """Missing is never zero: the plan does not take what it cannot price, and says that it could not."""
    bought = {group.instance_type for group in small.planned().lock.plan.node_groups}
    for instance in bought:
        without_prices(f"ec2/us-east-1/{instance}/")
    ended = spillway("plan", "small", "--dry-run", "--format", "json")
    assert ended.status == 0
    plan = ended.document["plan"]
    assert not bought & {group["instance_type"] for group in plan["node_groups"]}
    (gap,) = [verdict for verdict in plan["verdicts"] if verdict["name"] == "gap price"]
    assert gap["state"] == "warn"
    assert all(instance in gap["message"] for instance in bought)


@pytest.mark.parametrize(
    ("damage", "code"),
    [
        (lambda text: text[: len(text) // 2], "LOCK001"),
        (lambda text: "", "LOCK001"),
        (lambda text: f"<<<<<<< main\n{text}=======\n{text}>>>>>>> mine\n", "LOCK001"),
        (lambda text: text.replace('"format_version": "1.', '"format_version": "2.'), "LOCK002"),
        (lambda text: text.replace('"usd_per_month"', '"eur_per_month"'), "LOCK003"),
    ],
    ids=["truncated", "empty", "conflicted", "other-major", "other-keys"],
)
def test_a_lock_that_cannot_be_read_is_not_overwritten(
    checkout: Workspace, damage: Callable[[str], str], code: str
) -> None:
    LOCK.write_text(damage(render(small.planned().lock)))
    ended = _planned()
    assert (ended.status, set(ended.codes)) == (2, {code})
    assert {problem["file"] for problem in ended.document["problems"]} == {"environments/small.lock.json"}
    assert any("plan" in problem["hint"] for problem in ended.document["problems"])
