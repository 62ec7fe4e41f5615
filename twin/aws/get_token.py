"""`aws eks get-token`, for a kubeconfig as EKS documents it: credentials of the administrator of a control plane.

`aws sts assume-role` and `aws ec2 describe-reserved-instances` are answered too, as the program asks them. Every other
command of the AWS CLI is refused. The module imports nothing heavy for a token, because kubeconfigs run it for each
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
    if words[:2] == ["sts", "assume-role"]:
        return _assume_role(arguments)
    if words[:2] == ["ec2", "describe-reserved-instances"]:
        return _describe_reserved_instances(arguments)
    if "eks" not in words or "get-token" not in words:
        known = "`aws eks get-token`, `aws sts assume-role` and `aws ec2 describe-reserved-instances`"
        sys.stderr.write(f"aws (twin): only {known} are imitated\n")
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


def _assume_role(arguments: list[str]) -> int:
    """Print credentials of a role. Nobody asks who the caller is: the account has no users of its own."""
    role = _option(arguments, "--role-arn")
    if not role or not _option(arguments, "--role-session-name"):
        sys.stderr.write("aws (twin): the following arguments are required: --role-arn, --role-session-name\n")
        return 252
    keys = {"AccessKeyId": "ASIATWIN", "SecretAccessKey": "twin", "SessionToken": f"twin {role[0]}"}
    sys.stdout.write(json.dumps({"Credentials": {**keys, "Expiration": "2099-01-01T00:00:00+00:00"}}) + "\n")
    return 0


def _describe_reserved_instances(arguments: list[str]) -> int:
    """Print the reservations of the account in a region."""
    from twin.aws.reservations import TABLE, described

    account = os.environ.get("SPILLWAY_TWIN_AWS")
    state = Path(account) / "state.json" if account else None
    tables: dict[str, Any] = json.loads(state.read_text())["tables"] if state and state.is_file() else {}
    region = _option(arguments, "--region")
    if not region:
        sys.stderr.write("aws (twin): You must specify a region.\n")
        return 253
    try:
        answer = described(tables.get(TABLE, {}), region[0], _option(arguments, "--filters"))
    except ValueError as error:
        sys.stderr.write(f"aws (twin): An error occurred: {error}\n")
        return 254
    sys.stdout.write(json.dumps(answer) + "\n")
    return 0


def _option(arguments: list[str], name: str) -> list[str]:
    """Return the values of an option of the command line; none where it is not given."""
    if name not in arguments:
        return []
    values = []
    for word in arguments[arguments.index(name) + 1 :]:
        if word.startswith("--"):
            break
        values.append(word)
    return values


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
