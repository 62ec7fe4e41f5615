"""Which control plane stands for which EKS cluster of the account.

`SPILLWAY_TWIN_CLUSTER` names folders of running twin clusters (twin/cluster), as a PATH names its own. A new EKS
cluster takes the first that no other of the account has, and gives it back when it is deleted. Without any such folder,
clusters have the endpoints that moto invents, and nobody answers there.
"""

from __future__ import annotations

import base64
import hashlib
import os
from pathlib import Path
from typing import Final

from twin.aws.account import Account, AwsError
from twin.aws.store import AccountState
from twin.cluster import CLUSTER_FOLDER_VARIABLE

_TABLE: Final = "eks.control_planes"


def offered() -> tuple[Path, ...]:
    """Return the folders of the control planes that are there, in their order."""
    names = os.environ.get(CLUSTER_FOLDER_VARIABLE, "").split(os.pathsep)
    return tuple(path for path in map(Path, filter(None, names)) if (path / "kubeconfig").is_file())


def take(aws: Account, cluster: str) -> Path | None:
    """Give a new cluster its control plane; None where there is none at all. Raises `AwsError` when all are taken."""
    if not offered():
        return None
    table = aws.state.tables.setdefault(_TABLE, {})
    free = [folder for folder in offered() if str(folder) not in table.values()]
    if not free:
        message = (
            f"the twin has no control plane left for {cluster}; start another and name it in {CLUSTER_FOLDER_VARIABLE}"
        )
        raise AwsError("eks", "CreateCluster", "ResourceLimitExceededException", message)
    table[_key(cluster, aws.region)] = str(free[0])
    return free[0]


def folder_of(state: AccountState, cluster: str, region: str) -> Path | None:
    """Return the folder of a cluster's control plane; None when it has none."""
    found = state.tables.get(_TABLE, {}).get(_key(cluster, region))
    return None if found is None else Path(found)


def kubeconfig_of(state: AccountState, cluster: str, region: str) -> Path | None:
    """Return the administrator's kubeconfig of a cluster's control plane; None when it has none."""
    folder = folder_of(state, cluster, region)
    return None if folder is None or not (folder / "kubeconfig").is_file() else folder / "kubeconfig"


def cluster_at(state: AccountState, kubeconfig: Path) -> str | None:
    """Return the id of the cluster for which a control plane stands; None while it stands for none."""
    rows = state.tables.get(_TABLE, {}).items()
    return next((key.partition("|")[0] for key, folder in rows if folder == str(kubeconfig.parent)), None)


def endpoint(aws: Account, cluster: str) -> str:
    """Return the endpoint of a cluster, in EKS's form. Its certificate names all of the region (twin/cluster)."""
    digits = hashlib.sha256(f"{aws.id}/{aws.region}/{cluster}".encode()).hexdigest()[:32].upper()
    return f"https://{digits}.gr7.{aws.region}.eks.amazonaws.com"


def authority(folder: Path) -> str:
    """Return the certificate of the control plane's authority, base64."""
    return base64.b64encode((folder / "ca.crt").read_bytes()).decode("ascii")


def _key(cluster: str, region: str) -> str:
    """Return the key of a cluster in the table. The table's rows go with their cluster, as all tables' rows do."""
    return f"{cluster}|{region}"
