"""Alerts that fire when they should and only then, on metrics that the gateway and vLLM really expose."""

from __future__ import annotations

import json
import random
import re
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from gateway.document import parse_policy
from gateway.gate import Gate
from gateway.metrics import Metrics
from gateway.spill import StreamEnd, Trigger
from tests.charts.rendering import CHARTS, Unrenderable, example, merged, one, pool, render
from tests.charts.vllm_tables import metrics as vllm_metrics
from tests.tools import require_tool

pytestmark = pytest.mark.charts

SUFFIXES = ("_total", "_bucket", "_count", "_sum")
VLLM = pool(
    model={"servedName": "chat"},
    monitoring={"podMonitor": {"enabled": True}, "rules": {"enabled": True, "ttftSeconds": 1.5}},
)
RULES = {
    "enabled": True,
    "spillShare": {"chat": 0.29},
    "canaries": {"new-canary": "new"},
    "apiUsdPerMonth": 3040,
}
GATEWAY = merged(
    example("gateway", "spilling"),
    {"monitoring": {"podMonitor": {"enabled": True}, "rules": RULES, "dashboards": {"enabled": True}}},
)
# Alert → series over time at one sample a minute, at which it fires and at which it does not.
FIRES: dict[str, tuple[dict[str, str], dict[str, str]]] = {
    "EngineRejects": (
        {'vllm:admission_rejections_total{model_name="chat"}': "0+1x1600"},
        {'vllm:admission_rejections_total{model_name="chat"}': "7x1600"},
    ),
    "EnginePreempts": (
        {'vllm:num_preemptions_total{model_name="chat"}': "0+60x1600"},
        {'vllm:num_preemptions_total{model_name="chat"}': "0+3x1600"},
    ),
    "EngineCacheIsFull": (
        {'vllm:kv_cache_usage_perc{model_name="chat",pod="a"}': "0.96x1600"},
        {'vllm:kv_cache_usage_perc{model_name="chat",pod="a"}': "0.9x1600"},
    ),
    "EngineAnswersLate": (
        {
            'vllm:time_to_first_token_seconds_bucket{model_name="chat",le="1"}': "0+80x1600",
            'vllm:time_to_first_token_seconds_bucket{model_name="chat",le="2.5"}': "0+100x1600",
            'vllm:time_to_first_token_seconds_bucket{model_name="chat",le="+Inf"}': "0+100x1600",
        },
        {
            'vllm:time_to_first_token_seconds_bucket{model_name="chat",le="1"}': "0+96x1600",
            'vllm:time_to_first_token_seconds_bucket{model_name="chat",le="2.5"}': "0+100x1600",
            'vllm:time_to_first_token_seconds_bucket{model_name="chat",le="+Inf"}': "0+100x1600",
        },
    ),
    "PoolHasNoReplica": (
        {
            'spillway_replicas{pool="chat",pod="a"}': "0x1600",
            'spillway_replicas{pool="chat",pod="b"}': "0x1600",
        },
        {
            'spillway_replicas{pool="chat",pod="a"}': "0x1600",
            'spillway_replicas{pool="chat",pod="b"}': "2x1600",
        },
    ),
    "GatewayFails": (
        {
            'spillway_requests_total{route="chat",backend="-",outcome="no_backend"}': "0+2x1600",
            'spillway_requests_total{route="chat",backend="chat-l40s",outcome="ok"}': "0+98x1600",
        },
        {
            'spillway_requests_total{route="chat",backend="-",outcome="client_gone"}': "0+50x1600",
            'spillway_requests_total{route="chat",backend="-",outcome="key_invalid"}': "0+50x1600",
            'spillway_requests_total{route="chat",backend="chat-l40s",outcome="ok"}': "0+98x1600",
        },
    ),
    "PoliciesDiffer": (
        {'spillway_policy{digest="a",pod="a"}': "1x1600", 'spillway_policy{digest="b",pod="b"}': "1x1600"},
        {'spillway_policy{digest="a",pod="a"}': "1x1600", 'spillway_policy{digest="a",pod="b"}': "1x1600"},
    ),
    "FirstTokenIsLate": (
        {
            # Short prompts that wait are late long before the p95 of all is: it is that of the long ones.
            'spillway_late_total{route="chat",backend="pool/a"}': "0+8x1600",
            'spillway_ttft_seconds_count{route="chat",backend="pool/a"}': "0+60x1600",
            'spillway_ttft_seconds_count{route="chat",backend="pool/b"}': "0+40x1600",
        },
        {
            # Half of the prompts are long and take seconds, as they are promised.
            'spillway_late_total{route="chat",backend="pool/a"}': "0+4x1600",
            'spillway_ttft_seconds_count{route="chat",backend="pool/a"}': "0+60x1600",
            'spillway_ttft_seconds_count{route="chat",backend="pool/b"}': "0+40x1600",
            'spillway_ttft_seconds_bucket{route="chat",backend="pool/b",le="5"}': "0+1x1600",
            'spillway_ttft_seconds_count{route="code",backend="pool/b"}': "0+40x1600",
        },
    ),
    "SpillsMoreThanPlanned": (
        {
            'spillway_spill_total{route="chat",reason="gate_full"}': "0+60x1600",
            'spillway_requests_total{route="chat",backend="x",outcome="ok"}': "0+100x1600",
        },
        {
            'spillway_spill_total{route="chat",reason="gate_full"}': "0+40x1600",
            'spillway_requests_total{route="chat",backend="x",outcome="ok"}': "0+100x1600",
        },
    ),
    "CanaryIsWorse": (
        {
            'spillway_attempts_total{route="chat",backend="pool/new-canary",outcome="ok"}': "0+95x1600",
            'spillway_attempts_total{route="chat",backend="pool/new-canary",outcome="server_error"}': "0+5x1600",
            'spillway_attempts_total{route="chat",backend="pool/new",outcome="ok"}': "0+300x1600",
        },
        {
            'spillway_attempts_total{route="chat",backend="pool/new-canary",outcome="ok"}': "0+95x1600",
            'spillway_attempts_total{route="chat",backend="pool/new-canary",outcome="server_error"}': "0+5x1600",
            'spillway_attempts_total{route="chat",backend="pool/new",outcome="ok"}': "0+291x1600",
            'spillway_attempts_total{route="chat",backend="pool/new",outcome="saturated"}': "0+12x1600",
        },
    ),
    "ApisCostMoreThanPlanned": (
        {'spillway_usd_total{route="chat",backend="x"}': "0+0.1x1600"},
        {'spillway_usd_total{route="chat",backend="x"}': "0+0.07x1600"},
    ),
}


def groups(*charts: str) -> list[dict[str, Any]]:
    """The groups of rules of the charts, as Prometheus reads them."""
    values = {"vllm": VLLM, "gateway": GATEWAY}
    rules = [one(render(chart, values[chart], release=chart), "PrometheusRule") for chart in charts]
    return [group for rule in rules for group in rule["spec"]["groups"]]


@pytest.fixture(scope="module")
def rules_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("rules") / "rules.yml"
    file.write_text(yaml.safe_dump({"groups": groups("vllm", "gateway")}))
    return file


def test_prometheus_reads_the_rules(rules_file: Path) -> None:
    done = promtool("check", "rules", "--lint=all", "--lint-fatal", str(rules_file))
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{len(FIRES)} rules found" in done.stdout


def test_every_alert_has_a_case() -> None:
    assert {rule["alert"] for group in groups("vllm", "gateway") for rule in group["rules"]} == FIRES.keys()


LATER = {
    'spillway_ttft_seconds_bucket{route="chat",backend="pool/new",le="1"}': "0+96x1600",
    'spillway_ttft_seconds_bucket{route="chat",backend="pool/new",le="2"}': "0+100x1600",
    'spillway_ttft_seconds_bucket{route="chat",backend="pool/new",le="+Inf"}': "0+100x1600",
    'spillway_ttft_seconds_bucket{route="chat",backend="pool/new-canary",le="1"}': "0+80x1600",
    'spillway_ttft_seconds_bucket{route="chat",backend="pool/new-canary",le="2"}': "0+100x1600",
    'spillway_ttft_seconds_bucket{route="chat",backend="pool/new-canary",le="+Inf"}': "0+100x1600",
}
"""First tokens of a canary that come within 2 s where those of its pool come within 1 s."""
ATTEMPTS = 'spillway_attempts_total{route="chat",backend="pool/new-canary",outcome="ok"}'


@pytest.mark.parametrize(
    ("name", "series", "alert", "fires"),
    [
        ("a canary whose first tokens come late", LATER | {ATTEMPTS: "0+100x1600"}, "CanaryIsWorse", 1),
        ("a canary that hardly anybody asked", LATER | {ATTEMPTS: "0+1x1600"}, "CanaryIsWorse", 0),
        ("a canary without a replica", {'spillway_replicas{pool="new-canary"}': "0x1600"}, "PoolHasNoReplica", 0),
        ("its pool without one", {'spillway_replicas{pool="new"}': "0x1600"}, "PoolHasNoReplica", 1),
    ],
)
def test_a_canary_is_compared_with_its_pool(
    rules_file: Path, tmp_path: Path, name: str, series: dict[str, str], alert: str, fires: int
) -> None:
    expression = f'count(ALERTS{{alertname="{alert}",alertstate="firing"}}) or vector(0)'
    asked = {"expr": expression, "eval_time": "1500m", "exp_samples": [{"labels": "{}", "value": fires}]}
    given = [{"series": each, "values": values} for each, values in series.items()]
    case = {"name": name, "interval": "1m", "input_series": given, "promql_expr_test": [asked]}
    file = tmp_path / "cases.yml"
    file.write_text(yaml.safe_dump({"rule_files": [str(rules_file)], "evaluation_interval": "5m", "tests": [case]}))
    done = promtool("test", "rules", str(file))
    assert done.returncode == 0, done.stdout + done.stderr


CLOCKED = merged(
    GATEWAY,
    {
        "monitoring": {
            "rules": {
                "byTheClock": {
                    "chat": {"deployment": "vllm-chat", "startSeconds": 1200},
                    "code": {"deployment": "vllm-code", "startSeconds": 1200},
                },
                "weekly": ["chat"],
            }
        }
    },
)
"""A gateway whose pools follow the clock."""
NONE = {'spillway_replicas{pool="chat"}': "0x12000", 'spillway_replicas{pool="code"}': "1x12000"}
WISH = 'kube_deployment_spec_replicas{namespace="serving",deployment="vllm-chat"}'
WEEK = 7 * 24 * 60
SPILT, ASKED = (
    'spillway_spill_total{route="chat",reason="gate_full"}',
    'spillway_requests_total{route="chat",backend="x",outcome="ok"}',
)


@pytest.mark.parametrize(
    ("name", "series", "alert", "minute", "fires"),
    [
        ("the night wants none", NONE | {WISH: "4x1000 0x11000"}, "PoolHasNoReplica", 1500, 0),
        ("the morning still loads", NONE | {WISH: "0x1490 4x11000"}, "PoolHasNoReplica", 1505, 0),
        ("the morning does not come up", NONE | {WISH: "0x1400 4x11000"}, "PoolHasNoReplica", 1440, 1),
        ("a pool fails by day", NONE | {WISH: "4x12000"}, "PoolHasNoReplica", 1500, 1),
        ("nobody tells the wish", NONE, "PoolHasNoReplica", 1500, 1),
        (
            "another pool sleeps",
            NONE | {'kube_deployment_spec_replicas{deployment="vllm-code"}': "0x12000", WISH: "4x12000"},
            "PoolHasNoReplica",
            1500,
            1,
        ),
        (
            "a weekend spills as planned",
            {SPILT: "0x1440 0+300x576", ASKED: "0+500x2016"},
            "SpillsMoreThanPlanned",
            WEEK,
            0,
        ),
        ("a week spills too much", {SPILT: "0+300x2016", ASKED: "0+500x2016"}, "SpillsMoreThanPlanned", WEEK, 1),
        (
            "a weekend is dear as planned",
            {"spillway_usd_total": "0x1440 0+1x576"},
            "ApisCostMoreThanPlanned",
            WEEK,
            0,
        ),
        ("a week is too dear", {"spillway_usd_total": "0+0.5x2016"}, "ApisCostMoreThanPlanned", WEEK, 1),
    ],
)
def test_a_night_that_is_planned_raises_no_alarm_and_a_day_without_replicas_does(
    tmp_path: Path, name: str, series: dict[str, str], alert: str, minute: int, fires: int
) -> None:
    rules = tmp_path / "rules.yml"
    held = one(render("gateway", CLOCKED, release="gateway"), "PrometheusRule")["spec"]["groups"]
    rules.write_text(yaml.safe_dump({"groups": held}))
    checked = promtool("check", "rules", "--lint=all", "--lint-fatal", str(rules))
    assert checked.returncode == 0, checked.stdout + checked.stderr
    expression = f'count(ALERTS{{alertname="{alert}",alertstate="firing"}}) or vector(0)'
    asked = {"expr": expression, "eval_time": f"{minute}m", "exp_samples": [{"labels": "{}", "value": fires}]}
    given = [{"series": each, "values": values} for each, values in series.items()]
    interval = "5m" if minute == WEEK else "1m"  # promtool holds ten thousand samples
    case = {"name": name, "interval": interval, "input_series": given, "promql_expr_test": [asked]}
    file = tmp_path / "cases.yml"
    file.write_text(yaml.safe_dump({"rule_files": [str(rules)], "evaluation_interval": interval, "tests": [case]}))
    done = promtool("test", "rules", str(file))
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("fires", [True, False])
def test_alerts_fire_when_they_should_and_only_then(rules_file: Path, tmp_path: Path, fires: bool) -> None:
    at = "1500m"
    cases = [
        {
            "name": alert,
            "interval": "1m",
            "input_series": [{"series": name, "values": values} for name, values in series[not fires].items()],
            "promql_expr_test": [
                {
                    "expr": f'count(ALERTS{{alertname="{alert}",alertstate="firing"}}) or vector(0)',
                    "eval_time": at,
                    "exp_samples": [{"labels": "{}", "value": int(fires)}],
                }
            ],
        }
        for alert, series in FIRES.items()
    ]
    file = tmp_path / "cases.yml"
    file.write_text(yaml.safe_dump({"rule_files": [str(rules_file)], "evaluation_interval": "5m", "tests": cases}))
    done = promtool("test", "rules", str(file))
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_rule_that_reads_a_metric_wrongly_would_be_found(rules_file: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken.yml"
    broken.write_text(rules_file.read_text().replace("sum by (le)", "sum by le"))
    assert promtool("check", "rules", str(broken)).returncode != 0


def test_rules_and_dashboard_ask_for_metrics_that_exist() -> None:
    asked = {name for expression in expressions() for name in re.findall(r"\b(?:vllm:|spillway_)[a-z_]+", expression)}
    exposed = {f"{name}{suffix}" for name in vllm_metrics() for suffix in ("", *SUFFIXES)} | set(own_metrics())
    assert len(asked) > 12
    assert asked - exposed == set()


def test_every_query_of_the_dashboard_is_promql(tmp_path: Path) -> None:
    rules = [{"record": f"panel:{number}", "expr": query} for number, query in enumerate(queries())]
    file = tmp_path / "dashboard.yml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "dashboard", "rules": rules}]}))
    done = promtool("check", "rules", "--lint=none", str(file))
    assert done.returncode == 0, done.stdout + done.stderr


def test_failures_are_the_outcomes_for_which_no_client_is_to_blame() -> None:
    sources = (file.read_text() for file in sorted(Path("gateway").glob("*.py")))
    codes = {code for text in sources for code in re.findall(r'Refusal\(\s*50[0234],\s*"(\w+)"', text)}
    helper = (CHARTS / "gateway" / "templates" / "_names.tpl").read_text()
    listed = re.search(r'define "gateway.failures" -\}\}\n([a-z_|]+)', helper)
    assert listed is not None
    assert set(listed[1].split("|")) == codes | {"cut"}


def test_failures_of_a_pool_are_the_ends_of_attempts_that_are_not_the_clients() -> None:
    helper = (CHARTS / "gateway" / "templates" / "_names.tpl").read_text()
    listed = re.search(r'define "gateway.poolFailures" -\}\}\n([a-z_|]+)', helper)
    assert listed is not None
    before = {"planned", "field", "length", "no_replica", "gate_full", "api_limit"}  # no attempt was made
    ends = {end.value for end in StreamEnd} - {"done"}
    assert set(listed[1].split("|")) == {trigger.value for trigger in Trigger} - before | ends


@pytest.mark.parametrize("chart", ["vllm", "gateway"])
def test_nothing_that_needs_a_definition_is_rendered_unless_asked(chart: str) -> None:
    values = pool() if chart == "vllm" else example("gateway", "spilling")
    groups_used = {item["apiVersion"].partition("/")[0] for item in render(chart, values)}
    assert not groups_used & {"monitoring.coreos.com", "keda.sh"}


def test_a_scaled_pool_states_no_replicas() -> None:
    scaling = {"enabled": True, "demandPerReplica": 12.5, "maxReplicas": 6, "prometheusUrl": "http://p:9090"}
    objects = render("vllm", pool(model={"servedName": "chat"}, autoscaling=scaling))
    assert "replicas" not in one(objects, "Deployment")["spec"]
    spec = one(objects, "ScaledObject")["spec"]
    assert (spec["minReplicaCount"], spec["maxReplicaCount"], spec["fallback"]["replicas"]) == (1, 6, 6)
    assert spec["triggers"][0]["metadata"]["query"] == 'sum(spillway_demand{pool="chat"})'
    assert spec["triggers"][0]["metadata"]["threshold"] == "12.5"


MORNING = {"start": "48 7 * * 1-5", "end": "57 19 * * 1-5", "timezone": "Europe/Berlin", "replicas": 4}


def test_the_clock_alone_scales_a_pool_without_prometheus() -> None:
    scaling = {"enabled": True, "minReplicas": 0, "maxReplicas": 4, "schedule": [MORNING], "scaleDownSeconds": 0}
    objects = render("vllm", pool(model={"servedName": "chat"}, autoscaling=scaling))
    assert "replicas" not in one(objects, "Deployment")["spec"]
    spec = one(objects, "ScaledObject")["spec"]
    assert (spec["minReplicaCount"], spec["maxReplicaCount"], spec["cooldownPeriod"]) == (0, 4, 0)
    assert "fallback" not in spec
    (trigger,) = spec["triggers"]
    assert (trigger["type"], trigger["metadata"]) == (
        "cron",
        {"timezone": "Europe/Berlin", "start": "48 7 * * 1-5", "end": "57 19 * * 1-5", "desiredReplicas": "4"},
    )


def test_beside_the_clock_demand_wakes_no_pool_and_no_figures_are_no_replicas() -> None:
    scaling = {"enabled": True, "minReplicas": 0, "maxReplicas": 4, "schedule": [MORNING], "demandPerReplica": 57.6}
    scaling |= {"prometheusUrl": "http://p:9090", "demandWakes": False, "fallbackReplicas": 0}
    spec = one(render("vllm", pool(autoscaling=scaling)), "ScaledObject")["spec"]
    assert spec["fallback"] == {"failureThreshold": 3, "replicas": 0}
    assert [trigger["type"] for trigger in spec["triggers"]] == ["prometheus", "cron"]
    assert float(spec["triggers"][0]["metadata"]["activationThreshold"]) >= 1e12


def test_what_cannot_be_scaled_is_told_at_once() -> None:
    night = {"start": "0 22 * * *", "end": "0 6 * * *", "timezone": "Etc/UTC", "replicas": 9}
    scaling = {"enabled": True, "minReplicas": 4, "maxReplicas": 3}
    with pytest.raises(Unrenderable) as refusal:
        render("vllm", pool(autoscaling=scaling))
    for word in ("demandPerReplica is missing", "prometheusUrl is missing", "below minReplicas 4"):
        assert word in str(refusal.value)
    with pytest.raises(Unrenderable, match="wants 9 replicas"):
        render("vllm", pool(autoscaling={**scaling, "schedule": [night]}))
    with pytest.raises(Unrenderable, match="demandPerReplica is missing"):
        render("vllm", pool(autoscaling={**scaling, "schedule": [night], "prometheusUrl": "http://p:9090"}))


def expressions() -> Iterator[str]:
    yield from (rule["expr"] for group in groups("vllm", "gateway") for rule in group["rules"])
    yield from queries()


def queries() -> list[str]:
    """All queries of the dashboard, as the release carries it."""
    held = one(render("gateway", GATEWAY, release="gateway"), "ConfigMap", "gateway-dashboard")
    panels = json.loads(held["data"]["spillway.json"])["panels"]
    return [target["expr"] for panel in panels for target in panel["targets"]]


def own_metrics() -> Iterator[str]:
    """Names of the samples that a gateway exposes, whatever it has served."""
    loaded = parse_policy((Path("tests/gateway/data") / "policy.json").read_bytes())
    metrics = Metrics(
        loaded.policy,
        loaded.digest,
        Gate(dict.fromkeys(loaded.policy.pools, 8), random.Random(1), time.monotonic, 8),
    )
    for family in text_string_to_metric_families(metrics.render().decode()):
        suffixes = {"counter": ("_total",), "histogram": ("_bucket", "_count", "_sum")}.get(family.type, ("",))
        yield from (f"{family.name}{suffix}" for suffix in suffixes)


def promtool(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [str(require_tool("promtool")), *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
