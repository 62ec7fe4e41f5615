"""What the charts refuse, and with which words: each message must tell what to do."""

from __future__ import annotations

from typing import Any

import pytest

from tests.charts.rendering import HELMS, Unrenderable, example, merged, pool, template

pytestmark = pytest.mark.charts

ADAPTER = {"name": "acme", "source": "s3://acme-adapters/acme/v1"}
RESTRICTED = example("vllm", "restricted-tp2")
SPILLING = example("gateway", "spilling")

# (values laid over an example, what the message must hold). First what the schema says, then what the templates say.
SCHEMA_REFUSES: list[tuple[dict[str, Any], str]] = [
    ({"modle": {}}, "additional properties 'modle' not allowed"),
    ({"engine": {"maxNumSequences": 8}}, "additional properties 'maxNumSequences' not allowed"),
    ({"engine": {"maxNumSeqs": 0}}, "at '/engine/maxNumSeqs': minimum: got 0, want 1"),
    ({"engine": {"maxNumSeqs": "128"}}, "at '/engine/maxNumSeqs': got string, want null or integer"),
    ({"engine": {"tensorParallelSize": 3}}, "value must be one of 1, 2, 4, 8, 16"),
    ({"engine": {"gpuMemoryUtilization": 1.5}}, "maximum: got 1.5, want 1"),
    ({"engine": {"quantization": "fp7"}}, "at '/engine/quantization': value must be one of"),
    ({"engine": {"kvCacheDtype": "fp9"}}, "at '/engine/kvCacheDtype': value must be one of"),
    (
        {"engine": {"speculativeConfig": {"method": "eagle3", "num_speculative_tokens": 3}}},
        "at '/engine/speculativeConfig/method': value must be 'mtp'",
    ),
    (
        {"engine": {"speculativeConfig": {"method": "mtp"}}},
        "at '/engine/speculativeConfig': missing property 'num_speculative_tokens'",
    ),
    ({"engine": {"maxLoraRank": 24}}, "at '/engine/maxLoraRank': value must be one of"),
    ({"adapters": [{"name": "acme"}]}, "at '/adapters/0': missing property 'source'"),
    ({"adapters": [{"name": "a=b", "source": "s3://acme/a"}]}, "at '/adapters/0/name'"),
    ({"adapters": [{"name": "a", "source": "https://acme/a"}]}, "at '/adapters/0/source'"),
    ({"engine": {"keepAliveSeconds": 30}}, "at '/engine/keepAliveSeconds': minimum: got 30, want 61"),
    ({"privacy": "secret"}, "value must be one of 'public', 'internal', 'restricted'"),
    ({"model": {"source": "https://hub.example/model"}}, "at '/model/source'"),
    ({"image": {"digest": "latest"}}, "at '/image/digest'"),
    ({"nodeGroup": {"capacityType": "cheap"}}, "'on-demand', 'spot', 'reserved', 'capacity-block'"),
    ({"placement": {"strategy": "anywhere"}}, "value must be one of 'spread', 'pack'"),
    ({"resources": {"requests": {"memory": "12 GB"}}}, "at '/resources/requests/memory'"),
    ({"resources": {"limits": {"cpu": "8"}}}, "additional properties 'cpu' not allowed"),
    ({"probes": {"readinessPeriodSeconds": 30}}, "maximum: got 30, want 5"),
    ({"networkPolicy": {"modelStoreCidrs": ["52.216.0.0"]}}, "at '/networkPolicy/modelStoreCidrs/0'"),
    ({"podIdentity": {"agentCidr": "0.0.0.0/0"}}, "at '/podIdentity/agentCidr'"),
    ({"networkPolicy": {"dns": {"cidrs": ["0.0.0.0/0"]}}}, "at '/networkPolicy/dns/cidrs/0'"),
    ({"securityContext": {"runAsUser": 0}}, "minimum: got 0, want 1"),
    ({"securityContext": {"privileged": True}}, "additional properties 'privileged' not allowed"),
    ({"env": [{"name": "A", "value": "b", "valueFrom": {}}]}, "at '/env/0'"),
]

TEMPLATES_REFUSE: list[tuple[dict[str, Any], str]] = [
    ({"model": {"name": None}}, "model.name is missing: set"),
    ({"model": {"source": None}}, "model.source is missing: set s3://"),
    ({"model": {"source": "/models/a"}}, "no volume is mounted: set modelStore.volumeClaim"),
    ({"fullnameOverride": ""}, "cannot name a Service: start with a letter"),
    ({"image": {"tag": "v0.29.1"}}, "vLLM 0.29.1 has known vulnerabilities: use 0.30.0 or later"),
    ({"image": {"tag": "v0.9.2-cu129"}}, "vLLM 0.9.2 has known vulnerabilities"),
    ({"image": {"tag": "latest"}}, "does not tell vLLM's version: set image.engineVersion"),
    ({"image": {"tag": "latest", "engineVersion": "0.28.0"}}, "vLLM 0.28.0 has known vulnerabilities"),
    ({"image": {"requireDigest": True}}, "image.digest is missing and image.requireDigest is true: set sha256:"),
    ({"engine": {"trustRemoteCode": True}}, "review it, then add exactly that to trustedRemoteCode"),
    (
        {"engine": {"trustRemoteCode": True}, "trustedRemoteCode": ["Qwen/Qwen3-8B@other"]},
        "add exactly that to trustedRemoteCode",
    ),
    ({"engine": {"maxNumBatchedTokens": 64, "maxNumSeqs": 128}}, "maxNumBatchedTokens 64 is below maxNumSeqs 128"),
    ({"extraArgs": ["--trust-remote-code"]}, "remove it and use engine.trustRemoteCode and trustedRemoteCode"),
    ({"extraArgs": ["--trust_remote_code"]}, "remove it and use engine.trustRemoteCode"),
    ({"extraArgs": ["--trust-rem"]}, "remove it and use engine.trustRemoteCode"),
    ({"extraArgs": ["--max-num-seqs=4"]}, "--max-num-seqs is set by the chart: remove it and use engine.maxNumSeqs"),
    ({"extraArgs": ["-tp=2"]}, "is a short form: write the long one"),
    ({"extraArgs": ["--api-key=k"]}, "--api-key is refused"),
    ({"extraArgs": ["--config=/tmp/a.yaml"]}, "--config is refused: it would set flags that nobody checked"),
    ({"extraArgs": ["--middleware=a.b"]}, "--middleware is refused: it runs code"),
    ({"extraArgs": ["--allowed-local-media-path=/"]}, "requests could read files of the pod"),
    ({"env": [{"name": "HF_HUB_OFFLINE", "value": "0"}]}, "env: HF_HUB_OFFLINE is set by the chart: remove it"),
    ({"env": [{"name": "VLLM_SERVER_DEV_MODE", "value": "1"}]}, "env: VLLM_SERVER_DEV_MODE is refused"),
    ({"env": [{"name": "AWS_SECRET_ACCESS_KEY", "value": "k"}]}, "give it as valueFrom.secretKeyRef"),
    ({"networkPolicy": {"modelStoreCidrs": []}}, "modelStoreCidrs is empty, so the weights cannot be read: set"),
    ({"networkPolicy": {"modelStoreCidrs": ["0.0.0.0/0"]}}, "0.0.0.0/0 is a large part of the Internet"),
    ({"networkPolicy": {"modelStoreCidrs": ["0.0.0.0/1", "128.0.0.0/1"]}}, "128.0.0.0/1 is a large part"),
    ({"replicas": 2, "placement": {"maxReplicasPerNode": 2}}, "lets one node hold all 2 replicas: lower it"),
    ({"engine": {"tensorParallelSize": 8}, "nodeGroup": {"gpusPerNode": 4}}, "needs more GPUs than a node has (4)"),
    (
        {
            "engine": {"tensorParallelSize": 2, "dataParallelSize": 4, "expertParallel": True},
            "nodeGroup": {"gpusPerNode": 4},
        },
        "a replica of 8 GPUs (engine.tensorParallelSize × engine.dataParallelSize) needs more GPUs than a node has (4)",
    ),
    ({"engine": {"dataParallelSize": 2}}, "engine.dataParallelSize 2 shares nothing without engine.expertParallel"),
    (
        {
            "engine": {
                "maxNumBatchedTokens": 200,
                "maxNumSeqs": 128,
                "speculativeConfig": {"method": "mtp", "num_speculative_tokens": 1},
            }
        },
        "maxNumBatchedTokens 200 does not hold the 256 tokens that engine.speculativeConfig verifies for 128 sequences",
    ),
    ({"extraArgs": ["--speculative-config={}"]}, "remove it and use engine.speculativeConfig"),
    ({"extraArgs": ["--speculative_config.method=mtp"]}, "remove it and use engine.speculativeConfig"),
    (
        {"extraArgs": ["--spec-tokens=3"]},
        "--spec-tokens is set by the chart: remove it and use engine.speculativeConfig",
    ),
    ({"extraArgs": ["--api-server-count=4"]}, "--api-server-count is set by the chart"),
    ({"extraArgs": ["--enable-lora"]}, "--enable-lora is set by the chart: remove it and use adapters"),
    ({"extraArgs": ["--lora_modules=a=/a"]}, "--lora-modules is set by the chart: remove it and use adapters"),
    ({"extraArgs": ["--max-loras=4"]}, "--max-loras is set by the chart: remove it and use engine.maxLoras"),
    (
        {"adapters": [ADAPTER, {**ADAPTER, "name": "b"}], "engine": {"maxLoras": 1, "maxLoraRank": 8}},
        "engine.maxLoras and engine.maxLoraRank do not hold 2 adapters: set the first to 2 or more",
    ),
    ({"adapters": [ADAPTER], "engine": {"maxLoras": 1}}, "do not hold 1 adapters"),
    ({"engine": {"maxLoras": 1, "maxLoraRank": 8}}, "slow every step and hold nothing"),
    (
        {"adapters": [ADAPTER, ADAPTER], "engine": {"maxLoras": 2, "maxLoraRank": 8}},
        "adapters: acme is served already: give every adapter a name of its own",
    ),
    (
        {
            "adapters": [ADAPTER],
            "engine": {"maxLoras": 1, "maxLoraRank": 8},
            "model": {"source": "/models/a"},
            "modelStore": {"volumeClaim": "weights"},
            "networkPolicy": {"modelStoreCidrs": []},
        },
        "networkPolicy.modelStoreCidrs is empty",
    ),
    (
        {"replicas": 4, "placement": {"maxReplicasPerNode": 3}, "nodeGroup": {"gpusPerNode": 2}},
        "placement.maxReplicasPerNode 3 × 1 GPUs do not fit the 2 of a node",
    ),
    ({"rollout": {"maxSurge": 0, "maxUnavailable": 0}}, "no rollout could start: set one of them to 1"),
    ({"drain": {"terminationGracePeriodSeconds": 60}}, "60 cuts the drain: 110 are needed"),
    (
        {"nodeGroup": {"capacityType": "spot"}, "drain": {"shutdownTimeoutSeconds": 120}},
        "a drain of 140 s does not fit the two minutes' notice of spot: 110 at most",
    ),
]

RESTRICTED_REFUSES: list[tuple[dict[str, Any], str]] = [
    ({"networkPolicy": {"enabled": False}}, "a restricted pool needs its network policy"),
    ({"networkPolicy": {"extraEgress": [{"to": [{"ipBlock": {"cidr": "10.0.0.0/8"}}]}]}}, "empty networkPolicy.extraE"),
    ({"extraObjects": [{"kind": "NetworkPolicy"}]}, "may bring no further NetworkPolicy"),
    ({"extraObjects": ["kind: CiliumNetworkPolicy"]}, "may bring no further CiliumNetworkPolicy"),
    ({"extraArgs": ["--otlp-traces-endpoint=http://a"]}, "may not use --otlp-traces-endpoint: prompts would leave"),
    ({"extraArgs": ["--enable_log_requests"]}, "may not use --enable-log-requests"),
    ({"env": [{"name": "VLLM_LOGGING_LEVEL", "value": "debug"}]}, "may not set VLLM_LOGGING_LEVEL"),
    ({"env": [{"name": "VLLM_DEBUG_LOG_API_SERVER_RESPONSE", "value": "1"}]}, "prompts would stand in the log"),
]

GATEWAY_REFUSES: list[tuple[dict[str, Any], str]] = [
    ({"replicas": 1}, "at '/replicas': minimum: got 1, want 2"),
    ({"providerKeys": [{"env": "OPENAI_API_KEY", "value": "sk-1"}]}, "additional properties 'value' not allowed"),
    ({"policy": {"document": ""}}, "policy.document is missing: set"),
    ({"policy": {"document": "{"}}, "policy.document is not a JSON object"),
    ({"policy": {"document": '{"a": "%s"}' % ("x" * 900_001)}}, "and a ConfigMap holds 1 MiB: shorten it"),
    ({"networkPolicy": {"apiEgress": False}}, "apiEgress is false but chat may spill: set it to true"),
    (
        {"policy": {"document": {"routes": {"a": {"fallback": []}}}}},
        "apiEgress is true but no route of the policy may spill: set it to false",
    ),
    ({"providerKeys": []}, "takes its key from OPENAI_API_KEY, which no entry of providerKeys sets"),
    ({"env": [{"name": "OPENAI_API_KEY", "value": "sk-1"}]}, "env: OPENAI_API_KEY is set twice"),
    ({"env": [{"name": "GROQ_API_KEY", "value": "sk-1"}]}, "give it as valueFrom.secretKeyRef"),
    ({"clientKeys": {"secretName": None}}, "clientKeys.secretName is missing: name the Secret"),
    ({"clientKeys": {"noAuth": True}}, "clientKeys.noAuth would ignore the keys"),
    ({"image": {"digest": None}}, "image.digest is missing and image.requireDigest is true"),
    ({"drain": {"timeoutSeconds": 100}}, "drain.timeoutSeconds 100 is not longer than an engine's drain of 110 s"),
    ({"ports": {"admin": 8080}}, "ports.http and ports.admin are the same"),
    ({"autoscaling": {"enabled": True, "minReplicas": 4, "maxReplicas": 3}}, "maxReplicas 3 is below minReplicas 4"),
    ({"securityContext": {"runAsUser": 0}}, "minimum: got 0, want 1"),
    ({"fullnameOverride": "9gateways"}, "at '/fullnameOverride'"),
    ({"service": {"nodePort": 30080}}, "service.nodePort needs service.type NodePort"),
    ({"service": {"type": "NodePort"}, "networkPolicy": {"clients": []}}, "networkPolicy.clients lets nobody through"),
    ({"ingress": {"enabled": True}, "networkPolicy": {"clients": []}}, "ingress.enabled opens a way in"),
    ({"httpRoute": {"enabled": True}}, "httpRoute.parentRefs is empty: name the Gateway"),
    ({"httpRoute": {"requestTimeout": "2 minutes"}}, "at '/httpRoute/requestTimeout'"),
    ({"poolTls": {"secretName": "a", "configMapName": "b"}}, "are both set: keep one"),
    ({"extraArgs": ["--pool-ca=/tmp/ca"]}, "--pool-ca is set by poolTls"),
]

BOTH_HELMS = pytest.mark.parametrize("helm", HELMS)


@BOTH_HELMS
@pytest.mark.parametrize(("changes", "message"), SCHEMA_REFUSES)
def test_schema_refuses(changes: dict[str, Any], message: str, helm: str) -> None:
    assert message in _refusal("vllm", pool(**changes), helm=helm)


@pytest.mark.parametrize(("changes", "message"), TEMPLATES_REFUSE)
def test_templates_refuse(changes: dict[str, Any], message: str) -> None:
    release = "9-pools" if "fullnameOverride" in changes else "pool-a"
    assert message in _refusal("vllm", pool(**changes), release=release)


@pytest.mark.parametrize(("changes", "message"), RESTRICTED_REFUSES)
def test_restricted_pool_refuses(changes: dict[str, Any], message: str) -> None:
    assert message in _refusal("vllm", merged(RESTRICTED, changes))


@pytest.mark.parametrize(("changes", "message"), [case for case in RESTRICTED_REFUSES if "extraObjects" not in case[0]])
def test_what_a_restricted_pool_refuses_an_internal_one_may(changes: dict[str, Any], message: str) -> None:
    assert "kind: Deployment" in template("vllm", merged(RESTRICTED, {**changes, "privacy": "internal"}))


@pytest.mark.parametrize(("changes", "message"), GATEWAY_REFUSES)
def test_gateway_refuses(changes: dict[str, Any], message: str) -> None:
    assert message in _refusal("gateway", merged(SPILLING, changes))


@BOTH_HELMS
def test_all_problems_are_told_at_once(helm: str) -> None:
    values = pool(image={"tag": "v0.20.0"}, extraArgs=["--api-key=a"], drain={"terminationGracePeriodSeconds": 1})
    text = _refusal("vllm", values, helm=helm)
    assert text.count("\n- ") == 3


def test_reviewed_remote_code_is_let_through() -> None:
    values = pool(
        model={"revision": "abc123"}, engine={"trustRemoteCode": True}, trustedRemoteCode=["Qwen/Qwen3-8B@abc123"]
    )
    assert "--trust-remote-code" in template("vllm", values)


def _refusal(chart: str, values: dict[str, Any], release: str = "pool-a", helm: str = "helm3") -> str:
    with pytest.raises(Unrenderable) as refused:
        template(chart, values, release, helm)
    return str(refused.value)
