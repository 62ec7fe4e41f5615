"""`check`, `diff` and `show`: locks read without a solver, each kind of doubt with its code and exit code."""

from __future__ import annotations

import csv
import io
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import pytest

from planner.documents.lock import Lock, load, render
from planner.documents.review import Review
from planner.edges.workspace import Workspace
from tests.examples import ENVIRONMENTS, ROOT
from tests.planner import small
from tests.planner.cli.command import Ended, spillway
from tests.planner.documents.changes_of_plans import PRICE, PRICES_OF_OPENAI

ENVIRONMENT = Path("environments/small.yaml")
LOCK = Path("environments/small.lock.json")
OLD = Path(__file__).resolve().parents[2] / "data" / "locks" / "1.0"


def _checked() -> Ended:
    return spillway("check", "small", "--format", "json")


def _judged(ended: Ended) -> list[tuple[str, str]]:
    (problems,) = ended.document["environments"].values()
    return [(problem["code"], problem["severity"]) for problem in problems]


def _git(*arguments: str) -> None:
    identity = {"GIT_AUTHOR_NAME": "a", "GIT_AUTHOR_EMAIL": "a@localhost", "GIT_CONFIG_GLOBAL": os.devnull}
    identity |= {"GIT_COMMITTER_NAME": "a", "GIT_COMMITTER_EMAIL": "a@localhost"}
    subprocess.run(["git", *arguments], env=os.environ | identity, check=True, capture_output=True)


def _committed() -> None:
    _git("init", "--quiet")
    _git("add", "environments")
    _git("commit", "--quiet", "--message", "first")


def test_a_fresh_lock(checkout: Workspace) -> None:
    ended = spillway("check", "small")
    assert (ended.status, ended.out, ended.err) == (0, "small: fresh\n", "")
    assert _checked().document == {"checks": {"small": []}, "environments": {"small": []}, "problems": []}


def test_all_environments_are_checked_by_default(checkout: Workspace) -> None:
    small.workspace(Path("environments"), lock=small.planned().lock)
    Path("environments/other.yaml").write_text(small.text())
    Path("environments/Pulumi.small.yaml").write_text("config: {}\n")  # a stack's settings, no environment
    ended = spillway("check")
    assert ended.out == "small: fresh\n"
    assert "error[LOCK004]: environments/other.lock.json does not exist" in ended.err
    assert "hint: run `spillway plan other`" in ended.err
    assert ended.status == 2


def test_an_environment_that_changed_makes_its_lock_stale(checkout: Workspace) -> None:
    ENVIRONMENT.write_text(small.changed())
    ended = spillway("check")
    assert (ended.status, ended.out) == (1, "small: 1 problem\n")
    assert "error[LOCK010]: stale: the environment has changed since it was planned" in ended.err
    assert "routes.chat.traffic.requests_per_second.mean: 1.0 → 3.0" in ended.err
    assert "hint: run `spillway plan small`" in ended.err


def test_a_comment_or_another_spelling_changes_nothing(checkout: Workspace) -> None:
    ENVIRONMENT.write_text("# reviewed\n" + small.text().replace("1200ms", "1.2s").replace("$20000", "$20,000.00"))
    assert spillway("check").status == 2  # inside {…} a comma ends the value
    ENVIRONMENT.write_text("# reviewed\n" + small.text().replace("1200ms", "1.2s").replace("$20000", '"$20,000.00"'))
    assert _judged(_checked()) == []


@pytest.mark.parametrize(
    ("tamper", "codes"),
    [
        (lambda text: text.replace('"max_num_seqs": ', '"max_num_seqs": 1'), {"LOCK011"}),
        (lambda text: text.replace('"exclusive": true', '"exclusive": false'), {"LOCK011", "CHK006"}),
        (lambda text: text.replace('"min": 2', '"min": 1'), {"LOCK011", "CHK004"}),
        (lambda text: text.replace('"$20,000"', '"$90,000"'), {"LOCK011"}),
    ],
    ids=["engine", "privacy", "reserve", "embedded-budget"],
)
def test_a_lock_that_was_edited_by_hand(checkout: Workspace, tamper: Callable[[str], str], codes: set[str]) -> None:
    text = render(small.planned().lock)
    assert tamper(text) != text
    LOCK.write_text(tamper(text))
    ended = _checked()
    assert ended.status == 1
    assert {code for code, _ in _judged(ended)} == codes


def test_facts_make_stale_and_prices_only_age(checkout: Workspace) -> None:
    parts = small.planned().lock.model_dump(mode="json")
    parts["digests"]["facts"] = parts["digests"]["prices"] = parts["digests"]["calibration"] = "sha256:of another day"
    LOCK.write_text(render(_sealed(parts)))
    ended = _checked()
    assert ended.status == 1
    assert _judged(ended) == [("LOCK010", "error"), ("LOCK020", "warning"), ("LOCK020", "warning")]
    parts["digests"]["facts"] = small.planned().lock.digests.facts
    LOCK.write_text(render(_sealed(parts)))
    aged = spillway("check", "small")
    assert (aged.status, aged.out) == (0, "small: fresh\n")
    assert aged.err.count("warning[LOCK020]") == 2


def _sealed(parts: dict[str, object]) -> Lock:
    """Parts of a lock with the content digest that fits them: what a program, not a hand, would have written."""
    from planner.documents.lock import content_digest

    lock = Lock.model_validate(parts)
    digest = content_digest(lock.model_dump(mode="json"))
    return lock.model_copy(update={"digests": lock.digests.model_copy(update={"content": digest})})


@pytest.mark.parametrize("verb", ["check", "show", "diff", "explain", "rehearse"])
@pytest.mark.parametrize(
    ("damage", "code"),
    [
        (lambda text: text[: len(text) // 2], "LOCK001"),
        (lambda text: text.replace("{", "<<<<<<< HEAD\n{", 1), "LOCK001"),
        (lambda text: text.replace('"format_version": "1.', '"format_version": "2.'), "LOCK002"),
        (lambda text: text.replace('"replicas": {', '"replikas": {', 1), "LOCK003"),
    ],
    ids=["truncated", "conflicted", "other-major", "other-keys"],
)
def test_a_lock_that_cannot_be_read_ends_every_verb_with_2(
    checkout: Workspace, verb: str, damage: Callable[[str], str], code: str
) -> None:
    LOCK.write_text(damage(render(small.planned().lock)))
    ended = spillway(verb, "small")
    assert (ended.status, ended.out) == (2, "")
    assert f"error[{code}]" in ended.err
    assert "--> environments/small.lock.json:" in ended.err


@pytest.mark.parametrize("verb", ["check", "show", "diff", "rehearse"])
def test_without_a_lock_every_verb_says_which_command_makes_it(unplanned: Workspace, verb: str) -> None:
    ended = spillway(verb, "small", "--format", "json")
    assert ended.status == 2
    assert ended.codes == ["LOCK004"]
    assert ended.document["problems"][0]["hint"] == "run `spillway plan small`"


def test_a_newer_minor_version_is_read_and_its_keys_are_kept(checkout: Workspace) -> None:
    parts = {**small.planned().lock.model_dump(mode="json"), "format_version": "1.7", "later": {"on": "yes"}}
    LOCK.write_text(render(_sealed(parts)))
    assert _judged(_checked()) == []
    assert spillway("show", "small", "--format", "json").document["later"] == {"on": "yes"}


def test_an_empty_folder_is_no_answer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert spillway("check", "--format", "json").codes == ["IO001"]
    assert spillway("check").status == 2


def test_check_imports_no_solver(checkout: Workspace) -> None:
    code = (
        "import sys\nfrom planner.cli.main import app\n"
        "try: app(['check'])\nexcept SystemExit as end: print(end.code)\n"
        "print(*sorted({'highspy', 'planner.decision'} & set(sys.modules)))"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ended.stdout.split() == ["small:", "fresh", "0"]


def test_show_is_what_plan_showed_and_the_budget(checkout: Workspace) -> None:
    shown, planned = spillway("show", "small").out, spillway("plan", "small", "--dry-run").out
    assert shown.startswith(planned)
    assert shown.removeprefix(planned).startswith("\nBudget\n")
    assert Lock.model_validate(spillway("show", "small", "--format", "json").document) == small.planned().lock


def test_diff_against_a_revision(checkout: Workspace) -> None:
    _committed()
    ended = spillway("diff", "small", "--base", "HEAD", "--exit-code")
    assert (ended.status, ended.err) == (0, "")
    assert "unchanged" in ended.out
    small.workspace(Path("environments"), small.changed(), small.replanned().lock)
    ended = spillway("diff", "small", "--base", "HEAD")
    assert ended.status == 0
    assert "chat gets 1 → 3 requests/s on average   environments/small.yaml:16" in ended.out
    assert spillway("diff", "small", "--exit-code").status == 1  # HEAD is the default


def test_diff_against_a_file(checkout: Workspace, tmp_path: Path) -> None:
    (tmp_path / "base.lock.json").write_text(render(small.planned().lock))
    small.workspace(Path("environments"), small.changed(), small.replanned().lock)
    ended = spillway("diff", "small", "--base", "base.lock.json", "--format", "json")
    assert ended.status == 0
    told = Review.model_validate(ended.document)
    change = small.replanned().lock.plan.cost.usd_per_month - small.planned().lock.plan.cost.usd_per_month
    assert told.change_usd_per_month == change
    (cause,) = told.attribution.causes
    assert (cause.kind, cause.name, cause.usd_per_month) == (
        "environment",
        "routes.chat.traffic.requests_per_second.mean",
        change,
    )
    assert "of the base there is only its lock" in told.attribution.note
    assert sum(line.usd_per_month - line.base_usd_per_month for line in told.lines) == change
    grown = next(p for p in small.planned().lock.plan.pools if p.privacy == "internal")
    touched = {part.part: part for part in told.touched}
    assert {f"pool {grown.name}", f"node group {grown.node_group}"} <= set(touched)
    assert set(touched) <= {f"pool {grown.name}", f"node group {grown.node_group}", "route chat"}
    assert ("nodes", "1", "2") in touched[f"node group {grown.node_group}"].values


def test_a_quick_diff_plans_nothing(checkout: Workspace) -> None:
    _committed()
    small.workspace(Path("environments"), small.changed(), small.replanned().lock)
    code = (
        "import sys\nfrom planner.cli.main import app\n"
        "try: app(['diff', 'small', '--quick', '--format', 'json'])\nexcept SystemExit as end: pass\n"
        "print(*sorted({'highspy', 'planner.decision'} & set(sys.modules)), file=sys.stderr)"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ended.stderr.strip() == ""
    lead, key = Review.model_validate_json(ended.stdout).attribution.causes
    assert (lead.what, lead.usd_per_month is None, key.usd_per_month) == ("changed inputs, at old prices", False, None)


def test_the_base_has_its_own_catalog_and_nothing_of_it_stays(
    checkout: Workspace, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A team's own price changes; no YAML of the environment does. The base's price is in git alone."""
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(temporary))
    own = Path("environments") / PRICES_OF_OPENAI
    own.parent.mkdir(parents=True)
    own.write_text(PRICE.format(input="0.30", output="1.80"))
    assert spillway("plan", "small").status == 0
    _committed()
    own.write_text(PRICE.format(input="0.60", output="3.60"))
    assert spillway("plan", "small").status == 0
    leftover = temporary / "spillway-base-999999999-killed"
    leftover.mkdir()
    told = Review.model_validate(spillway("diff", "small", "--format", "json").document)
    assert {cause.kind for cause in told.attribution.causes} == {"prices"}
    assert {(cause.old, cause.new) for cause in told.attribution.causes} == {
        ("$0.30 / Mtok", "$0.60 / Mtok"),
        ("$1.80 / Mtok", "$3.60 / Mtok"),
    }
    assert list(temporary.iterdir()) == []


def test_a_base_whose_environment_no_release_reads_has_two_sums(checkout: Workspace) -> None:
    parts = small.planned().lock.model_dump(mode="json")
    parts["environment"]["of another release"] = True
    Path("base.lock.json").write_text(render(_sealed(parts)))
    small.workspace(Path("environments"), small.changed(), small.replanned().lock)
    ended = spillway("diff", "small", "--base", "base.lock.json", "--format", "json")
    assert ended.status == 0
    told = Review.model_validate(ended.document)
    assert told.change_usd_per_month == sum(c.usd_per_month or Decimal(0) for c in told.attribution.causes)


@pytest.mark.parametrize("name", ["dev", "staging", "prod"])
def test_diff_against_a_lock_of_format_1_0(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As release 0.1 wrote it, against the committed lock of today."""
    monkeypatch.chdir(tmp_path)
    shutil.copytree(ENVIRONMENTS, "environments")
    base, proposed = load((OLD / f"{name}.lock.json").read_text(), name), Workspace(ENVIRONMENTS).existing_lock(name)
    text = spillway("diff", name, "--base", str(OLD / f"{name}.lock.json"))
    assert (text.status, text.err) == (0, "")
    assert text.out.startswith(f"Plan for {name}: ")
    ended = spillway("diff", name, "--base", str(OLD / f"{name}.lock.json"), "--format", "json")
    change = proposed.plan.cost.usd_per_month - base.plan.cost.usd_per_month
    told = Review.model_validate(ended.document)
    assert told.change_usd_per_month == change
    assert sum(cause.usd_per_month or Decimal(0) for cause in told.attribution.causes) == change


def test_the_first_lock_is_all_new(checkout: Workspace) -> None:
    _git("init", "--quiet")
    _git("commit", "--quiet", "--allow-empty", "--message", "nothing yet")
    ended = spillway("diff", "small", "--format", "json")
    assert ended.status == 0
    assert ended.document["base_usd_per_month"] is None
    assert "HEAD has no lock of small: everything is new" in ended.err


@pytest.mark.parametrize(
    ("base", "code"),
    [("no-such-branch", "GIT001"), ("gone.lock.json", "IO001"), ("environments/small.yaml", "LOCK001")],
)
def test_a_base_that_is_none(checkout: Workspace, base: str, code: str) -> None:
    _committed()
    ended = spillway("diff", "small", "--base", base, "--format", "json")
    assert (ended.status, ended.codes) == (2, [code])


def test_a_base_that_is_none_is_told_once_for_all_environments(checkout: Workspace) -> None:
    _committed()
    ended = spillway("check", "small", "./environments/small.yaml", "--base", "no-such-branch", "--format", "json")
    assert (ended.status, ended.codes) == (2, ["GIT001"])


def test_outside_of_git(checkout: Workspace, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    assert spillway("diff", "small", "--format", "json").codes == ["GIT001"]


def test_json_documents_are_sorted(checkout: Workspace) -> None:
    out = spillway("show", "small", "--format", "json").out
    assert out == json.dumps(json.loads(out), indent=2, sort_keys=True, ensure_ascii=False) + "\n"


EURO = "currency: EUR\nper_usd: 0.92\nsource: ECB reference rate\nas_of: 2026-11-01\n...\n"
RATE = "note: $1 = 0.92 EUR of 2026-11-01 (ECB reference rate); the lock is in dollars\n"


def test_the_bill_for_finance_in_each_form(checkout: Workspace) -> None:
    """The answer stands alone on stdout, and what a reader must know beside it on stderr."""
    before = LOCK.read_bytes()
    cost = small.planned().lock.plan.cost
    Path("environments/catalog").mkdir()
    Path("environments/catalog/currency.yaml").write_text(EURO)
    text, told = spillway("show", "small"), {"csv": RATE, "markdown": RATE, "focus": RATE}
    assert "Budget" in text.out
    assert f"{cost.usd_per_month * 12:,}" in text.out
    assert "$1 = 0.92 EUR" in text.out
    answers = {form: spillway("show", "small", "--format", form) for form in told}
    assert {form: ended.err for form, ended in answers.items()} == told
    rows = list(csv.DictReader(io.StringIO(answers["csv"].out)))
    assert sum(Decimal(row["usd_per_month"]) for row in rows) == cost.usd_per_month
    rows = list(csv.DictReader(io.StringIO(answers["focus"].out)))
    assert sum(Decimal(row["BilledCost"]) for row in rows) == 12 * cost.usd_per_month
    assert answers["markdown"].out.startswith("## Bill of small\n\n**$")
    assert LOCK.read_bytes() == before
    assert spillway("check").status == 0


def test_a_stale_lock_warns_beside_the_bill_and_a_wrong_rate_is_refused(checkout: Workspace) -> None:
    ENVIRONMENT.write_text(small.changed())
    ended = spillway("show", "small", "--format", "csv")
    assert (ended.status, ended.out.splitlines()[0][:11]) == (0, "environment")
    assert "warning[LOCK010]" in ended.err
    Path("environments/catalog").mkdir()
    Path("environments/catalog/currency.yaml").write_text(EURO.replace("0.92", "0"))
    refused = spillway("show", "small", "--format", "csv")
    assert (refused.status, refused.out) == (2, "")
    assert "environments/catalog/currency.yaml:2" in refused.err


def test_a_lock_whose_environment_cannot_be_read_is_shown_without_a_budget(checkout: Workspace) -> None:
    parts = small.planned().lock.model_dump(mode="json")
    parts["environment"]["horizon"]["months"] = "many"
    LOCK.write_text(render(_sealed(parts)))
    ended = spillway("show", "small")
    assert (ended.status, "Budget" in ended.out, "Cost a month" in ended.out) == (0, False, True)
    assert "warning[LOCK003]: the environment inside the lock cannot be read" in ended.err
    asked = spillway("show", "small", "--format", "csv")
    assert (asked.status, asked.out) == (2, "")
    assert "error[LOCK003]: the environment inside the lock cannot be read: 1 of its values do not fit" in asked.err


@pytest.mark.parametrize("form", ["csv", "markdown", "focus"])
def test_the_bill_of_a_lock_of_release_0_1(checkout: Workspace, form: str) -> None:
    text = (ROOT / "tests" / "data" / "locks" / "1.0" / "prod.lock.json").read_text()
    Path("environments/prod.lock.json").write_text(text)
    ended = spillway("show", "prod", "--format", form)
    assert (ended.status, len(ended.out.splitlines()) > 10) == (0, True)


def test_a_base_with_a_damaged_catalog_has_two_sums_and_says_why(checkout: Workspace) -> None:
    own = Path("environments") / PRICES_OF_OPENAI
    own.parent.mkdir(parents=True)
    own.write_text("prices: [\n")
    _committed()
    shutil.rmtree("environments/catalog")
    small.workspace(Path("environments"), small.changed(), small.replanned().lock)
    ended = spillway("diff", "small", "--format", "json")
    assert ended.status == 0
    told = Review.model_validate(ended.document).attribution
    assert told.note.startswith("nothing between the two plans can be planned now (")
    assert told.causes[0].what == "changed inputs, at old prices"
