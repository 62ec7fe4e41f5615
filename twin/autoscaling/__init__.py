"""What scales pools and machines in a cluster, unmodified: KEDA, Prometheus and Karpenter on the real control plane.

    prometheus  scrapes what is told to it, on loopback
    keda        definitions and rights, the operator, and the adapter that serves external metrics
    karpenter   with its own simulated cloud (kwok), whose machines are ours to name
    manifests   puts objects into a cluster and waits for definitions
    network     a network that has loopback alone

Nothing here imitates anything. KEDA's adapter and Karpenter open ports on all addresses and have no flag against it.
Therefore they run in a network namespace of their own.
"""
