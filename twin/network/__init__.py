"""The network between a machine that deploys and the EKS endpoints of one imitated account.

An endpoint's name leads nowhere from this machine. Clients reach it through a proxy on loopback (`HTTPS_PROXY`), which
decides as AWS's network does: is there such a cluster, is its endpoint public or private, where does the machine stand,
and does a security group admit it. What AWS would drop ends in a time-out, which is short here.

    place     where the machine stands
    verdict   what becomes of one connection, from the state of the account
    proxy     the program that carries or drops connections
    process   starting and ending that program
"""

from twin.network.place import Place, stand
from twin.network.process import Network

__all__ = ["Network", "Place", "stand"]
