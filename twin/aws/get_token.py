"""`aws eks get-token`, for a kubeconfig as EKS documents it: credentials of the administrator of a control plane.

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
    """Print the credential. As with the AWS CLI, the exit status is 252 for another command, 255 without a
    control plane."""
    words = [word for word in arguments if not word.startswith("-")]
    if "eks" not in words or "get-token" not in words:
        sys.stderr.write("aws (twin): only `aws eks get-token` is imitated\n")
        return 252
    if "--cluster-name" not in arguments:
        sys.stderr.write("aws (twin): the following arguments are required: --cluster-name\n")
        return 252
    cluster = arguments[arguments.index("--cluster-name") + 1 :][:1]
    folder = _control_plane(*cluster) if cluster else None
    if folder is None or not (folder / "kubeconfig").is_file():
        sys.stderr.write(f"aws (twin): no control plane stands for {' '.join(cluster) or 'a cluster without a name'}\n")
        return 255
    text = (folder / "kubeconfig").read_text()
    try:
        kubeconfig = json.loads(text)
    except ValueError:
        import yaml

        kubeconfig = yaml.safe_load(text)
    sys.stdout.write(json.dumps(credentials(kubeconfig)) + "\n")
    return 0


def _control_plane(cluster: str) -> Path | None:
    """Return the folder of a cluster's control plane: the account's (control_planes.py), else the one that is named."""
    account = os.environ.get("SPILLWAY_TWIN_AWS")
    if account and (state := Path(account) / "state.json").is_file():
        table: dict[str, str] = json.loads(state.read_text())["tables"].get("eks.control_planes", {})
        taken = next((folder for key, folder in table.items() if key.startswith(f"{cluster}|")), None)
        if taken is not None:
            return Path(taken)
    named = [name for name in os.environ.get("SPILLWAY_TWIN_CLUSTER", "").split(os.pathsep) if name]
    return Path(named[0]) if len(named) == 1 else None


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
