"""What `platform` must say of a cluster that is made and of one that is there already, each with its line."""

from __future__ import annotations

import pytest

from planner.documents.environment_file import canonical, parse
from planner.words.diagnostics import Problem, Problems

WHOLE = """\
version: 1
platform:
  region: de
  cluster:
    context: berlin
    network_policies: enforced
    nodes:
      g6e.xlarge: {labels: {nvidia.com/gpu.product: NVIDIA-L40S}, taints: ['nvidia.com/gpu=present:NoSchedule']}
    weights: {bucket: models, cidrs: [192.0.2.0/28]}
hardware:
  existing:
    - {instance_type: g6e.xlarge, count: 2, usd_per_hour: $0.00, source: written off, as_of: 2026-10-05}
horizon: {start: 2026-12-01}
routes:
  chat:
    traffic: {requests_per_second: {mean: 1}}
    tokens: {input: {mean: 500, p95: 1500}, output: {mean: 100, p95: 300}}
    slo: {ttft_p95: 2s, tpot_p95: 80ms}
    data: restricted
    quality: {accept: [gpt-oss-20b], source: own evaluation, date: 2026-11-01}
"""


def refused(text: str) -> list[Problem]:
    with pytest.raises(Problems) as told:
        parse(text, "on.yaml")
    return list(told.value.problems)


def changed(*pairs: tuple[str, str]) -> str:
    text = WHOLE
    for old, new in pairs:
        assert text.count(old) == 1
        text = text.replace(old, new)
    return text


def test_a_cluster_that_is_there_needs_neither_account_nor_zones() -> None:
    environment, _ = parse(WHOLE, "on.yaml")
    assert environment.platform.cluster is not None
    assert canonical(environment)["platform"].keys() == {"region", "cluster"}
    assert canonical(environment)["hardware"]["existing"][0]["source"] == "written off"


@pytest.mark.parametrize("key", ["account", "zones"])
def test_a_cluster_that_is_made_needs_them(key: str) -> None:
    made = {"account": 'account: "123456789012"', "zones": "zones: [use1-az4, use1-az6]"}
    (left,) = [line for name, line in made.items() if name != key]
    head, _, rest = WHOLE.partition("  region")
    text = f"{head}  region: us-east-1\n  {left}\n" + rest[rest.index("hardware") :]
    (problem,) = refused(text)
    assert (problem.code, problem.message) == ("ENV002", f"missing key `platform.{key}`")
    assert problem.hint


@pytest.mark.parametrize(
    "line",
    [
        'account: "123456789012"',
        "zones: [use1-az4, use1-az6]",
        "nat: single",
        "network: {cidr: 10.0.0.0/16}",
        "endpoint: {public_cidrs: []}",
        "roles: {admin: []}",
        'kubernetes: "1.36"',
    ],
)
def test_what_says_how_a_cluster_is_made_is_refused_beside_one_that_is_there(line: str) -> None:
    (problem,) = refused(changed(("  region: de\n", f"  region: de\n  {line}\n")))
    key = line.partition(":")[0]
    assert problem.code == "ENV005"
    assert problem.message == f"`platform.{key}` says nothing of a cluster that is there already"
    assert problem.where is not None
    assert problem.where.line == 4


@pytest.mark.parametrize(
    ("pairs", "told"),
    [
        (
            [("version: 1\n", "version: 1\nquotas: {G: 96}\n")],
            "`quotas` says nothing of a cluster that is there already",
        ),
        ([("network_policies: enforced", "network_policies: none")], "route `chat` is restricted, and nothing"),
        ([("bucket: models,", "bucket: models, volume_claim: m,")], "the weights lie on a volume and in a bucket"),
        ([(", cidrs: [192.0.2.0/28]", "")], "missing key `platform.cluster.weights.cidrs`"),
        ([(", source: written off", "")], "missing key `hardware.existing.0.source`"),
        ([(", as_of: 2026-10-05", "")], "missing key `hardware.existing.0.as_of`"),
        ([("      g6e.xlarge: {labels", "      g6e.2xlarge: {labels")], "nobody says how many nodes of `g6e.2xlarge`"),
        ([("      g6e.xlarge: {labels", "      g6e.2xlarge: {labels")], "which nodes of the cluster are `g6e.xlarge`"),
        ([("present:NoSchedule", "present:Never")], "does not have the form"),
        ([("context: berlin", "uid: '1'")], "missing key `platform.cluster.context`"),
        ([("192.0.2.0/28", "192.0.2.1/28")], "is not an IPv4 network"),
    ],
)
def test_what_is_missing_or_contradicts(pairs: list[tuple[str, str]], told: str) -> None:
    assert any(told in problem.message for problem in refused(changed(*pairs)))


def test_everything_is_told_in_one_run() -> None:
    text = changed(
        ("  region: de\n", "  region: de\n  nat: single\n"), (", source: written off", ""), ("enforced", "none")
    )
    assert len(refused(text)) == 3
