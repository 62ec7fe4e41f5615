"""The control plane that stands for EKS: real etcd, API server, controllers and scheduler, and kwok as every kubelet.

`with Cluster() as cluster:` runs one for the length of a block; `python -m twin.cluster up --folder DIR` and `down`
run one across commands. Nothing outside loopback is opened, no container runs, and a pod's server does not exist:
what is real is admission, placement, controllers, rollouts, quotas and disruption budgets.
"""

from twin.cluster.lifecycle import (
    FOLDER_VARIABLE,
    Cluster,
    ClusterError,
    RunningCluster,
    down,
    from_environment,
    running,
    up,
)

__all__ = [
    "FOLDER_VARIABLE",
    "Cluster",
    "ClusterError",
    "RunningCluster",
    "down",
    "from_environment",
    "running",
    "up",
]
