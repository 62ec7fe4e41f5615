"""A small Pulumi program for engine tests: network, EKS, one GPU node group, and a small chart in the cluster.

`source()` is the program; `write_chart` puts its chart into the project. Settings come from variables of the
environment (SIZE, NODE, TIMEOUT), so that a test changes one thing and nothing else.
"""

from __future__ import annotations

from pathlib import Path

_NETWORK_AND_CLUSTER = """
import json, os
import pulumi, pulumi_aws as aws

REGION, ZONES = "us-east-1", ["use1-az1", "use1-az2"]
SIZE = int(os.environ.get("SIZE", "1"))

account = aws.Provider("aws", region=REGION, allowed_account_ids=["123456789012"],
                       default_tags={"tags": {"environment": "test"}})
on_aws = pulumi.ResourceOptions(provider=account)


def trust(service):
    return json.dumps({"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Principal": {"Service": service}, "Action": "sts:AssumeRole"}]})


vpc = aws.ec2.Vpc("vpc", cidr_block="10.0.0.0/16", enable_dns_hostnames=True, opts=on_aws)
door = aws.ec2.InternetGateway("door", vpc_id=vpc.id, opts=on_aws)
public = aws.ec2.Subnet("public", vpc_id=vpc.id, cidr_block="10.0.255.0/24", availability_zone_id=ZONES[0], opts=on_aws)
address = aws.ec2.Eip("address", domain="vpc", opts=on_aws)
nat = aws.ec2.NatGateway("nat", subnet_id=public.id, allocation_id=address.id,
                         opts=pulumi.ResourceOptions(provider=account, depends_on=[door]))
table = aws.ec2.RouteTable("private", vpc_id=vpc.id, opts=on_aws)
route = aws.ec2.Route("out", route_table_id=table.id, destination_cidr_block="0.0.0.0/0", nat_gateway_id=nat.id,
                      opts=on_aws)
subnets, joined = [], [route]
for index, zone in enumerate(ZONES):
    subnet = aws.ec2.Subnet(f"private-{zone}", vpc_id=vpc.id, cidr_block=f"10.0.{index}.0/24",
                            availability_zone_id=zone, opts=on_aws)
    subnets.append(subnet)
    joined.append(aws.ec2.RouteTableAssociation(f"private-{zone}", route_table_id=table.id, subnet_id=subnet.id,
                                                opts=on_aws))

control = aws.iam.Role("control", assume_role_policy=trust("eks.amazonaws.com"), opts=on_aws)
cluster = aws.eks.Cluster("cluster", role_arn=control.arn, vpc_config={"subnet_ids": [s.id for s in subnets]},
                          access_config={"authentication_mode": "API"}, opts=on_aws)
cni = aws.eks.Addon("vpc-cni", cluster_name=cluster.name, addon_name="vpc-cni", opts=on_aws)
worker = aws.iam.Role("worker", assume_role_policy=trust("ec2.amazonaws.com"), opts=on_aws)
rights = [aws.iam.RolePolicyAttachment(p, role=worker.name, policy_arn=f"arn:aws:iam::aws:policy/{p}", opts=on_aws)
          for p in ("AmazonEKSWorkerNodePolicy", "AmazonEC2ContainerRegistryReadOnly")]
template = aws.ec2.LaunchTemplate("gpu", metadata_options={"http_tokens": "required", "http_put_response_hop_limit": 1},
                                  opts=on_aws)
pool = aws.eks.NodeGroup(
    "gpu", cluster_name=cluster.name, node_role_arn=worker.arn, subnet_ids=[s.id for s in subnets],
    instance_types=["g6.xlarge"], ami_type="AL2023_x86_64_NVIDIA", labels={"spillway.dev/node-group": "gpu"},
    launch_template={"id": template.id, "version": template.latest_version.apply(str)},
    scaling_config={"min_size": SIZE, "desired_size": SIZE, "max_size": SIZE},
    opts=pulumi.ResourceOptions(provider=account, depends_on=[*rights, *joined, cni]),
)
pulumi.export("cluster", cluster.name)
pulumi.export("caller", aws.get_caller_identity_output(opts=pulumi.InvokeOptions(provider=account)).account_id)
"""

_IN_CLUSTER = """
import pulumi_kubernetes as k8s

kubeconfig = pulumi.Output.json_dumps({
    "apiVersion": "v1", "kind": "Config", "current-context": "eks",
    "clusters": [{"name": "eks", "cluster": {
        "server": cluster.endpoint, "certificate-authority-data": cluster.certificate_authority.data}}],
    "contexts": [{"name": "eks", "context": {"cluster": "eks", "user": "deploy"}}],
    "users": [{"name": "deploy", "user": {"exec": {
        "apiVersion": "client.authentication.k8s.io/v1beta1", "command": "aws", "interactiveMode": "Never",
        "args": ["eks", "get-token", "--region", REGION, "--cluster-name", cluster.name]}}}],
})
inside = k8s.Provider("inside", kubeconfig=kubeconfig, cluster_identifier=cluster.arn, enable_server_side_apply=True)
in_cluster = pulumi.ResourceOptions(provider=inside)
space = k8s.core.v1.Namespace("serving", metadata={"name": "serving"}, opts=in_cluster)
k8s.core.v1.ConfigMap("policy", metadata={"namespace": space.metadata.name},
                      data={"policy.json": "{}"}, opts=in_cluster)
serving = k8s.helm.v4.Chart(
    "vllm", name="vllm", chart="./chart", namespace=space.metadata.name,
    values={"replicas": SIZE, "node": os.environ.get("NODE", "gpu"), "timeout": os.environ.get("TIMEOUT", "60")},
    opts=pulumi.ResourceOptions(provider=inside, depends_on=[pool]),
)
"""

_DEPLOYMENT = """
apiVersion: apps/v1
kind: Deployment
metadata:
  name: {{ .Release.Name }}
  annotations:
    pulumi.com/patchFieldManager: twin-test # an object that the state does not know is taken up by its owner
    pulumi.com/timeoutSeconds: {{ .Values.timeout | quote }}
spec:
  replicas: {{ .Values.replicas }}
  selector: { matchLabels: { app: vllm } }
  template:
    metadata: { labels: { app: vllm } }
    spec:
      nodeSelector: { spillway.dev/node-group: {{ .Values.node }} }
      containers:
        - name: vllm
          image: vllm:1
          resources: { requests: { cpu: "2", memory: 8Gi } }
"""


def source(*, in_cluster: bool) -> str:
    """The program, with or without the part inside the cluster."""
    return _NETWORK_AND_CLUSTER + (_IN_CLUSTER if in_cluster else "")


def write_chart(project: Path) -> None:
    """The chart that the program renders."""
    templates = project / "chart" / "templates"
    templates.mkdir(parents=True)
    (templates / "deployment.yaml").write_text(_DEPLOYMENT)
    (project / "chart" / "Chart.yaml").write_text("apiVersion: v2\nname: small\nversion: 0.1.0\nappVersion: '1'\n")
