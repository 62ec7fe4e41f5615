"""What scales pools and machines in a real cluster, unmodified: KEDA, Prometheus and Karpenter on the twin's control plane.

    prometheus  scrapes what is told to it, on loopback
    keda        definitions and rights, the operator, and the adapter that serves external metrics
    karpenter   with its own simulated cloud (kwok), whose machines are ours to name
    manifests   puts objects into a cluster and waits for definitions

Nothing here imitates anything. The adapter and Karpenter open ports on all addresses and have no flag against it, so that
they run in a network namespace that has loopback alone (`unshare --net`); `closed_network` tells whether this is one.
"""
