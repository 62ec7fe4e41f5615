"""GPU machines without the machines: nodes that join and leave the twin cluster as a managed node group's do.

A node has the sizes of its EC2 type, and the labels and taints of EKS and of its node group. Kwok keeps it Ready. Its
GPUs are offered only while NVIDIA's device plugin runs on it. What a pod does on a GPU is twin/engine's matter.
"""

from twin.nodes.access import ApiError, ApiServer, client_for
from twin.nodes.device_plugin import advertise_gpus
from twin.nodes.instance_types import Ec2InstanceType, UnknownInstanceTypeError, describe
from twin.nodes.membership import join, leave, terminate, wait_ready
from twin.nodes.node import Instance, Taint, node_object

__all__ = [
    "ApiError",
    "ApiServer",
    "Ec2InstanceType",
    "Instance",
    "Taint",
    "UnknownInstanceTypeError",
    "advertise_gpus",
    "client_for",
    "describe",
    "join",
    "leave",
    "node_object",
    "terminate",
    "wait_ready",
]
