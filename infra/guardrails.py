"""What no resource of an environment may be, whoever adds it: pure functions over a type and its inputs.

Each rule is one function that yields problems (DEP070-DEP078). `infra.guarding` asks all of them about everything that
the program registers, in every preview and every `up`, so that a new component cannot forget them. A value that is not
known yet is judged when it is known: no later than in the `up` that makes the resource.
"""

from __future__ import annotations

import ipaddress
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from infra.billing import BILLED, FREE
from infra.naming import (
    ENVIRONMENT_TAG,
    GATEWAY_NAMESPACE,
    NODE_GROUP_LABEL,
    POOL_TAINT,
    SERVING_NAMESPACE,
    WEIGHTS_NAMESPACE,
    label_value,
)
from infra.purchases import ON_DEMAND, SPOT, shares
from planner.plan.plan import Plan
from planner.words.diagnostics import Problem

Inputs = Mapping[str, Any]
SYSTEM = "system"
NAMESPACES = (SERVING_NAMESPACE, GATEWAY_NAMESPACE, WEIGHTS_NAMESPACE)
CONTROL_PLANE_LOGS = frozenset({"api", "audit", "authenticator", "controllerManager", "scheduler"})
POD_SECURITY = "pod-security.kubernetes.io/enforce"


@dataclass(frozen=True)
class Machines:
    """Machines are what the plan grants to one node group.

    most: number of nodes on demand, at the most.
    spot: number of nodes that are spot, at the most.
    tenant: the only pool that may run there, as a label; None shares the nodes.
    """

    instance_type: str
    most: int
    tenant: str | None = None
    spot: int = 0


@dataclass(frozen=True)
class Granted:
    """Granted is what a plan allows, and no resource may exceed it.

    public_cidrs: addresses that may reach the Kubernetes API.
    internet_facing: whether the gateway's load balancer may have public addresses.
    boundary: ARN of the policy that bounds every role.
    machines: by node group, as its label says.
    """

    environment: str
    account: str
    region: str
    public_cidrs: frozenset[str] = frozenset()
    internet_facing: bool = False
    boundary: str | None = None
    machines: Mapping[str, Machines] = field(default_factory=dict)


Rule = Callable[[str, Inputs, Granted], Iterator[Problem]]


def granted_by(plan: Plan, environment: str) -> Granted:
    """Return what this plan allows to the environment of that name."""
    platform, machines = plan.platform, {}
    if platform.cluster is not None:
        nodes = platform.cluster.system_nodes
        machines[SYSTEM] = Machines(nodes.instance_type, nodes.nodes)
    for group in plan.node_groups:
        tenants = sorted(pool.name for pool in plan.pools if pool.node_group == group.name)
        tenant = label_value(tenants[0]) if group.exclusive and tenants else None
        most = {share.capacity_type: share.nodes for share in shares(group)}
        machines[label_value(group.name)] = Machines(
            group.instance_type, most.get(ON_DEMAND, 0), tenant, most.get(SPOT, 0)
        )
    balancer = platform.cluster.load_balancer if platform.cluster is not None else None
    return Granted(
        environment=environment,
        account=platform.account,
        region=platform.region,
        public_cidrs=frozenset(platform.public_cidrs),
        internet_facing=balancer is not None and balancer.scheme == "internet-facing",
        boundary=platform.boundary,
        machines=machines,
    )


def problems(kind: str, name: str, inputs: Inputs, granted: Granted) -> tuple[Problem, ...]:
    """List everything that speaks against a resource. `kind` is its type's token, such as `aws:ec2/vpc:Vpc`."""
    return tuple(
        Problem(problem.code, f"`{name}` ({kind}): {problem.message}", hint=problem.hint)
        for rule in RULES
        for problem in rule(kind, inputs, granted)
    )


def known_kind(kind: str, inputs: Inputs, granted: Granted) -> Iterator[Problem]:
    """Require a kind that is priced, in the account and region of the lock."""
    package = kind.partition(":")[0]
    if package == "aws" and kind not in BILLED and kind not in FREE:
        yield Problem("DEP070", "nobody has priced this kind", hint="name its price in infra/billing.py")
    if package not in ("aws", "kubernetes", "pulumi", "spillway"):
        yield Problem("DEP070", f"`{package}` is no package of this program", hint="leave it to another stack")
    if kind == "pulumi:providers:aws":
        accounts = _decoded(inputs.get("allowedAccountIds"))
        if inputs.get("region") != granted.region or accounts != [granted.account]:
            message = f"the provider is not bound to account {granted.account} in {granted.region}"
            yield Problem("DEP070", message, hint="take the provider of infra/providers.py")


def encrypted(kind: str, inputs: Inputs, granted: Granted) -> Iterator[Problem]:
    """Require encryption of disks, secrets and buckets, and keys that rotate."""
    what = None
    if kind == "aws:ec2/launchTemplate:LaunchTemplate":
        disks = [mapping.get("ebs") or {} for mapping in inputs.get("blockDeviceMappings") or ()]
        what = None if disks and all(_yes(disk.get("encrypted")) for disk in disks) else "the disks of its machines"
    elif kind == "aws:ebs/volume:Volume":
        what = None if _yes(inputs.get("encrypted")) else "the volume"
    elif kind == "aws:eks/cluster:Cluster":
        covered = (inputs.get("encryptionConfig") or {}).get("resources") or ()
        what = None if "secrets" in covered else "the secrets of Kubernetes"
    elif kind == "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration":
        rules = [rule.get("applyServerSideEncryptionByDefault") or {} for rule in inputs.get("rules") or ()]
        ciphers = [rule.get("sseAlgorithm") for rule in rules]
        what = None if ciphers and {*ciphers} <= {"AES256", "aws:kms", "aws:kms:dsse"} else "the objects of the bucket"
    if what is not None:
        yield Problem("DEP071", f"{what} would not be encrypted", hint="ask for encryption where the resource is made")
    if kind == "aws:kms/key:Key" and not _yes(inputs.get("enableKeyRotation")):
        yield Problem("DEP071", "the key would never rotate", hint="set `enable_key_rotation`")


def closed(kind: str, inputs: Inputs, granted: Granted) -> Iterator[Problem]:
    """Require that nothing is open to everyone: no API, no port, no machine and no bucket."""
    hint = "name who may come in, or keep it inside the network"
    for what in _open(kind, inputs, granted):
        yield Problem("DEP072", what, hint=hint)


def guarded_metadata(kind: str, inputs: Inputs, granted: Granted) -> Iterator[Problem]:
    """Require session tokens and one hop, so that no pod takes on the identity of its node."""
    if kind != "aws:ec2/launchTemplate:LaunchTemplate":
        return
    options = inputs.get("metadataOptions") or {}
    if options.get("httpTokens") != "required" or options.get("httpPutResponseHopLimit") != 1:
        message = "the metadata of machines would answer without a session token, or beyond one hop"
        yield Problem("DEP073", message, hint='set `http_tokens="required"` and `http_put_response_hop_limit=1`')


def tagged(kind: str, inputs: Inputs, granted: Granted) -> Iterator[Problem]:
    """Require the environment's tag on everything: from the provider, and from templates on what they start."""
    hint = "use `default_tags` of infra/providers.py"
    if kind == "pulumi:providers:aws":
        tags = (_decoded(inputs.get("defaultTags")) or {}).get("tags") or {}
        if tags.get(ENVIRONMENT_TAG) != granted.environment:
            yield Problem("DEP074", "the provider does not tag with the environment", hint=hint)
    elif kind == "aws:ec2/launchTemplate:LaunchTemplate":
        carried = {item["resourceType"]: item.get("tags") or {} for item in inputs.get("tagSpecifications") or ()}
        bare = [one for one in ("instance", "volume") if carried.get(one, {}).get(ENVIRONMENT_TAG) is None]
        if bare:
            yield Problem("DEP074", f"each {' and '.join(bare)} that it starts would have no tag", hint=hint)
    elif kind.startswith("aws:") and (inputs.get("tags") or {}).get(ENVIRONMENT_TAG, granted.environment) != (
        granted.environment
    ):
        yield Problem("DEP074", "its tag names another environment", hint=hint)


def logged(kind: str, inputs: Inputs, granted: Granted) -> Iterator[Problem]:
    """Require all logs of the control plane, and an end of every log."""
    if kind == "aws:cloudwatch/logGroup:LogGroup" and not inputs.get("retentionInDays"):
        yield Problem("DEP075", "its records would be kept for ever", hint="set `retention_in_days` from the lock")
    if kind == "aws:eks/cluster:Cluster":
        missing = sorted(CONTROL_PLANE_LOGS - {*(inputs.get("enabledClusterLogTypes") or ())})
        if missing:
            yield Problem("DEP075", f"no log of {', '.join(missing)}", hint="enable every log of the control plane")


def within_the_plan(kind: str, inputs: Inputs, granted: Granted) -> Iterator[Problem]:
    """Require that machines are those of the plan: type, way of buying and number of each node group, and no others."""
    if kind in ("aws:ec2/instance:Instance", "aws:autoscaling/group:Group"):
        yield Problem("DEP076", "machines stand in node groups alone", hint="plan them")
    if kind == "aws:autoscaling/schedule:Schedule" and (inputs.get("minSize"), inputs.get("maxSize")) != (-1, -1):
        message = "it would move the limits of its Auto Scaling group, which hold its number to the plan's"
        yield Problem("DEP076", message, hint="set `min_size` and `max_size` to -1, which leaves them as they are")
    if kind != "aws:eks/nodeGroup:NodeGroup":
        return
    label = (inputs.get("labels") or {}).get(NODE_GROUP_LABEL)
    allowed = granted.machines.get(str(label))
    if allowed is None:
        yield Problem("DEP076", f"the plan has no node group `{label}`", hint="plan again, and deploy that lock")
        return
    types = inputs.get("instanceTypes") or []
    if types != [allowed.instance_type]:
        message = f"it may start {', '.join(map(str, types)) or 'any type'}; the plan says {allowed.instance_type}"
        yield Problem("DEP076", message, hint="plan again, and deploy that lock")
    way, most = inputs.get("capacityType") or ON_DEMAND, (inputs.get("scalingConfig") or {}).get("maxSize")
    granted_nodes = {ON_DEMAND: allowed.most, SPOT: allowed.spot}.get(str(way), 0)
    if isinstance(most, int | float) and most > granted_nodes:
        message = f"it may grow to {most:g} nodes ({way}); the plan says {granted_nodes}"
        yield Problem("DEP076", message, hint="plan again, and deploy that lock")


def kept_apart(kind: str, inputs: Inputs, granted: Granted) -> Iterator[Problem]:
    """Require exclusive nodes for restricted data, namespaces that admit no privilege, and policies that close."""
    if kind == "aws:eks/nodeGroup:NodeGroup":
        allowed = granted.machines.get(str((inputs.get("labels") or {}).get(NODE_GROUP_LABEL)))
        taints = {taint.get("key"): taint for taint in inputs.get("taints") or ()}
        kept = taints.get(POOL_TAINT, {})
        if allowed is not None and allowed.tenant not in (None, kept.get("value")):
            yield Problem("DEP077", f"others than {allowed.tenant} could run there", hint=f"taint it with {POOL_TAINT}")
    metadata = inputs.get("metadata") or {} if kind.startswith("kubernetes:") else {}
    ours = kind == "kubernetes:core/v1:Namespace" and metadata.get("name") in NAMESPACES
    if ours and (metadata.get("labels") or {}).get(POD_SECURITY) != "restricted":
        yield Problem("DEP077", "it would admit privileged pods", hint=f"label it {POD_SECURITY}: restricted")
    if kind == "kubernetes:networking.k8s.io/v1:NetworkPolicy" and metadata.get("namespace") == SERVING_NAMESPACE:
        entrances = (inputs.get("spec") or {}).get("ingress") or ()
        if any(not rule.get("from") for rule in entrances):
            yield Problem("DEP077", "everyone in the cluster could call the pools", hint="say from where, in `from`")


def bounded_permissions(kind: str, inputs: Inputs, granted: Granted) -> Iterator[Problem]:
    """Require that no identity may do everything, that no stranger takes one on, and the boundary on each role."""
    if kind == "aws:iam/role:Role":
        if granted.boundary is not None and inputs.get("permissionsBoundary") != granted.boundary:
            yield Problem("DEP078", f"it lacks the boundary {granted.boundary}", hint="set `permissions_boundary`")
        for statement in _statements(inputs.get("assumeRolePolicy")):
            principal = statement.get("Principal")
            if not isinstance(principal, Mapping) or set(principal) != {"Service"}:
                yield Problem("DEP078", f"{json.dumps(principal)} could take it on", hint="trust AWS services alone")
    if kind in ("aws:iam/rolePolicy:RolePolicy", "aws:iam/policy:Policy"):
        for statement in _statements(inputs.get("policy")):
            wide = [action for action in _listed(statement.get("Action")) if action == "*" or action.endswith(":*")]
            if statement.get("Effect") == "Allow" and (wide or "NotAction" in statement):
                message = f"it may do {', '.join(wide) or 'all but a few things'}"
                yield Problem("DEP078", message, hint="name the actions that its task needs")
    if kind == "aws:iam/rolePolicyAttachment:RolePolicyAttachment":
        policy = str(inputs.get("policyArn"))
        if policy.endswith(("/AdministratorAccess", "/PowerUserAccess", "/IAMFullAccess")):
            yield Problem("DEP078", f"{policy} may do everything", hint="attach the policy of its task")


RULES: tuple[Rule, ...] = (
    known_kind,
    encrypted,
    closed,
    guarded_metadata,
    tagged,
    logged,
    within_the_plan,
    kept_apart,
    bounded_permissions,
)


def _open(kind: str, inputs: Inputs, granted: Granted) -> Iterator[str]:
    """Yield what of a resource would be open to everyone."""
    if kind == "aws:eks/cluster:Cluster":
        network = inputs.get("vpcConfig") or {}
        cidrs = frozenset(network.get("publicAccessCidrs") or ())
        beyond = sorted(cidrs - granted.public_cidrs) + sorted(cidr for cidr in cidrs if _everyone(cidr))
        if _yes(network.get("endpointPublicAccess")) and (beyond or not cidrs):
            yield f"the Kubernetes API would answer {', '.join(dict.fromkeys(beyond)) or 'everyone'}"
    entrances = [*(inputs.get("ingress") or ())] if kind == "aws:ec2/securityGroup:SecurityGroup" else []
    if kind == "aws:ec2/securityGroupRule:SecurityGroupRule" and inputs.get("type") == "ingress":
        entrances.append(inputs)
    if kind == "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule":
        entrances.append({"cidrBlocks": [inputs.get("cidrIpv4"), inputs.get("cidrIpv6")]})
    for entrance in entrances:
        sources = [*(entrance.get("cidrBlocks") or ()), *(entrance.get("ipv6CidrBlocks") or ())]
        if any(_everyone(source) for source in sources):
            yield "everyone on the Internet could come in"
    if kind == "aws:ec2/subnet:Subnet" and _yes(inputs.get("mapPublicIpOnLaunch")):
        yield "each machine in it would have a public address"
    if kind == "aws:ec2/launchTemplate:LaunchTemplate" and any(
        _yes(interface.get("associatePublicIpAddress")) for interface in inputs.get("networkInterfaces") or ()
    ):
        yield "each machine that it starts would have a public address"
    facing = kind == "aws:lb/loadBalancer:LoadBalancer" and not _yes(inputs.get("internal"))
    if facing and not granted.internet_facing:
        yield "the load balancer would answer the Internet"
    if kind == "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock":
        locks = ("blockPublicAcls", "blockPublicPolicy", "ignorePublicAcls", "restrictPublicBuckets")
        if not all(_yes(inputs.get(lock)) for lock in locks):
            yield "the bucket could be made public"
    if kind == "aws:s3/bucketPolicy:BucketPolicy" and any(
        statement.get("Effect") == "Allow" and statement.get("Principal") in ("*", {"AWS": "*"})
        for statement in _statements(inputs.get("policy"))
    ):
        yield "everyone could use the bucket"
    if kind == "kubernetes:core/v1:Service" and (inputs.get("spec") or {}).get("type") == "LoadBalancer":
        notes = (inputs.get("metadata") or {}).get("annotations") or {}
        if not any("internal" in (key.rpartition("/")[2], str(value)) for key, value in notes.items()):
            yield "a load balancer without `internal` would answer the Internet"


def _everyone(cidr: Any) -> bool:
    try:
        return ipaddress.ip_network(cidr, strict=False).prefixlen == 0
    except (TypeError, ValueError):
        return False


def _yes(value: Any) -> bool:
    return value is True or value == "true"


def _decoded(value: Any) -> Any:
    """Read a setting of a provider. Settings that are not text arrive as JSON."""
    return json.loads(value) if isinstance(value, str) else value


def _statements(policy: Any) -> list[dict[str, Any]]:
    """Return the statements of a policy document; none where it is not known yet."""
    document = json.loads(policy) if isinstance(policy, str) else policy
    return _listed(document.get("Statement")) if isinstance(document, Mapping) else []


def _listed(value: Any) -> list[Any]:
    return list(value) if isinstance(value, list | tuple) else [] if value is None else [value]
