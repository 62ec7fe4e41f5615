"""Findings of linters that stay, each with the reason: the one table. A finding that is not here fails a test, and so
does a row that no finding needs any more."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

ARGUED: Mapping[str, str] = {
    # cfn-lint, of the program as a template.
    "cfn-lint I3011": "CloudFormation asks what happens to a resource that leaves a template; Pulumi answers it",
    # checkov, of the program as a template.
    "checkov CKV_AWS_18 AWS::S3::Bucket": "the bucket holds copies of public or licensed weights, and CloudTrail says "
    "who read what; a bucket of access logs would be billed and kept for nobody",
    "checkov CKV_AWS_158 AWS::Logs::LogGroup": "CloudWatch encrypts every group with a key of its own; one of the "
    "account's costs a dollar a month, and a policy that, when wrong, stops the logs",
    "checkov CKV_AWS_51 AWS::ECR::Repository": "a cache follows the tags of others, which move; what runs is "
    "named by its digest",
    "checkov CKV_AWS_136 AWS::ECR::Repository": "the registry encrypts every layer with a key of its own, and these "
    "images are published",
    "checkov CKV_AWS_149 AWS::SecretsManager::Secret": "Secrets Manager encrypts every secret with a key that only it "
    "may use, for this account alone; one of the account's costs a dollar a month and admits the same roles",
    "checkov CKV_AWS_91 AWS::ElasticLoadBalancingV2::LoadBalancer": "a network load balancer logs TLS handshakes, "
    "into one more bucket; the gateway logs each call with its client",
    # parliament, of the policies.
    "parliament RESOURCE_MISMATCH SpillwayProdNodeImagesRolepolicy: [{'action': 'ecr:BatchImportUpstreamImage'": (
        "its list is older than AWS's, where this action is judged on repositories"
    ),
    "parliament RESOURCE_MISMATCH DeployPolicyNetwork: [{'action': 'ec2:AuthorizeSecurityGroupEgress'": (
        "a rule that is made with tags is judged beside its group, which other statements admit"
    ),
    "parliament RESOURCE_MISMATCH DeployPolicyNetwork: [{'action': 'ec2:ModifySecurityGroupRules'": (
        "a changed rule has the environment's tag, and is judged beside the nodes' group, which has EKS's"
    ),
    "parliament RESOURCE_MISMATCH DeployPolicyServices: [{'action': 'ssm:GetParameter'": (
        "what AWS publishes to all has no account in its ARN"
    ),
    "parliament UNKNOWN_CONDITION_FOR_ACTION DeployPolicyNetwork: Unknown condition elasticloadbalancing:": (
        "its list is older than this condition, by which AWS tells tags of what is made"
    ),
    "parliament RESOURCE_POLICY_PRIVILEGE_ESCALATION DeployPolicyServices": "who makes the bucket gives it its policy; "
    "it reaches the environment's own bucket, which holds copies of weights",
    "parliament RESOURCE_STAR DeployPolicyNetwork": "AWS judges most reads of EC2 on no resource; machines start from "
    "images and networks of others, and only from launch templates of this account and region",
    # checkov, of the gateway's image.
    "checkov CKV_DOCKER_2": "Kubernetes ignores HEALTHCHECK; the chart has probes",
    "checkov CKV_DOCKER_7": "the base is an argument that publishing pins by digest; the default is for trying",
    # checkov and kube-score, of the charts.
    "checkov CKV_K8S_11": "a limit of CPU throttles a replica that may use idle cores; requests share them fairly",
    "kube-score container-resources CPU limit": "as CKV_K8S_11",
    "checkov CKV_K8S_13": "an engine's host memory is the model's matter, and it has its nodes for itself",
    "kube-score container-resources Memory limit": "as CKV_K8S_13",
    "checkov CKV_K8S_15": "images are pinned by digest, so pulling again brings the same bytes, or fails while the "
    "registry is down",
    "kube-score container-image-pull-policy": "as CKV_K8S_15",
    "checkov CKV_K8S_35": "keys of providers reach the gateway as variables, which no other process of its image "
    "reads; they change by a rolling restart",
    "checkov CKV_K8S_40": "the image of vLLM has its files for the user 2000, and the chart runs as that user",
    "kube-score container-security-context-user-group-id": "as CKV_K8S_40",
    "checkov CKV_K8S_43": "the charts' example values name tags; a stack's images have digests, or it warns",
    "checkov CKV_K8S_8 Pod": "the test pod ends by itself",
    "checkov CKV_K8S_9 Pod": "the test pod serves nobody",
    "checkov CKV2_K8S_6 Pod": "the test pod of `helm test` listens on nothing and lives for seconds",
    "kube-score pod-networkpolicy Pod": "as CKV2_K8S_6",
    "kube-score container-ephemeral-storage-request-and-limit": "pods write to volumes of a stated size; what is left "
    "is the log, which the kubelet rotates at 50 MiB a container",
    "kube-score deployment-has-host-podantiaffinity": "replicas spread by topology constraints, over zones too",
    "kube-score pod-probes": "vLLM has one endpoint of health; a startup probe covers loading, and liveness has more "
    "patience than readiness",
}
"""Linter, check and, where only some places are meant, how the place begins → why the finding stays."""


def unargued(findings: Iterable[str]) -> list[str]:
    """Findings that no row explains, sorted."""
    return sorted({finding for finding in findings if not any(finding.startswith(row) for row in ARGUED)})


def unused(findings: Iterable[str], *linters: str) -> list[str]:
    """Rows that no finding needs, of those that begin with one of the words."""
    told = set(findings)
    rows = [row for row in ARGUED if row.startswith(linters)]
    return [row for row in rows if not any(finding.startswith(row) for finding in told)]
