"""What the ready pods of a twin cluster would run, on loopback: engines, gateways and the network between them.

Kwok lets pods become Running and Ready, and no container runs in them. Here each ready pod gets a loopback address of
its own (127.x.y.z), as a pod has an IP address, and what its containers say is run there:

- `vllm serve …` becomes a replica of `twin.engine`, with the limits that the pod's own arguments state;
- `python -m gateway …` is run as it stands, with the pod's own arguments, variables and mounted files.

Names of Services lead to the pods that the real controllers of the control plane list in their EndpointSlices. A
connection between pods is carried where the NetworkPolicies of both sides admit it, and dropped elsewhere. Hosted APIs
answer under their own names by `twin.api`, with a certificate of the twin's own; any other name leads nowhere.

What is not imitated: images are not pulled, weights are not loaded and GPUs are not used; `initContainers` and other
containers do not run; certificates of cert-manager are not issued, so that pods with TLS are refused; the cluster's DNS
has no search domains; a way in from outside (load balancer, Ingress) is not walked, as `forward` stands for
`kubectl port-forward`, which the kubelet lets past NetworkPolicies.

    objects     the cluster's objects, read at one moment
    pods        what a pod's containers would run
    services    where a Service's name leads
    firewall    what NetworkPolicies admit
    mounts      files that a pod sees
    vault       values of AWS Secrets Manager that a pod may read
    doors       ports that know who calls
    container   the inside of a container that is a program of its own
    kubelet     starting and ending what pods run, as the cluster changes
    process     the same from the outside
"""

from twin.workloads.process import Workloads, WorkloadsError

__all__ = ["Workloads", "WorkloadsError"]
