"""The rules of a team bind `pulumi up`: a denial stops the run before any resource, and so does a file of rules that
cannot be read."""

from __future__ import annotations

import subprocess
from decimal import Decimal
from pathlib import Path

import pulumi
import pytest

from infra.charts import engine_version
from tests.infra import locks
from tests.infra.programs import Registered, run_program

HARD = "gpus: {deny: 1}"
SOFT = "gpus: {deny: 1, may_override: the CTO}"


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[Registered]:
    """Runs that came as far as registering something."""
    seen: list[Registered] = []
    monkeypatch.setattr("infra.on_amazon._Environment.register", lambda *arguments: seen.append(Registered()))
    return seen


def write(environments: Path, rule: str, more: str = "") -> None:
    locks.write(environments, locks.plan(), environment=locks.environment_text() + more)
    (environments / "policies").mkdir(exist_ok=True)
    (environments / "policies" / "team.yaml").write_text(f"version: 1\nrules:\n  {rule}\n")


@pytest.mark.parametrize(("rule", "code"), [(HARD, "POL011"), (SOFT, "POL010")])
def test_a_denial_stops_the_run(rule: str, code: str, environments: Path, started: list[Registered]) -> None:
    write(environments, rule)
    with pytest.raises(pulumi.RunError) as refusal:
        run_program("prod", {})
    text = str(refusal.value)
    assert text.startswith("environment `prod` is not deployed; nothing was changed.")
    assert f"error[{code}]: denied: team.gpus: 10 GPUs: more than 1" in text
    assert "policies/team.yaml:3" in text
    assert started == []


def test_break_glass_sets_aside_what_somebody_may_override_and_nothing_else(
    environments: Path, started: list[Registered], caplog: pytest.LogCaptureFixture
) -> None:
    write(environments, SOFT)
    run_program("prod", {"override": "incident 4711"})
    assert len(started) == 1
    assert "set aside: POL010" in caplog.text
    write(environments, HARD)
    with pytest.raises(pulumi.RunError, match="does not set this aside"):
        run_program("prod", {"override": "incident 4711"})
    assert len(started) == 1


@pytest.mark.parametrize(("until", "deployed"), [("2099-12-31", True), ("2026-01-01", False)])
def test_an_override_counts_to_its_last_day(
    until: str, deployed: bool, environments: Path, started: list[Registered], caplog: pytest.LogCaptureFixture
) -> None:
    write(environments, SOFT, f"overrides: [{{rule: team.gpus, reason: launch, by: Jane Doe, until: {until}}}]\n")
    if deployed:
        run_program("prod", {})
        assert "POL013: overridden: team.gpus" in caplog.text
    else:
        with pytest.raises(pulumi.RunError, match="its override by Jane Doe ended on 2026-01-01"):
            run_program("prod", {})
    assert len(started) == deployed


@pytest.mark.parametrize("config", [{}, {"override": "incident 4711"}])
def test_rules_that_cannot_be_read_stop_the_run(
    config: dict[str, str], environments: Path, started: list[Registered]
) -> None:
    write(environments, "gpu: {deny: 1}")
    with pytest.raises(pulumi.RunError, match="POL003"):
        run_program("prod", config)
    assert started == []


@pytest.mark.parametrize(
    ("deployed", "code"),
    [(None, "POL012"), (Decimal(1), "POL011"), (Decimal("1e9"), "")],
    ids=["unknown", "less", "more"],
)
def test_a_change_is_judged_against_what_is_deployed(
    deployed: Decimal | None,
    code: str,
    environments: Path,
    started: list[Registered],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    outputs = {} if deployed is None else {"usd_per_month": str(deployed)}
    monkeypatch.setattr("infra.program.stack_outputs", lambda: outputs)
    write(environments, "cost_change: {deny: $5}")
    if code == "POL011":
        with pytest.raises(pulumi.RunError, match=r"POL011.*\+\$"):
            run_program("prod", {})
        return
    run_program("prod", {})
    assert len(started) == 1
    assert ("not judged: there is no base to compare with" in caplog.text) == (code == "POL012")


def test_the_bill_that_is_deployed_becomes_an_output(environments: Path, started: list[Registered]) -> None:
    write(environments, "gpus: {deny: 99}")
    assert run_program("prod", {}).outputs["usd_per_month"] == str(locks.plan().cost.usd_per_month)


def test_the_engine_is_the_charts_or_the_stacks_own(environments: Path, started: list[Registered]) -> None:
    write(environments, f'engine_version: {{deny: "{engine_version()}"}}')
    run_program("prod", {})
    with pytest.raises(pulumi.RunError, match=r"v0\.30\.1 is below"):
        run_program("prod", {"engineImage": "registry.example/vllm:v0.30.1@sha256:" + "1" * 64})
    assert len(started) == 1


def test_a_protected_environment_is_judged_by_what_is_committed(environments: Path, started: list[Registered]) -> None:
    def git(*arguments: str) -> None:
        identity = ("-c", "user.name=test", "-c", "user.email=test@example.com", "-c", "commit.gpgsign=false")
        subprocess.run(["git", *identity, *arguments], cwd=environments, check=True, capture_output=True)

    write(environments, SOFT)
    git("init", "-q")
    git("add", ".")
    git("commit", "-qm", "plan")
    team = environments / "policies" / "team.yaml"
    for weaken in (lambda: team.unlink(), lambda: team.write_text("version: 1\nrules: {gpus: {deny: 99}}\n")):
        weaken()
        with pytest.raises(pulumi.RunError, match=r"what judges a protected environment.*policies/team.yaml"):
            run_program("prod", {"protected": "true", **locks.IMAGES})
        run_program("prod", {})  # an unprotected environment follows the working copy
        git("checkout", "-q", ".")
    override = "overrides: [{rule: team.gpus, reason: launch, by: Jane Doe, until: 2099-12-31}]\n"
    (environments / "prod.yaml").write_text(locks.environment_text() + override)
    with pytest.raises(pulumi.RunError, match=r"what judges a protected environment.*prod.yaml"):
        run_program("prod", {"protected": "true", **locks.IMAGES})
    git("commit", "-qam", "overridden")
    run_program("prod", {"protected": "true", **locks.IMAGES})
    assert len(started) == 3
