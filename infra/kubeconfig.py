"""How Pulumi and the charts reach the cluster: a kubeconfig without a secret.

`aws eks get-token` fetches the token at the moment of use, so none is written to the state. No profile is named, so
that the same text holds on a laptop and in CI. The version is the one that `aws eks update-kubeconfig` writes.
"""

from __future__ import annotations

import json


def kubeconfig(name: str, endpoint: str, certificate: str, region: str, role: str | None) -> str:
    """Return the JSON text of a kubeconfig.

    name, endpoint: those of the cluster.
    certificate: the cluster's authority, base64.
    role: ARN to take on, None for the caller's own.
    """
    arguments = ["eks", "get-token", "--cluster-name", name, "--region", region, "--output", "json"]
    if role is not None:
        arguments += ["--role-arn", role]
    user = {
        "exec": {
            "apiVersion": "client.authentication.k8s.io/v1beta1",
            "command": "aws",
            "args": arguments,
            "interactiveMode": "Never",
            "provideClusterInfo": False,
        }
    }
    document = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": name, "cluster": {"server": endpoint, "certificate-authority-data": certificate}}],
        "users": [{"name": name, "user": user}],
        "contexts": [{"name": name, "context": {"cluster": name, "user": name}}],
        "current-context": name,
    }
    return json.dumps(document, sort_keys=True)
