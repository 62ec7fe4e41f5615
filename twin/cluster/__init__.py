"""The control plane that stands for EKS: real etcd, API server, controllers and scheduler, and kwok as every kubelet.

`with LocalCluster() as cluster:` runs one for the length of a block. `python -m twin.cluster up --folder DIR` and
`down` run one across commands. Nothing outside loopback is opened, no container runs, and a pod's server does not
exist here; `twin/workloads` runs what ready pods would. Admission, placement, controllers, rollouts, quotas and
disruption budgets are real.
"""

from twin.cluster.lifecycle import (
    CLUSTER_FOLDER_VARIABLE,
    ClusterError,
    LocalCluster,
    RunningCluster,
    down,
    running_cluster,
    unreachable,
    up,
)

__all__ = [
    "CLUSTER_FOLDER_VARIABLE",
    "ClusterError",
    "LocalCluster",
    "RunningCluster",
    "down",
    "running_cluster",
    "unreachable",
    "up",
]
