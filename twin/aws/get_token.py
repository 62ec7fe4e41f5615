"""`aws eks get-token`, for a kubeconfig as EKS documents it: credentials of the twin cluster's administrator.

Every other command of the AWS CLI is refused. The module imports nothing heavy, because kubeconfigs run it for each
client.
"""

from __future__ import annotations

import base64
import json
import os
import sys
from pathlib import Path
from typing import Any

_API_VERSION = "client.authentication.k8s.io/v1beta1"


def credentials(kubeconfig: dict[str, Any]) -> dict[str, Any]:
    """Return the exec credential that stands for the kubeconfig's first user."""
    user = kubeconfig["users"][0]["user"]
    if "token" in user:
        status = {"token": user["token"]}
    else:
        status = {
            "clientCertificateData": base64.b64decode(user["client-certificate-data"]).decode(),
            "clientKeyData": base64.b64decode(user["client-key-data"]).decode(),
        }
    return {"apiVersion": _API_VERSION, "kind": "ExecCredential", "spec": {}, "status": status}


def main(arguments: list[str]) -> int:
    """Print the credential. As with the AWS CLI, the exit status is 252 for another command, 255 without a twin
    cluster."""
    words = [word for word in arguments if not word.startswith("-")]
    if "eks" not in words or "get-token" not in words:
        sys.stderr.write("aws (twin): only `aws eks get-token` is imitated\n")
        return 252
    if "--cluster-name" not in arguments:
        sys.stderr.write("aws (twin): the following arguments are required: --cluster-name\n")
        return 252
    folder = os.environ.get("SPILLWAY_TWIN_CLUSTER")
    if not folder or not (Path(folder) / "kubeconfig").is_file():
        sys.stderr.write("aws (twin): SPILLWAY_TWIN_CLUSTER names no twin cluster\n")
        return 255
    text = (Path(folder) / "kubeconfig").read_text()
    try:
        kubeconfig = json.loads(text)
    except ValueError:
        import yaml

        kubeconfig = yaml.safe_load(text)
    sys.stdout.write(json.dumps(credentials(kubeconfig)) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
