"""docs/environment.md names every key of an environment file, with the type, unit and default of the model itself.

Each example is put into a whole environment and read by the real parser, and each key that is refused until later is
refused by it. A key that is added, renamed or given another default therefore fails here until the document says so.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, NamedTuple

import pytest
import yaml

from planner.documents.codes import CODES
from planner.documents.environment_file import parse
from planner.documents.schemas import environment_schema
from planner.domain.environment import PLANNED_LATER
from planner.domain.policy import Rules
from planner.edges.catalog_files import load_catalog
from planner.words.diagnostics import Problems
from planner.words.units import show_duration, show_share
from tests.docs.markdown import code, tables, text_of

DOCUMENT = text_of("docs/environment.md")
SCHEMA = environment_schema()
COLUMNS = ("key", "type", "unit", "default", "meaning", "example")
UNITS = {"a duration": "duration", "a percentage": "percentage", "a count": "count", "US dollars": "money"}
"""How the published schema describes a quantity → its type in the reference."""
WRITTEN_WITH = {"duration": "ms, s, m, min, h, d", "percentage": "%", "money": "USD"}
"""What stands in the unit column of a quantity that carries its unit; others say what is counted."""

WHOLE = """
version: 1
platform:
  {account: "123456789012", region: us-east-1, zones: [use1-az4, use1-az6], roles: {}, network: {}, endpoint: {},
   alerts: {}, images: {}, pool_tls: {authority: pool-ca}, engine: {canary: {image: 'vllm/vllm-openai:v0.35.0'}},
   ingress: {hostname: llm.example.com, load_balancer: {cidrs: [10.0.0.0/8], hosted_zone: Z1}}}
horizon: {start: 2026-12-01}
routes:
  chat:
    traffic: {trace: azure-conv-2023, requests_per_second: {mean: 5}, seasons: {}, requests: {}, tokens: {},
      users: {concurrent: 10, think_time: 30s}}
    tokens: {input: {mean: 1155, p95: 4000, histogram: {}}, output: {mean: 211, p95: 451, histogram: {}}}
    too_long: {}
    terms: {}
    hardware: {}
    engine: {}
    slo: {ttft_p95: {base: 800ms, per_1k_input: 200ms}, tpot_p95: 60ms}
    data: internal
    quality: {accept: [gpt-oss-120b], source: own evaluation, date: 2026-11-01}
api:
  providers:
    openai: {limits: {tpm: 2M, rpm: 5k}, latency: {ttft_p95: 600ms, measured: 2026-11-01}, deployments: {}}
quotas: {G: 96}
purchase:
  spot: {max_share: 20%}
  owned: [{gpu: H100, count: 8, energy: {kw: 10}}]
  capacity_blocks:
    - reservation: cr-00000000000000001
      instance_type: p5.48xlarge
      count: 1
      start: 2027-01-02
      end: 2027-02-02
      upfront: $1
  reservations: [{reservation: cr-00000000000000002, instance_type: p5.48xlarge, count: 1}]
elastic: {}
reserve: {}
hardware: {existing: [{instance_type: g6e.xlarge, count: 1, usd_per_hour: $1}]}
models: {gpt-5.4: {measured: 2026-11-01}}
licence: {}
budget: {monthly: $20000}
policy: {price_age: {ec2: {}}}
planning: {}
overrides: [{rule: policy.nodes, reason: launch, by: Jane Doe, until: 2026-12-31}]
"""
ON_CLUSTER = """
{context: gpu-berlin, network_policies: enforced, nodes: {g6e.xlarge: {labels: {machine: l40s}}}, dns: {labels: {}},
  gateway: {labels: {pool: web}}, weights: {cidrs: [192.0.2.0/28]}, identity: {}}
"""
"""`platform.cluster` of an environment whose cluster is there already."""
NAMED_BY = {
    "nodes": "MACHINE",
    "labels": "LABEL",
    "identity": "ANNOTATION",
    "price_age": "KIND",
    "routes": "NAME",
    "providers": "PROVIDER",
    "quotas": "FAMILY",
    "elastic": "FAMILY",
    "models": "MODEL",
    "deployments": "MODEL",
    "seasons": "MONTH",
    "annotations": "ANNOTATION",
    "histogram": "TOKENS",
    "subnets": "ZONE",
}
"""Mapping whose keys the team chooses → what the reference calls such a key."""
NAMES: dict[str, str | int] = {
    "NAME": "chat",
    "PROVIDER": "openai",
    "FAMILY": "G",
    "MODEL": "gpt-5.4",
    "MONTH": 12,
    "TOKENS": 4096,
    "KIND": "ec2",
    "ZONE": "use1-az4",
    "MACHINE": "g6e.xlarge",
    "LABEL": "machine",
    "ANNOTATION": "iam.gke.io/gcp-service-account",
}
"""What stands for the names that a team chooses, in `WHOLE`."""


class Key(NamedTuple):
    """One key as the schema has it. `default`: as it would be written, `required` or `none`."""

    type: str
    default: str


def schema_keys(node: dict[str, Any], path: str = "") -> Iterator[tuple[str, Key]]:
    """Every key that holds a value, by dotted path; mappings in between are headings and no keys of their own."""
    required = set(node.get("required", ()))
    for name, part in node.get("properties", {}).items():
        if path == "policy" and name in Rules.model_fields:
            continue  # docs/policy.md explains rules
        yield from _keys(f"{path}.{name}" if path else name, part, name in required)


def _keys(path: str, part: dict[str, Any], is_required: bool) -> Iterator[tuple[str, Key]]:
    whole = resolved(part)
    choices = whole.get("anyOf", [whole]) if _described(whole) not in UNITS else [whole]
    for choice in map(resolved, choices):
        if "properties" in choice:
            yield from schema_keys(choice, path)
        elif choice.get("type") == "object":
            name = NAMED_BY[path.rpartition(".")[2]]
            named = choice.get("additionalProperties") or next(iter(choice["patternProperties"].values()))
            yield from _keys(f"{path}.{name}", named, False)
        elif choice.get("type") == "array" and "properties" in (item := resolved(choice.get("items", {}))):
            yield from schema_keys(item, f"{path}[]")
        elif choice.get("type") != "null":
            words = type_words(choice)
            yield path, Key(words, "required" if is_required else shown(part.get("default"), words))


def _described(node: dict[str, Any]) -> str:
    return str(node.get("description", "")).partition(":")[0]


def resolved(node: dict[str, Any]) -> dict[str, Any]:
    reference = node.get("$ref")
    return SCHEMA["$defs"][reference.rpartition("/")[2]] if reference else node


def type_words(node: dict[str, Any]) -> str:
    """A schema's type in plain words."""
    if _described(node) in UNITS:
        return UNITS[_described(node)]
    if "enum" in node or "const" in node:
        return ", ".join(f"`{value}`" for value in node.get("enum", [node.get("const")]))
    if "oneOf" in node:
        return ", or ".join(type_words(choice) for choice in node["oneOf"])
    match node["type"]:
        case "array":
            least, most = node.get("minItems", 0), node.get("maxItems")
            count = f"{least} " if least == most else f"{least} or more " if least else ""
            return f"list of {count}{_plural(type_words(node['items']))}"
        case "string":
            return "date" if node.get("format") == "date" else "text"
        case "boolean":
            return "`true`, `false`"
    words = "whole number" if node["type"] == "integer" else "number"
    low, high = node.get("minimum", node.get("exclusiveMinimum")), node.get("maximum")
    if low is None:
        return words
    if high is not None:
        return f"{words}, {low:,.10g} to {high:,.10g}"
    return f"{words}, {'≥' if 'minimum' in node else '>'} {low}"


def _plural(words: str) -> str:
    return {"text": "texts"}.get(words, words.replace("number", "numbers", 1))


def shown(default: Any, kind: str) -> str:
    """A default as it would be written in the file."""
    match default:
        case None | "":
            return "none"
        case [] | {}:
            return "none"
        case list():
            return f"`[{', '.join(map(str, default))}]`"
        case bool():
            return f"`{str(default).lower()}`"
        case float() if kind == "percentage":
            return f"`{show_share(default)}`"
        case float() if kind == "duration":
            return f"`{show_duration(default)}`"
    return f"`{default}`"


ROWS = {code(row["key"]): row for row in tables(DOCUMENT, *COLUMNS)}
KEYS = dict(schema_keys(SCHEMA))

OTHER_WAYS: dict[str | int, dict[str, Any]] = {"gateway_api": {}, "ingress_class": {"annotations": {}}}
"""Ways in that take the place of the one in `WHOLE`."""


def _steps(key: str) -> Iterator[str | int]:
    """The keys of a dotted path. `[]` is the first entry of a list."""
    for step in key.split("."):
        yield step.removesuffix("[]")
        if step.endswith("[]"):
            yield 0


def environment_with(key: str, written: str) -> str:
    """`WHOLE`, on a cluster that is there for its keys, with one key's value replaced by the text of an example."""
    values = yaml.safe_load(WHOLE)
    if key.startswith("platform.cluster"):
        values["platform"] = {"region": "de", "cluster": yaml.safe_load(ON_CLUSTER)}
        values.pop("quotas")
        values.pop("purchase")
        values["hardware"]["existing"][0] |= {"source": "books", "as_of": "2026-10-05"}
    if key == "reserve.zone":  # each zone has a way out
        values["platform"]["nat"] = "per-zone"
    if key == "reserve.zone":  # of which machines of one's own stand in none
        values["purchase"].pop("owned")
    if key == "purchase.reserved_3y":  # the horizon holds the term
        values["horizon"]["months"] = 36
    *before, last = [NAMES.get(str(step), step) for step in _steps(key)]
    place: Any = values
    for step in before:
        if step == "subnets":
            break
        if step == "histogram":  # it takes the place of the others
            place.pop("mean")
            place.pop("p95")
        if step in OTHER_WAYS:  # there is one way in
            place.pop("load_balancer")
            place[step] = {"name": "a", "namespace": "b", **OTHER_WAYS[step]}
        place = place[step]
    if last == "deadline":  # nobody waits for the answers
        place.clear()
        for route in values["routes"].values():
            if route["slo"] is place:
                route["traffic"].pop("users", None)
    if last in ("metric", "minimum", "among", "scores"):  # they take the place of an accept list
        place.pop("accept")
        place.update(metric="lmarena-text", minimum=1300)
    if key.startswith("platform.network.") and last != "cidr":  # a network that is there has a subnet in each zone
        subnets = {"use1-az4": "subnet-0a1b2c3d", "use1-az6": "subnet-0a1b2c3e"}
        values["platform"]["network"] = {"vpc": "vpc-0a1b2c3d", "subnets": subnets}
        place = subnets if "subnets" in key else values["platform"]["network"]
    place[last] = "@example@"
    return yaml.safe_dump(values, sort_keys=False).replace("'@example@'", written)


def test_every_key_is_in_the_reference_and_no_other() -> None:
    assert sorted(ROWS) == sorted(KEYS), "docs/environment.md and planner/domain/environment.py name other keys"


@pytest.mark.parametrize("key", sorted(KEYS))
def test_type_and_default_are_the_models(key: str) -> None:
    row = ROWS[key]
    assert (row["type"], row["default"]) == KEYS[key], f"docs/environment.md, `{key}`"


@pytest.mark.parametrize("key", sorted(KEYS))
def test_it_is_explained_with_its_unit(key: str) -> None:
    row = ROWS[key]
    assert len(row["meaning"]) > 15
    assert row["unit"]
    if row["type"] in WRITTEN_WITH:
        assert row["unit"] == WRITTEN_WITH[row["type"]]


@pytest.mark.parametrize("key", sorted(KEYS))
def test_its_example_is_read(key: str) -> None:
    environment, _ = parse(environment_with(key, code(ROWS[key]["example"])), f"example of {key}")
    assert environment.version == 1


@pytest.mark.parametrize("key", sorted(key for key, told in KEYS.items() if told.type in UNITS.values()))
def test_a_quantity_without_its_unit_is_refused(key: str) -> None:
    """The reference says that a unit is needed; the parser must mean it. A count may be a bare number, but not half."""
    bare = "1.5" if KEYS[key].type == "count" else "7"
    with pytest.raises(Problems) as caught:
        parse(environment_with(key, bare), "bare")
    assert {problem.code for problem in caught.value.problems} == {"ENV004"}


def test_keys_of_later_releases_are_listed_with_their_reason() -> None:
    listed = {
        code(row["key"]): row["what the refusal says"] for row in tables(DOCUMENT, "key", "what the refusal says")
    }
    assert listed == {key.replace("*", "NAME"): reason for key, reason in PLANNED_LATER.items()}


def test_every_place_is_named_but_the_members_of_the_union() -> None:
    places = load_catalog().places.rows
    section = DOCUMENT[DOCUMENT.index("**Residency is about the data.**") :].split("\n\n", 1)[0]
    assert {key for key, place in places.items() if place.within != "eu" and f"`{key}`" not in section} == set()
    for union in ("efta", "ap"):
        (told,) = re.findall(rf"`{union}` \(([^;)]*)", section)
        assert re.findall(r"`([a-z]+)`", told) == sorted(key for key, place in places.items() if place.within == union)


def test_codes_are_those_of_the_program() -> None:
    listed = {code(row["code"]): row["what it means"] for row in tables(DOCUMENT, "code", "what it means")}
    assert listed == {name: meaning for name, meaning in CODES.items() if name.startswith("ENV")}


def test_the_example_at_the_top_is_whole() -> None:
    found = re.search(r"```yaml\n(version: 1.*?)```", DOCUMENT, re.DOTALL)
    assert found is not None
    environment, _ = parse(found[1], "docs/environment.md")
    assert environment.routes
