"""The names of the program's columns, as `program` explains them.

What an elastic class has by level carries the level's index `t`; without it, the name is that of the whole month.
"""

from __future__ import annotations

from planner.decision.choice.question import ApiOption, Flow, ReplicaClass


def x(flow: Flow, k: ReplicaClass, t: int) -> str:
    """Return the name of the column: the share of a band that class k serves at level t."""
    return f"x[{flow.route},{flow.band},{k.name},{t}]"


def s(flow: Flow, a: ApiOption, t: int) -> str:
    """Return the name of the column: the share of a band that API a takes at level t."""
    return f"s[{flow.route},{flow.band},{a.name},{t}]"


def away(flow: Flow, t: int) -> str:
    """Return the name of the column: the share of a band that is turned away at level t."""
    return f"l[{flow.route},{flow.band},{t}]"


def refused(flow: Flow) -> str:
    """Return the name of the column: whether a band that APIs read is turned away."""
    return f"q[{flow.route},{flow.band}]"


def v(flow: Flow, k: ReplicaClass) -> str:
    """Return the name of the column: whether the band uses class k."""
    return f"v[{flow.route},{flow.band},{k.name}]"


def y(k: ReplicaClass) -> str:
    """Return the name of the column: the replicas of class k."""
    return f"y[{k.name}]"


def c(k: ReplicaClass) -> str:
    """Return the name of the column: whether the checkpoint of class k is stored."""
    return f"c[{k.weights}]"


def n(group: str, t: int | None = None) -> str:
    """Return the name of the column: the nodes of a group, but for those that are spot."""
    return f"n[{group}{_at(t)}]"


def spot(group: str, t: int | None = None) -> str:
    """Return the name of the column: the spot nodes of a group."""
    return f"o[{group}{_at(t)}]"


def spot_of_zone(group: str, t: int | None = None) -> str:
    """Return the name of the column: the most spot nodes of a group in one zone."""
    return f"p[{group}{_at(t)}]"


def nodes_of_zone(group: str, t: int | None = None) -> str:
    """Return the name of the column: the most nodes of a group in one zone."""
    return f"d[{group}{_at(t)}]"


def committed(instance_type: str, commitment: str) -> str:
    """Return the name of the column: the machines of a type under a commitment."""
    return f"m[{instance_type},{commitment}]"


def on_owned(instance_type: str) -> str:
    """Return the name of the column: the nodes of a type on machines of one's own."""
    return f"h[{instance_type}]"


def on_blocks(instance_type: str) -> str:
    """Return the name of the column: the nodes of a type on machines of capacity blocks."""
    return f"e[{instance_type}]"


def b(instance_type: str, t: int | None = None) -> str:
    """Return the name of the column: the machines on demand of a type of which some are paid for otherwise."""
    return f"b[{instance_type}{_at(t)}]"


def on(k: ReplicaClass, t: int) -> str:
    """Return the name of the column: whether an elastic class runs at level t."""
    return f"on[{k.name},{t}]"


def started(group: str, earlier: int, later: int) -> str:
    """Return the name of the column: the nodes that start when one level follows another, but for spot ones."""
    return f"up[{group},{earlier},{later}]"


def spot_started(group: str, earlier: int, later: int) -> str:
    """Return the name of the column: the spot nodes that start when one level follows another."""
    return f"ou[{group},{earlier},{later}]"


def _at(t: int | None) -> str:
    return "" if t is None else f",{t}"
