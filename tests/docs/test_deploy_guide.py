"""docs/deploy.md: every command is run or judged, and every key, code and time on it is the program's own.

The commands of the page's console blocks are walked in order (`deploy_walk`): git, `spillway` and Python programs are
run, `aws` works on an imitated account, settings are set, and what goes to a cluster or a registry is held against the
charts. What only a life of the engine can show stands in `deploy_lives`, with the test that lives it. A command that
neither knows fails.
"""

from __future__ import annotations

import ast
import json
import re
import shlex
import subprocess
from collections.abc import Iterator
from functools import partial
from itertools import pairwise
from pathlib import Path

import pulumi
import pytest
import yaml
from moto import mock_aws

from infra import settings
from infra.deploy_policy import documents
from infra.naming import stack_prefix
from infra.permissions import PERMISSIONS
from planner.documents.codes import CODES
from planner.edges.catalog_files import load_catalog
from tests.docs.amazon_cli import AmazonCli, NoSuchCommandError
from tests.docs.deploy_lives import LIVES, Lived
from tests.docs.deploy_walk import DIGEST, OPTIONS, PAGE, RULES, SECRET_NAMES, Walk, commands, stated_block
from tests.docs.markdown import ROOT, code, tables, text_of
from tests.engine import stage
from tests.examples import ENVIRONMENTS
from tests.infra.checkout import checkout
from tools.figures.console import checkout_of
from tools.figures.documents import worked_plan
from twin.aws.registry import KINDS

PAGES = (PAGE, OPTIONS, "docs/existing-cluster.md", "docs/monitoring.md")


@pytest.fixture(scope="module")
def walk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Walk]:
    """Walk both pages once. `prod` of the checkout is the small worked environment, which is planned in seconds."""
    place = checkout_of(ENVIRONMENTS, tmp_path_factory.mktemp("guide"))
    small = place.folder / "environments" / "dev.yaml"
    (place.folder / "environments" / "prod.yaml").write_text(small.read_text())
    for name in ("dev", "staging"):
        (place.folder / "environments" / f"{name}.yaml").unlink()
        (place.folder / "environments" / f"{name}.lock.json").unlink()
    (trust,) = re.findall(r"```json\n(.*?)```", text_of(PAGE), re.DOTALL)
    (place.folder / "trust.json").write_text(trust)
    with mock_aws(), pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ACCESS_KEY_ID", "testing")
        patch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
        found = Walk(place, AmazonCli(place.folder))
        for name in SECRET_NAMES:
            found.aws.run(f"aws secretsmanager create-secret --name {stack_prefix('prod')}/{name}")
        for page in (PAGE, OPTIONS):
            for command in commands(text_of(page)):
                found.take(command)
        yield found


@pytest.mark.system
def test_every_command_is_run_here_or_lived_by_a_test(walk: Walk) -> None:
    left = [(command.section, command.text) for command in walk.left]
    lived = [(entry.section, entry.command) for entry in LIVES]
    assert [text for _, text in left] == [text for _, text in lived]
    assert [
        (found, wanted) for (found, _), (wanted, _) in zip(left, lived, strict=True) if not found.startswith(wanted)
    ] == []
    assert walk.edits == 2


@pytest.mark.system
def test_the_role_and_the_state_are_there(walk: Walk) -> None:
    policies_ = json.loads(walk.aws.run("aws iam list-attached-role-policies --role-name deploy-spillway-prod"))
    names = {policy["PolicyName"] for policy in policies_["AttachedPolicies"]}
    parts = documents(worked_plan("prod").platform, "prod", PERMISSIONS)
    assert names == {f"spillway-prod-{part}" for part in parts}
    versioned = json.loads(walk.aws.run("aws s3api get-bucket-versioning --bucket acme-pulumi-state"))
    assert versioned["Status"] == "Enabled"
    asked = "aws secretsmanager get-secret-value --secret-id spillway-prod/client-keys --query SecretString"
    keys = walk.aws.run(asked)
    assert sorted(json.loads(keys)) == ["search", "support"]


@pytest.mark.system
def test_the_settings_of_the_page_can_be_meant(walk: Walk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SPILLWAY_RUNNER", raising=False)
    monkeypatch.setattr("infra.settings.pulumi.Config", partial(pulumi.Config, "spillway"))
    pulumi.runtime.set_all_config({f"spillway:{key}": value for key, value in walk.chosen.items()})
    found = settings.read()
    pulumi.runtime.set_all_config({})
    assert found.runner in stated_block()["platform"]["endpoint"]["public_cidrs"][0]
    assert found.stage == "all"
    assert found.hub_token == "spillway/hub-token"
    assert len(found.accepted_licences) == 1
    images = (found.engine_image, found.gateway_image, found.weights_image)
    assert [image and image.digest for image in images] == [DIGEST] * 3
    assert found.protected is False


@pytest.mark.parametrize("lived", LIVES, ids=lambda lived: f"{lived.section} {lived.command}"[:60])
def test_who_lives_a_command_is_there(lived: Lived) -> None:
    name, _, function = lived.test.partition("::")
    source = text_of(name)
    if function:
        assert function in {node.name for node in ast.walk(ast.parse(source)) if isinstance(node, ast.FunctionDef)}
    assert lived.evidence in text_of(lived.module or name)


@pytest.mark.engine
def test_pulumi_takes_the_stack_and_its_settings(tmp_path: Path) -> None:
    """State lies in a folder and its key is a passphrase here, where the page has a bucket and a key of AWS."""
    root, set_up = checkout(tmp_path / "checkout"), stage(tmp_path / "stage")

    def run_pulumi(*words: str) -> str:
        ended = subprocess.run(
            [str(set_up.pulumi), *words],
            cwd=root,
            env=dict(set_up.environment),
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert ended.returncode == 0, f"{words}: {ended.stdout}{ended.stderr}"
        return ended.stdout

    assert re.match(r"v3\.\d+\.\d+", run_pulumi("version"))
    run_pulumi("login", "file://" + str(tmp_path / "stage" / "state") + "?metadata=skip")
    run_pulumi("stack", "init", "prod", "--secrets-provider", "passphrase")
    for command in commands(text_of(PAGE)):
        if command.text.startswith("pulumi config set "):
            run_pulumi(*shlex.split(command.text.replace("sha256:DIGEST", DIGEST))[1:])
    written = yaml.safe_load((root / "environments" / "Pulumi.prod.yaml").read_text())["config"]
    assert written["spillway:acceptedLicences"] == ["Llama 3.3 Community License"]
    assert {key.removeprefix("spillway:") for key in written} <= settings_of_the_program()
    for inline in ("--clear-pending-creates --yes --stack prod", "--yes --stack prod"):
        run_pulumi("refresh", *inline.split())
    run_pulumi("stack", "rm", "--yes", "--preserve-config", "prod")
    assert (root / "environments" / "Pulumi.prod.yaml").exists()


def test_a_command_is_read_whole_and_with_its_section() -> None:
    text = "## Here\n$ not one\n```console\n$ a \\\n    b\n$ c 'd\n    e'\n```\n### 1. There\n```console\n$ f\n```\n"
    assert [(found.section, found.text) for found in commands(text)] == [
        ("Here", "a b"),
        ("Here", "c 'd e'"),
        ("1. There", "f"),
    ]


@pytest.mark.parametrize("text", ["pulumi import x", "pulumi up --stack dev", "rm -r environments", "helm list"])
def test_no_rule_takes_what_nobody_runs(text: str) -> None:
    assert not any(re.match(pattern, text) for pattern in RULES)


@pytest.mark.parametrize(
    "command",
    [
        "aws s3api make-bucket --bucket a",
        "aws s3api create-bucket --name a",
        "aws iam create-role --role-name",
    ],
)
def test_a_wrong_command_of_aws_is_refused(tmp_path: Path, command: str) -> None:
    with mock_aws(), pytest.raises(NoSuchCommandError):
        AmazonCli(tmp_path).run(command)


def settings_of_the_program() -> set[str]:
    """Keys that the program asks Pulumi for."""
    asked = re.findall(
        r'config\.get\w*\("(\w+)"|_(?:names|image|address)\(config, "(\w+)"', text_of("infra/settings.py")
    )
    return {plain or built for plain, built in asked}


def test_the_table_of_settings_is_the_programs() -> None:
    rows = [re.findall(r"`(\w+)`", row["key"]) for row in tables(text_of(OPTIONS), "key", "meaning")]
    told = [key for row in rows for key in row]
    assert sorted(told) == sorted(settings_of_the_program())
    docstring = re.findall(r"^    (\w+)  ", settings.__doc__ or "", re.MULTILINE)
    assert sorted(docstring) == sorted(told)


@pytest.mark.parametrize("page", PAGES)
def test_every_setting_that_a_page_names_is_one(page: str) -> None:
    assert set(re.findall(r"spillway:([a-zA-Z]+)", text_of(page))) <= settings_of_the_program()


def test_every_code_of_deploying_is_told_once() -> None:
    deploying = sorted(key for key in CODES if key.startswith("DEP"))
    told: list[str] = []
    for row in tables(text_of(PAGE), "code", "reason"):
        for first, last in re.findall(r"`(DEP\d+)`(?:-`(DEP\d+)`)?", row["code"]):
            span = [key for key in deploying if first <= key <= (last or first)]
            assert {first, last or first} <= {*span}
            told += span
    assert sorted(told) == deploying


@pytest.mark.parametrize("page", [PAGE, OPTIONS])
def test_every_code_in_the_text_is_one(page: str) -> None:
    assert {key for key in re.findall(r"\b(?:DEP|ENV|LOCK|POL|CHK)\d{3}\b", text_of(page)) if key not in CODES} == set()


def test_the_times_of_the_twin_are_its_own() -> None:
    minutes = {token.rsplit(":", 1)[-1]: kind.minutes.get("create") for token, kind in KINDS.items()}
    stated = f"the twin plays {minutes['NatGateway']}, {minutes['Addon']} and {minutes['NodeGroup']};"
    assert stated in text_of(PAGE)


def test_the_weights_of_the_arithmetic_are_those_of_the_worked_plan() -> None:
    cluster = worked_plan("prod").platform.cluster
    assert cluster is not None
    stated = re.search(r"(\d+) GB: (\d+) minutes at (\d+) MB/s", text_of(PAGE))
    assert stated is not None
    size, minutes, rate = map(int, stated.groups())
    assert size == round(float(cluster.model_bucket.weights_gb))
    assert minutes == round(size * 1000 / rate / 60)


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ("secret", "a secret (${usd:.2f} a month)"),
        ("kms-key", "a key (${usd:.0f} a month)"),
        ("ecr-storage", "ECR bills ${usd:.2f} a GB and month"),
    ],
)
def test_prices_beside_the_bill_are_those_of_the_snapshot(row: str, words: str) -> None:
    price = load_catalog().prices.price(f"platform/us-east-1/{row}")
    assert price is not None
    assert words.format(usd=price.usd) in text_of(PAGE)


def test_outputs_that_the_page_names_are_exported() -> None:
    sources = "\n".join(path.read_text(encoding="utf-8") for path in (ROOT / "infra").glob("*.py"))
    exported = {*re.findall(r'pulumi\.export\("(\w+)"', sources), "releases", "usd_per_month"}
    (sentence,) = re.findall(r"^Outputs: (.*?)\n\n", text_of(PAGE), re.DOTALL | re.MULTILINE)
    assert set(re.findall(r"`(\w+)`", sentence)) <= exported


def test_links_to_a_section_find_its_heading() -> None:
    for page in (PAGE, OPTIONS):
        headings = {_anchor(heading) for heading in re.findall(r"^#+ (.+)$", text_of(page), re.MULTILINE)}
        name = Path(page).name
        inside = re.findall(r"\]\(#([\w-]+)\)", text_of(page))
        outside = [
            anchor
            for path in (ROOT / "docs").glob("*.md")
            for anchor in re.findall(rf"\]\({re.escape(name)}#([\w-]+)\)", path.read_text(encoding="utf-8"))
        ]
        assert {*inside, *outside} - headings == set(), page


def test_the_page_can_be_read_in_one_go() -> None:
    assert len(text_of(PAGE).splitlines()) <= 340
    steps = [int(number) for number in re.findall(r"^### (\d+)\. ", text_of(PAGE), re.MULTILINE)]
    assert steps[0] == 1
    assert all(after == before + 1 for before, after in pairwise(steps))


def test_cells_of_the_tables_are_filled() -> None:
    rows = [*tables(text_of(PAGE), "part", "time", "who says so"), *tables(text_of(PAGE), "code", "reason")]
    assert len(rows) > 20
    assert [row for row in rows if not all(code(cell) for cell in row.values())] == []


def _anchor(heading: str) -> str:
    """GitHub's anchor of a heading."""
    return re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-")
