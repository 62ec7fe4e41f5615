"""The commands of docs/deploy.md, walked in order: run, done to an imitated account, or held against the charts."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import yaml

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
from planner.edges.aws_quotas import QUOTA_CODES
from tests.docs.amazon_cli import AmazonCli
from tests.docs.markdown import ROOT, text_of
from tests.infra import locks
from tools.figures.console import Checkout
from tools.figures.documents import worked_plan

PAGE, OPTIONS = "docs/deploy.md", "docs/deploy-options.md"
DIGEST = "sha256:" + "d" * 64
SECRET_NAMES = ("client-keys", "GOOGLE_API_KEY")


@dataclass(frozen=True)
class Command:
    """A command stands in a section of a page."""

    section: str
    text: str


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


def stated_block() -> dict[str, Any]:
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
    """Commands that a life must show, in order: those that no rule takes, and some that are judged here, too."""
    edits: int = 0

    def take(self, command: Command) -> None:
        """Do what the command does, or remember that nobody does."""
        for pattern, act in RULES.items():
            if re.match(pattern, command.text):
                act(self, command.text)
                if pattern in LIVED_TOO:
                    self.left.append(command)
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
        document["platform"] |= stated_block()["platform"]
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
    assert text.endswith(f"--role-arn {stated_block()['platform']['roles']['deploy']}")


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
    """The gateway understands the request, and the route is one of the worked environment. A life asks it, too."""
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
LIVED_TOO = (r"curl ",)
"""Rules that judge a command which a life shows, too."""
