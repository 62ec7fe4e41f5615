"""docs/deploy.md: every command is run or judged, and every key, code and time on it is the program's own.

The commands of the page's console blocks are walked in order, in a checkout of the worked environments, by `RULES`:
git, `spillway` and Python programs are run, `aws` works on an imitated account, settings are set, and what goes to a
cluster or a registry is held against the charts. What only a life of the engine can show is in `LIVES`, in the order of
the page, with the test that lives it. A command that neither knows fails.
"""

from __future__ import annotations

import ast
import json
import re
import shlex
import subprocess
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import pulumi
import pytest
import yaml
from moto import mock_aws

from gateway.keys import load_keys
from gateway.request import parse_chat_request
from infra import settings
from infra.charts import chart_image
from infra.deploy_policy import LIMIT
from infra.gateway_release import PORT
from infra.images import Image
from infra.naming import GATEWAY_NAMESPACE, GATEWAY_RELEASE, stack_prefix
from infra.platform_layer import DEVICE_PLUGIN_IMAGE
from infra.registries import Mirror
from planner.documents.codes import CODES
from planner.edges.aws_quotas import QUOTA_CODES
from planner.edges.catalog_files import load_catalog
from tests.docs.amazon_cli import AmazonCli, NoSuchCommandError
from tests.docs.markdown import ROOT, code, tables, text_of
from tests.engine import stage
from tests.examples import ENVIRONMENTS
from tests.infra import locks
from tests.infra.checkout import checkout
from tools.figures.console import Checkout, checkout_of
from tools.figures.documents import worked_plan
from twin.aws.registry import KINDS

PAGE, OPTIONS = "docs/deploy.md", "docs/deploy-options.md"
PAGES = (PAGE, OPTIONS, "docs/existing-cluster.md", "docs/monitoring.md")
DIGEST = "sha256:" + "d" * 64
SECRET_NAMES = ("client-keys", "GOOGLE_API_KEY")


@dataclass(frozen=True)
class Command:
    """A command stands in a section of a page."""

    section: str
    text: str


@dataclass(frozen=True)
class Lived:
    """A test lives what a command does.

    section: beginning of the section's heading.
    evidence: what the test's module, or the one beside it that holds its fixture, must contain.
    """

    section: str
    command: str
    test: str
    evidence: str
    module: str = ""


HERE = "tests/docs/test_deploy_guide.py"
FIRST, SUPPLY = "tests/infra/test_engine.py", "tests/infra/test_supply_engine.py"
SIDES, KILLS = "tests/infra/test_side_by_side.py", "tests/infra/test_kills.py"
LIVES = (
    Lived("1.", "make setup-python", "tests/test_setup.py", "tools.setup"),
    Lived("1.", "pulumi version", f"{HERE}::test_pulumi_takes_the_stack_and_its_settings", '"version"'),
    Lived(
        "2.",
        "pulumi login s3://acme-pulumi-state",
        f"{HERE}::test_pulumi_takes_the_stack_and_its_settings",
        '"login", "file://',
    ),
    Lived(
        "3.",
        "spillway catalog quotas",
        "tests/planner/cli/test_refreshing.py::test_quotas_are_printed_to_paste_and_compared",
        '"catalog", "quotas"',
    ),
    Lived(
        "7.",
        'pulumi stack init prod --secrets-provider "awskms://alias/pulumi-state?region=us-east-1"',
        f"{HERE}::test_pulumi_takes_the_stack_and_its_settings",
        '"stack", "init"',
    ),
    Lived(
        "9.",
        "pulumi preview --stack prod",
        f"{FIRST}::test_the_first_preview_shows_everything_and_makes_nothing",
        '"first preview"] = pulumi.preview()',
    ),
    Lived(
        "9.",
        "pulumi up --stack prod",
        f"{SUPPLY}::test_the_first_up_makes_the_secrets_says_how_to_fill_them_and_stops",
        '"first up"] = pulumi.up()',
    ),
    Lived(
        "9.",
        "pulumi up --stack prod",
        f"{SUPPLY}::test_the_second_up_makes_all_else_and_every_replica_is_ready",
        '"second up"] = pulumi.up()',
    ),
    Lived(
        "9.",
        "pulumi up --stack prod",
        f"{SIDES}::test_the_first_stage_makes_the_cluster_from_outside_and_says_what_is_next",
        '"prod, cluster"] = _done(prod.up())',
    ),
    Lived(
        "9.",
        "SPILLWAY_RUNNER=inside pulumi up --stack prod",
        f"{SIDES}::test_the_second_stage_comes_from_a_runner_inside",
        '{"SPILLWAY_RUNNER": "inside"}',
    ),
    Lived(
        "11.",
        "pulumi preview --expect-no-changes --stack prod",
        f"{FIRST}::test_a_preview_after_up_shows_no_change",
        '"second preview"] = pulumi.preview()',
    ),
    Lived(
        "Scaling",
        "pulumi up --stack prod",
        f"{FIRST}::test_a_change_of_the_environment_touches_what_it_names",
        '"change"] = _done(pulumi.up())',
    ),
    Lived(
        "Rollback",
        "pulumi up --stack prod",
        f"{FIRST}::test_after_an_outage_the_same_command_converges",
        "plan(vault_nodes=4)\n",
    ),
    Lived(
        "After a kill",
        "pulumi cancel --stack prod",
        f"{KILLS}::test_an_environment_comes_up_through_kills_and_leaves_nothing",
        "engine.cancel()",
        "tests/infra/kills.py",
    ),
    Lived(
        "After a kill",
        "pulumi up --stack prod",
        f"{KILLS}::test_an_environment_comes_up_through_kills_and_leaves_nothing",
        "found.last = engine.up()",
        "tests/infra/kills.py",
    ),
    Lived(
        "After a kill",
        "PULUMI_K8S_DELETE_UNREACHABLE=true pulumi refresh --stack prod",
        "tests/twin/test_twin_engine.py::test_a_kill_inside_a_rollout_and_the_end_of_the_cluster",
        'PULUMI_K8S_DELETE_UNREACHABLE"] = "true"',
    ),
    Lived(
        "Teardown",
        "pulumi up --stack prod",
        "tests/infra/test_teardown.py::test_what_is_protected_is_given_up_once_it_is_open",
        "protected",
    ),
    Lived(
        "Teardown",
        "pulumi destroy --stack prod",
        f"{FIRST}::test_destroy_leaves_nothing_but_what_aws_keeps",
        '"destroy"] = pulumi.destroy()',
    ),
    Lived(
        "Teardown",
        "pulumi stack rm --preserve-config prod",
        f"{HERE}::test_pulumi_takes_the_stack_and_its_settings",
        '"stack", "rm"',
    ),
)
"""In the order of the page."""


def commands(text: str) -> Iterator[Command]:
    """The commands of a page's console blocks, in order, each with its section; a continued line is one command."""
    section, inside = "", False
    lines = iter(text.splitlines())
    for line in lines:
        inside = line == "```console" or (inside and line != "```")
        if heading := re.match(r"#{2,3} (.+)", line):
            section = heading[1]
        elif inside and line.startswith("$ "):
            whole = line[2:]
            while whole.endswith("\\"):
                whole = whole[:-1].rstrip() + " " + next(lines).strip()
            while _open(whole):
                whole += " " + next(lines).strip()
            yield Command(section, whole)


def _open(text: str) -> bool:
    try:
        shlex.split(text)
    except ValueError:
        return True
    return False


def spillway_block() -> dict[str, Any]:
    """What step 4 puts into the environment."""
    (block,) = re.findall(r"```yaml\n(platform:.*?)```", text_of(PAGE), re.DOTALL)
    found: dict[str, Any] = yaml.safe_load(block)
    return found


@dataclass
class Walk:
    """One walk through a page's commands."""

    place: Checkout
    aws: AmazonCli
    chosen: dict[str, Any] = field(default_factory=dict)
    left: list[Command] = field(default_factory=list)
    """Commands that no rule takes, in order."""
    edits: int = 0

    def take(self, command: Command) -> None:
        """Do what the command does, or remember that nobody does."""
        for pattern, act in RULES.items():
            if re.match(pattern, command.text):
                act(self, command.text)
                return
        self.left.append(command)

    def shell(self, text: str) -> str:
        """Run a command in the checkout, and return its output. It must end well."""
        variables = self.place.variables | {"GOOGLE_API_KEY": "a-key", "HF_TOKEN": "hf_a", "PYTHONPATH": str(ROOT)}
        ended = subprocess.run(
            ["bash", "-c", text],
            cwd=self.place.folder,
            env=variables,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert ended.returncode == 0, f"{text}\n{ended.stdout}{ended.stderr}"
        return ended.stdout


def edit(walk: Walk, text: str) -> None:
    """The first time the platform of step 4 is put in, then a rate grows."""
    path = walk.place.folder / text.split()[-1]
    document = yaml.safe_load(path.read_text())
    if walk.edits == 0:
        document["platform"] |= spillway_block()["platform"]
    else:
        document["routes"]["chat"]["traffic"]["requests_per_second"]["mean"] *= 1 + walk.edits
    path.write_text(yaml.safe_dump(document, sort_keys=False))
    walk.edits += 1


def amazon(walk: Walk, text: str) -> None:
    """Run `aws` on the imitated account. What it lacks is judged by AWS's models of the call alone."""
    printed, _, into = text.partition(" > ")
    key = walk.aws.outputs.get("kms create-key", "")
    try:
        answer = walk.aws.run(printed.replace("KEY_ID", key))
    except NotImplementedError:
        code_ = re.search(r"--quota-code (\S+)", text)
        assert code_ is not None, text
        assert code_[1] in QUOTA_CODES.values()
        return
    if into:
        (walk.aws.folder / into).write_text(answer)


def fill(walk: Walk, text: str) -> None:
    """Give a secret its value: the name is one that the program makes, and the clients' keys can be read."""
    made, _, put = text.partition(" | ")
    made_by_hand, name = re.findall(r"--(name|secret-id) (\S+)", put)[0]
    assert made_by_hand == "name" or name in {f"{stack_prefix('prod')}/{secret}" for secret in SECRET_NAMES}
    value = walk.shell(made)
    assert value.strip()
    walk.aws.run(put, value)
    if name.endswith("client-keys"):
        path = walk.place.folder / "put.json"
        path.write_text(value)
        assert load_keys(path)


def configure(walk: Walk, text: str) -> None:
    """Set a setting, as Pulumi stores it."""
    words = shlex.split(text)
    *_, key, value, flag, stack = words
    assert (flag, stack) == ("--stack", "prod")
    name = key.removeprefix("spillway:")
    assert key != name, text
    if "--path" in words:
        name, _, _ = name.partition("[")
        value = json.dumps([*json.loads(walk.chosen.get(name, "[]")), value])
    walk.chosen[name] = value.replace("sha256:DIGEST", DIGEST)


def policies(walk: Walk, text: str) -> None:
    """Write a policy of the deploying role; it fits into IAM, whose operation takes it afterwards."""
    walk.shell(text)
    path = walk.place.folder / text.split(" > ")[1]
    document = json.loads(path.read_text())
    assert document["Statement"]
    assert len(json.dumps(document, separators=(",", ":"))) <= LIMIT


def image_tool(walk: Walk, text: str) -> None:
    """The images are those that the program pulls, and the copy lies where a mirror is asked for it."""
    _, verb, reference, *target = text.split()
    image = Image.parse(reference)
    known = {chart_image("vllm").reference: None, Image.parse(DEVICE_PLUGIN_IMAGE).reference.partition("@")[0]: None}
    assert reference in known
    if verb == "copy":
        mirror = Mirror("registry.example.com/mirror", locks.ACCOUNT, "us-east-1", "spillway-prod")
        assert target == [mirror.place(image).reference]
    else:
        assert verb == "digest"


def kubeconfig(walk: Walk, text: str) -> None:
    """The cluster is an output, and the role is the one that the environment names."""
    (output,) = re.findall(r"pulumi stack output (\w+) --stack prod", text)
    assert f'pulumi.export("{output}"' in text_of("infra/on_amazon.py")
    assert text.endswith(f"--role-arn {spillway_block()['platform']['roles']['deploy']}")


def in_cluster(walk: Walk, text: str) -> None:
    """Namespace, service, port and Secrets are those of the gateway's objects."""
    words = shlex.split(text)
    assert words[1:3] == ["--namespace", GATEWAY_NAMESPACE]
    if "port-forward" in words:
        assert words[-2:] == [f"service/{GATEWAY_RELEASE}", f"8080:{PORT}"]
    else:
        assert words[3:6] == ["create", "secret", "generic"]
        chosen = settings.StackSettings("prod", ROOT)
        assert words[6] in (chosen.client_keys, chosen.provider_keys)


def ask(walk: Walk, text: str) -> None:
    """The gateway understands the request, and the route is one of the worked environment."""
    words = shlex.split(text)
    assert words[1].endswith("/v1/chat/completions")
    assert "Authorization: Bearer $KEY" in words
    assert '"/v1/chat/completions"' in text_of("gateway/app.py")
    request = parse_chat_request(words[words.index("--data") + 1].encode())
    assert request.route in {route.name for route in worked_plan("prod").routes}


def run(walk: Walk, text: str) -> None:
    """Run it as it stands."""
    walk.shell(text)


RULES: Mapping[str, Callable[[Walk, str], None]] = {
    r"\$EDITOR ": edit,
    r"spillway (plan|show|check|diff) ": run,
    r"git ": run,
    r"python -m infra\.deploy_policy ": policies,
    r"(python -m gateway\.keys|printf) .* \| aws secretsmanager (put-secret-value|create-secret) ": fill,
    r"aws eks update-kubeconfig ": kubeconfig,
    r"aws ": amazon,
    r"pulumi config set ": configure,
    r"crane ": image_tool,
    r"kubectl ": in_cluster,
    r"curl ": ask,
}


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
    policies_ = json.loads(walk.aws.run("aws iam list-attached-role-policies --role-name spillway-prod-deploy"))
    names = {policy["PolicyName"] for policy in policies_["AttachedPolicies"]}
    assert names == {"spillway-prod-network", "spillway-prod-cluster"}
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
    assert found.runner in spillway_block()["platform"]["endpoint"]["public_cidrs"][0]
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
    asked = re.findall(r'config\.get\w*\("(\w+)"|_(?:names|image)\(config, "(\w+)"', text_of("infra/settings.py"))
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
    assert len(text_of(PAGE).splitlines()) <= 330
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
