"""The whole program on mocks: what stands in the lock is registered, once, safely, and nothing else is."""

from __future__ import annotations

import base64
import json
from decimal import Decimal
from typing import Any

import pulumi
import pytest

from infra.platform_layer import DEVICE_PLUGIN_IMAGE
from planner.plan.fleet import PoolAdapter
from tests.infra import locks
from tests.infra.conftest import Run
from tests.infra.programs import Registered


@pytest.fixture
def registered(run: Run) -> Registered:
    return run()


def test_every_resource_names_its_provider(registered: Registered) -> None:
    custom = [r for r in registered.resources if r.custom and not r.type.startswith("pulumi:providers:")]
    assert len(custom) > 60
    assert [r.name for r in custom if f":providers:{r.type.split(':')[0]}::" not in r.provider] == []


def test_aws_is_one_account_and_region(registered: Registered) -> None:
    aws = registered.one("providers:aws").inputs
    assert aws["region"] == "us-east-1"
    assert json.loads(aws["allowedAccountIds"]) == [locks.ACCOUNT]
    assert json.loads(aws["assumeRoles"])[0]["roleArn"].endswith(":role/deploy")
    assert json.loads(aws["defaultTags"])["tags"]["spillway.dev/environment"] == "prod"


def test_each_node_group_of_the_lock_is_registered_once_with_its_size(registered: Registered) -> None:
    assert registered.names("eks/nodeGroup:NodeGroup") == ["gpu-shared", "gpu-vault", "system"]
    assert len(registered.of(":LaunchTemplate")) == 3
    plan = locks.plan()
    for name in ("shared", "vault"):
        wanted, made = locks.group(plan, name), registered.one("eks/nodeGroup:NodeGroup", name).inputs
        nodes = wanted.max_nodes
        assert made["scalingConfig"] == {"minSize": nodes, "desiredSize": nodes, "maxSize": nodes}
        assert made["instanceTypes"] == [wanted.instance_type]
        assert made["amiType"] == "AL2023_x86_64_NVIDIA"
        assert made["capacityType"] == "ON_DEMAND"
        assert made["labels"] == {
            "spillway.dev/node-group": name,
            "k8s.amazonaws.com/accelerator": "nvidia-l40s",
        }
        assert made["nodeRepairConfig"] == {"enabled": True}


def test_gpu_nodes_keep_others_away_and_exclusive_ones_keep_other_pools_away(registered: Registered) -> None:
    def taints(name: str) -> dict[str, str]:
        made = registered.one("eks/nodeGroup:NodeGroup", name).inputs.get("taints", [])
        assert {taint["effect"] for taint in made} <= {"NO_SCHEDULE"}
        return {taint["key"]: taint["value"] for taint in made}

    assert taints("shared") == {"nvidia.com/gpu": "present"}
    assert taints("vault") == {"nvidia.com/gpu": "present", "spillway.dev/pool": "extraction-1xl40s"}
    assert taints("system") == {}


def test_nodes_are_private_and_their_disks_and_metadata_are_closed(registered: Registered) -> None:
    private = {f"{r.name}-id" for r in registered.of(":Subnet") if "private" in r.name}
    assert len(private) == 2
    for group in registered.of("eks/nodeGroup:NodeGroup"):
        assert set(group.inputs["subnetIds"]) <= private
    for template in registered.of(":LaunchTemplate"):
        assert template.inputs["metadataOptions"] == {
            "httpEndpoint": "enabled",
            "httpTokens": "required",
            "httpPutResponseHopLimit": 1,
        }
        disk = template.inputs["blockDeviceMappings"][0]["ebs"]
        assert disk["encrypted"] == "true"
        assert disk["volumeType"] == "gp3"
        assert "strategy: RAID0" in base64.b64decode(template.inputs["userData"]).decode()
    assert [r.name for r in registered.of(":Subnet") if r.inputs["mapPublicIpOnLaunch"]] == []


def test_a_group_stands_in_its_own_zones_only(run: Run) -> None:
    registered = run(locks.replaced(locks.plan(), "node_groups", "vault", zones=("use1-az6",)))
    subnets = registered.one("eks/nodeGroup:NodeGroup", "vault").inputs["subnetIds"]
    assert subnets == ["spillway-prod-private-use1-az6-id"]


def test_the_control_plane_is_private_encrypted_logged_and_protected_on_request(run: Run) -> None:
    cluster = run().one("eks/cluster:Cluster").inputs
    assert cluster["vpcConfig"]["endpointPublicAccess"] is False
    assert "publicAccessCidrs" not in cluster["vpcConfig"]
    assert cluster["encryptionConfig"]["resources"] == ["secrets"]
    assert set(cluster["enabledClusterLogTypes"]) == {"api", "audit", "authenticator", "controllerManager", "scheduler"}
    assert cluster["accessConfig"]["bootstrapClusterCreatorAdminPermissions"] is False
    assert cluster["deletionProtection"] is False
    assert cluster["version"] == "1.36"


def test_the_key_rotates_and_the_logs_have_an_end(registered: Registered) -> None:
    assert registered.one(":Key").inputs["enableKeyRotation"] is True
    groups = {group.name: group.inputs for group in registered.of(":LogGroup")}
    assert {group["retentionInDays"] for group in groups.values()} == {30, 90}
    # EKS writes to the group of the cluster's very name.
    name = registered.one("eks/cluster:Cluster").inputs["name"]
    assert groups["spillway-prod-control-plane"]["name"] == f"/aws/eks/{name}/cluster"


def test_named_addresses_alone_open_the_endpoint(run: Run) -> None:
    registered = run(locks.on_platform(locks.plan(), public_cidrs=("203.0.113.7/32",)))
    network = registered.one("eks/cluster:Cluster").inputs["vpcConfig"]
    assert network["endpointPublicAccess"] is True
    assert network["publicAccessCidrs"] == ["203.0.113.7/32"]
    assert network["endpointPrivateAccess"] is True


def test_the_listed_roles_administer_the_cluster(registered: Registered) -> None:
    arns = {f"arn:aws:iam::{locks.ACCOUNT}:role/{name}" for name in ("deploy", "platform")}
    assert {entry.inputs["principalArn"] for entry in registered.of(":AccessEntry")} == arns
    associations = registered.of(":AccessPolicyAssociation")
    assert {entry.inputs["principalArn"] for entry in associations} == arns
    assert {entry.inputs["accessScope"]["type"] for entry in associations} == {"cluster"}


def test_roles_that_end_alike_have_entries_of_their_own(run: Run) -> None:
    paths = (f"{locks.ACCOUNT}:role/blue/admin", f"{locks.ACCOUNT}:role/green/admin", "210987654321:role/blue/admin")
    arns = tuple(f"arn:aws:iam::{path}" for path in paths)
    names = {}
    for roles in (arns, arns[:1]):
        entries = run(locks.on_platform(locks.plan(), admin_roles=roles, deploy_role=None)).of(":AccessEntry")
        assert sorted(entry.inputs["principalArn"] for entry in entries) == sorted(roles)
        names[roles] = {entry.inputs["principalArn"]: entry.name for entry in entries}
    assert len(set(names[arns].values())) == 3
    assert names[arns[:1]][arns[0]] == names[arns][arns[0]]


def test_without_a_deploy_role_the_caller_becomes_administrator_and_the_token_is_the_callers(run: Run) -> None:
    registered = run(locks.on_platform(locks.plan(), deploy_role=None, admin_roles=()))
    cluster = registered.one("eks/cluster:Cluster").inputs
    assert cluster["accessConfig"]["bootstrapClusterCreatorAdminPermissions"] is True
    assert registered.of(":AccessEntry") == []
    assert "assumeRoles" not in registered.one("providers:aws").inputs
    assert "--role-arn" not in registered.one("providers:kubernetes").inputs["kubeconfig"]


def test_network_policies_are_enforced_and_addons_take_pins(run: Run) -> None:
    registered = run(addons='{"coredns": "v1.12.0-eksbuild.1"}')
    addons = {addon.inputs["addonName"]: addon.inputs for addon in registered.of(":Addon")}
    assert len(addons) == len(registered.of(":Addon")) == 7
    assert json.loads(addons["vpc-cni"]["configurationValues"]) == {"enableNetworkPolicy": "true"}
    assert addons["coredns"]["addonVersion"] == "v1.12.0-eksbuild.1"
    assert addons["vpc-cni"]["addonVersion"] == "v1.36.0-20261101"


def test_the_storage_driver_has_an_identity_of_its_own(registered: Registered) -> None:
    addon = registered.one(":Addon", "ebs-csi").inputs
    assert [a["serviceAccount"] for a in addon["podIdentityAssociations"]] == ["ebs-csi-controller-sa"]


def test_the_model_bucket_is_closed_encrypted_and_versioned(registered: Registered) -> None:
    block = registered.one(":BucketPublicAccessBlock").inputs
    assert all(block[k] for k in ("blockPublicAcls", "blockPublicPolicy", "ignorePublicAcls", "restrictPublicBuckets"))
    rules = registered.one(":BucketServerSideEncryptionConfiguration").inputs["rules"]
    assert rules[0]["applyServerSideEncryptionByDefault"]["sseAlgorithm"] == "AES256"
    assert registered.one(":BucketVersioning").inputs["versioningConfiguration"]["status"] == "Enabled"
    policy = json.loads(registered.one(":BucketPolicy").inputs["policy"])
    assert policy["Statement"][0]["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}


def test_storage_is_reached_by_an_endpoint_that_names_what_is_needed(registered: Registered) -> None:
    endpoint = registered.one(":VpcEndpoint").inputs
    assert endpoint["vpcEndpointType"] == "Gateway"
    tables = {f"{r.name}-id" for r in registered.of(":RouteTable") if "private" in r.name}
    assert set(endpoint["routeTableIds"]) == tables
    buckets = {
        resource.split(":")[-1].split("/")[0]
        for statement in json.loads(endpoint["policy"])["Statement"]
        for resource in statement["Resource"]
    }
    assert buckets == {
        "docker-images-prod",  # where Docker Hub keeps the layers of the engine's image
        "prod-us-east-1-starport-layer-bucket",
        "spillway-prod-models",
    }


def test_a_machine_inside_the_network_may_fill_the_bucket_and_reach_the_state(run: Run) -> None:
    def passing(**config: str) -> dict[str, list[str]]:
        policy = json.loads(run(**config).one(":VpcEndpoint").inputs["policy"])
        return {s["Resource"][0].split(":")[-1].split("/")[0]: s["Action"] for s in policy["Statement"]}

    stated = passing(stateBucket="acme-state")
    assert {"s3:PutObject", "s3:DeleteObject", "s3:ListBucket"} <= set(stated["acme-state"])
    assert "acme-state" not in passing()
    assert "s3:PutObject" in stated["spillway-prod-models"]
    assert all("s3:DeleteObject" not in actions for bucket, actions in stated.items() if bucket != "acme-state")


def test_own_weights_are_readable_by_their_pool_alone_and_pass_the_endpoint(run: Run) -> None:
    plan = locks.replaced(locks.plan(), "pools", "chat-1xl40s", weights="s3://acme-models/support/v3/")
    registered = run(plan)
    passing = json.loads(registered.one(":VpcEndpoint").inputs["policy"])["Statement"]
    own = [statement for statement in passing if "arn:aws:s3:::acme-models/support/v3/*" in statement["Resource"]]
    assert [statement["Action"] for statement in own] == [["s3:GetObject"]]
    assert all("arn:aws:s3:::acme-models/*" not in statement["Resource"] for statement in passing)
    policies = {r.name: json.loads(r.inputs["policy"]) for r in registered.of(":RolePolicy") if "weights" in r.name}
    readers = [name for name, policy in policies.items() if "acme-models" in json.dumps(policy)]
    assert len(readers) == 1
    assert "chat-1xl40s" in readers[0]
    for statement in policies[readers[0]]["Statement"]:
        assert all("acme-models" in resource for resource in statement["Resource"])


def test_adapters_are_readable_by_their_pool_alone_and_pass_the_endpoint(run: Run) -> None:
    names = ("gpt-6-luna", "legal")  # the first is a name that the route accepts; no route asks for the second
    adapters = tuple(PoolAdapter(name=n, weights=f"s3://acme-adapters/{n}/v1", rank=8) for n in names)
    engine = locks.plan().pools[0].engine.model_copy(update={"max_loras": 2, "max_lora_rank": 8})
    plan = locks.replaced(locks.plan(), "pools", "chat-1xl40s", adapters=adapters, engine=engine)
    registered = run(locks.replaced(plan, "routes", "chat", adapters={"chat-1xl40s": names[0]}))
    passing = json.loads(registered.one(":VpcEndpoint").inputs["policy"])["Statement"]
    policies = {r.name: json.loads(r.inputs["policy"]) for r in registered.of(":RolePolicy") if "weights" in r.name}
    (reader,) = (name for name, policy in policies.items() if "acme-adapters" in json.dumps(policy))
    assert "chat-1xl40s" in reader
    for statements in (passing, policies[reader]["Statement"]):
        read = [s["Resource"] for s in statements if s["Action"] == ["s3:GetObject"]]
        for name in names:
            assert [f"arn:aws:s3:::acme-adapters/{name}/v1/*"] in read
        listed = [s for s in statements if "acme-adapters" in json.dumps(s) and s["Action"] == ["s3:ListBucket"]]
        assert all(s["Condition"]["StringLike"]["s3:prefix"] for s in listed)
        assert len(listed) == 2
    own = [s for s in policies[reader]["Statement"] if "acme-adapters" not in json.dumps(s)]
    assert [s["Action"] for s in own] == [["s3:GetObject"], ["s3:ListBucket"]]


@pytest.mark.parametrize("gateways", [1, 2])
def test_each_private_zone_has_a_way_out(run: Run, gateways: int) -> None:
    registered = run(locks.on_cluster(nat_zones=locks.ZONES[:gateways]))
    assert len(registered.of(":NatGateway")) == gateways
    routes = [r.inputs for r in registered.of("ec2/route:Route") if "private" in r.name]
    assert len(routes) == 2
    assert len({route["natGatewayId"] for route in routes}) == gateways


def test_every_pool_is_one_chart_awaited_as_long_as_its_weights_load(registered: Registered) -> None:
    charts = {r.name: r.inputs for r in registered.of(":Chart")}
    assert sorted(charts) == ["gateway", "vllm-chat-1xl40s", "vllm-code-2xl40s", "vllm-extraction-1xl40s"]
    for name, chart in charts.items():
        assert chart["name"] == name
        assert chart["namespace"] == ("gateway" if name == "gateway" else "serving")
        assert chart["chart"] == ("./charts/gateway" if name == "gateway" else "./charts/vllm")
        assert "skipAwait" not in chart
    # 15 minutes for the node and 2 × 91 s a replica.
    awaited = charts["vllm-chat-1xl40s"]["values"]["awaitedAnnotations"]
    assert awaited == {"pulumi.com/timeoutSeconds": str(900 + 2 * 91 * 4)}
    assert charts["vllm-extraction-1xl40s"]["values"]["networkPolicy"]["modelStoreCidrs"] == [
        "16.15.176.0/20",
        "3.5.0.0/19",
        "52.216.0.0/15",
    ]


def test_a_pool_reads_its_own_weights_and_no_others(registered: Registered) -> None:
    for pool, prefix in (("chat-1xl40s", "acme/chat-8b/0123abc"), ("extraction-1xl40s", "acme/extract-7b/0123abc")):
        (statement, listing) = json.loads(registered.one(":RolePolicy", pool).inputs["policy"])["Statement"]
        assert [r.split(":")[-1].split("/", 1)[1] for r in statement["Resource"]] == [f"{prefix}/*"]
        assert statement["Action"] == ["s3:GetObject"]
        assert listing["Condition"]["StringLike"]["s3:prefix"] == [prefix, f"{prefix}/*"]
        identity = registered.one(":PodIdentityAssociation", pool).inputs
        assert (identity["namespace"], identity["serviceAccount"]) == ("serving", f"vllm-{pool}")
        source = registered.one(":Chart", pool).inputs["values"]["model"]["source"]
        assert source.endswith(f"/{prefix}")
    assert [r.inputs["namespace"] for r in registered.of(":PodIdentityAssociation")].count("serving") == 3


def test_all_namespaces_are_restricted_and_pools_start_closed(registered: Registered) -> None:
    namespaces = {n.name: n.inputs["metadata"]["labels"] for n in registered.of(":Namespace")}
    assert sorted(namespaces) == ["gateway", "serving", "weights"]
    assert {labels["pod-security.kubernetes.io/enforce"] for labels in namespaces.values()} == {"restricted"}
    closed = registered.one(":NetworkPolicy", "closed").inputs
    assert closed["metadata"]["namespace"] == "serving"
    assert closed["spec"] == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}


def test_pools_that_leave_each_other_their_places_have_one_priority(registered: Registered) -> None:
    classes = {c.name: c.inputs["value"] for c in registered.of(":PriorityClass")}
    assert classes == {"spillway-replica": 100_000}
    for pool in ("chat", "code", "extraction"):
        values = registered.one(":Chart", pool).inputs["values"]
        assert values["priorityClass"] == {"create": False, "name": "spillway-replica"}


def test_the_device_plugin_runs_on_every_gpu_node(registered: Registered) -> None:
    pod = registered.one(":DaemonSet").inputs["spec"]["template"]["spec"]
    assert pod["containers"][0]["image"] == DEVICE_PLUGIN_IMAGE
    assert "@sha256:" in DEVICE_PLUGIN_IMAGE
    tolerated = {toleration["key"] for toleration in pod["tolerations"]}
    for group in registered.of("eks/nodeGroup:NodeGroup"):
        assert {taint["key"] for taint in group.inputs.get("taints", [])} <= tolerated


def test_no_token_and_no_machine_is_in_the_kubeconfig(registered: Registered) -> None:
    provider = registered.one("providers:kubernetes").inputs
    kubeconfig = json.loads(provider["kubeconfig"])
    (user,) = kubeconfig["users"]
    assert user["user"]["exec"]["args"][:2] == ["eks", "get-token"]
    assert user["user"]["exec"]["args"][-2:] == ["--role-arn", f"arn:aws:iam::{locks.ACCOUNT}:role/deploy"]
    assert set(user["user"]) == {"exec"}
    assert "env" not in user["user"]["exec"]
    assert "deleteUnreachable" not in provider, "a cluster that does not answer must not empty the state"
    assert provider["clusterIdentifier"] == "arn:aws:mock:us-east-1:123456789012:spillway-prod"


def test_outputs_say_what_was_deployed(registered: Registered) -> None:
    outputs = registered.outputs
    assert outputs["lock"] == locks.sealed(locks.plan()).digests.content
    assert outputs["override"] is None
    assert outputs["cluster"] == registered.one("eks/cluster:Cluster").inputs["name"]
    assert outputs["pools"] == ["vllm-chat-1xl40s", "vllm-code-2xl40s", "vllm-extraction-1xl40s"]
    assert outputs["gateway"] == "http://gateway.gateway.svc.cluster.local:80"


def test_a_plan_without_pools_makes_nothing_and_hands_out_the_policy(run: Run) -> None:
    plan = locks.plan()
    routes = tuple(
        route.model_copy(
            update={
                "bands": tuple(
                    band.model_copy(
                        update={"weights": {}, "api_share": Decimal(1), "spill_by_level": {"peak": Decimal(1)}}
                    )
                    for band in route.bands
                ),
                "fallback": ("openai/gpt-6-luna",),
            }
        )
        for route in plan.routes
        if route.name == "chat"
    )
    nothing = {name: Decimal("0.00") for name in type(plan.cost).model_fields} | {"lines": (), "ranges": ()}
    cost = plan.cost.model_copy(update=nothing)
    platform = plan.platform.model_copy(update={"cluster": None})
    api_only = plan.model_copy(
        update={"platform": platform, "pools": (), "node_groups": (), "routes": routes, "cost": cost}
    )
    registered = run(api_only, environment=locks.environment_text(routes=("chat",)))
    assert registered.resources == []
    assert list(registered.outputs["policy"]["routes"]) == ["chat"]
    assert registered.outputs["policy"]["pools"] == {}


def test_names_and_inputs_are_the_same_on_every_run(run: Run) -> None:
    def shape(registered: Registered) -> list[Any]:
        return sorted((r.type, r.name, json.dumps(r.inputs, sort_keys=True, default=str)) for r in registered.resources)

    assert shape(run()) == shape(run())


def test_scaling_one_pool_changes_its_node_group_its_release_and_the_gateways_document_only(run: Run) -> None:
    def inputs(registered: Registered) -> dict[tuple[str, str], Any]:
        return {(r.type, r.name): r.inputs for r in registered.resources}

    before, after = inputs(run(locks.plan())), inputs(run(locks.plan(vault_nodes=3)))
    assert before.keys() == after.keys()
    changed = sorted(name for (kind, name) in before if before[kind, name] != after[kind, name])
    assert changed == ["gateway", "gpu-vault", "vllm-extraction-1xl40s"]


def test_images_of_ones_own_are_used(run: Run) -> None:
    digest = "sha256:" + "1" * 64
    registered = run(
        engineImage=f"mirror.example/vllm-openai:v0.33.0@{digest}",
        gatewayImage=f"mirror.example/spillway-gateway:1.0@{digest}",
    )
    for name, repository in (("chat", "mirror.example/vllm-openai"), ("gateway", "mirror.example/spillway-gateway")):
        image = registered.one(":Chart", name).inputs["values"]["image"]
        assert (image["repository"], image["digest"], image["requireDigest"]) == (repository, digest, True)


@pytest.mark.parametrize("missing", ["gatewayImage", "weightsImage"])
def test_no_stack_pays_for_machines_whose_pods_nobody_published(run: Run, missing: str) -> None:
    with pytest.raises(pulumi.RunError, match=rf"DEP051.*spillway:{missing} is not set"):
        run(**{missing: ""})


def test_an_image_that_no_pod_is_made_of_may_be_missing(run: Run, caplog: pytest.LogCaptureFixture) -> None:
    run(weights="copied", weightsImage="")
    assert "weightsImage" not in caplog.text
    run(stage="cluster", gatewayImage="", weightsImage="")
    assert "spillway:gatewayImage is not set" in caplog.text  # the next stage will refuse


def test_images_without_a_digest_are_warned_of(run: Run, caplog: pytest.LogCaptureFixture) -> None:
    run(gatewayImage="registry.example/gateway:1")
    assert "registry.example/gateway:1 has no digest" in caplog.text
    assert "the engine's image vllm/vllm-openai:v0.33.0 has no digest" in caplog.text
    caplog.clear()
    run(**locks.IMAGES)
    assert caplog.text == ""


@pytest.mark.parametrize(
    ("config", "says"),
    [
        ({"override": " "}, "spillway:override is empty"),
        ({"gatewayImage": "gateway"}, "`gateway` is no image"),
        ({"addons": '["coredns"]'}, "must map names to versions"),
        ({"runner": "somewhere"}, "write inside, outside or an IPv4 address"),
    ],
)
def test_a_setting_that_cannot_be_meant_stops_the_run(
    run: Run, monkeypatch: pytest.MonkeyPatch, config: dict[str, str], says: str
) -> None:
    monkeypatch.delenv("SPILLWAY_RUNNER")
    with pytest.raises(pulumi.RunError, match=says):
        run(**config)
