"""The question as a mixed-integer linear program: one function a constraint family, the inequality in its docstring.

Names: r route, i input band, t level, k replica class, a API, g node group, m model; λ̄ planned rate, λ mean rate, μ
capacity of one replica, h hours of a level. Columns: x[r,i,k,t] share served locally, s[r,i,a,t] share spilled,
f[k,t] share that pool k admits, y[k] replicas, n[g] nodes, w[k] class in use, v[r,i,k] band uses class, u[r,m] route
uses model, c[d] checkpoint d is stored, z any self-hosting.

Pools have a fixed size, so y and n carry no level. A band uses one class (v), because the gateway's weights are static,
and all bands of a pool are admitted alike (f), because its gate counts requests and not routes; a route uses one model
(u). Tensor-parallel sizes are powers of two that divide the node's GPUs, so that packing by
count of GPUs is exact.
"""

from __future__ import annotations

from collections.abc import Iterator

from planner.decision.choice.limits import ApiBudget, ApiRate, RateUnit, ServedRoute, TotalBudget, VcpuQuota
from planner.decision.choice.linear import Linear
from planner.decision.choice.question import ApiOption, Flow, Question, ReplicaClass, apis_in_order
from planner.words.units import HOURS_PER_MONTH

SECONDS_PER_HOUR = 3600.0
TIE_BREAK_USD = 0.01
"""Among plans of equal cost, the one with fewer classes and replicas; far below the gap of any real plan."""


def formulate(question: Question) -> Linear:
    """Question → program. Deterministic: columns and rows are added in the order of the sorted question."""
    program = Linear()
    _columns(program, question)
    for family in (
        _serve,
        _band_uses_class,
        _admitted_alike,
        _one_class_a_band,
        _one_model_a_route,
        _capacity,
        _packing,
        _exclusive,
        _weights,
        _platform,
        _quota,
        _api_limits,
        _budgets,
    ):
        family(program, question)
    return program


def x(flow: Flow, k: ReplicaClass, t: int) -> str:
    """Name of the column: share of a band that class k serves at level t."""
    return f"x[{flow.route},{flow.band},{k.name},{t}]"


def s(flow: Flow, a: ApiOption, t: int) -> str:
    """Name of the column: share of a band that API a takes at level t."""
    return f"s[{flow.route},{flow.band},{a.name},{t}]"


def v(flow: Flow, k: ReplicaClass) -> str:
    """Name of the column: the band uses class k."""
    return f"v[{flow.route},{flow.band},{k.name}]"


def y(k: ReplicaClass) -> str:
    """Name of the column: replicas of class k."""
    return f"y[{k.name}]"


def c(k: ReplicaClass) -> str:
    """Name of the column: the checkpoint of class k is stored."""
    return f"c[{k.weights}]"


def n(group: str) -> str:
    """Name of the column: nodes of a group."""
    return f"n[{group}]"


def local_pairs(question: Question) -> Iterator[tuple[Flow, ReplicaClass]]:
    """Bands and the classes that may serve them."""
    return ((f, k) for f in question.flows for k in question.classes if f.key in k.capacity)


def api_pairs(question: Question) -> Iterator[tuple[Flow, ApiOption]]:
    """Bands and the APIs that may take them; empty for restricted data, whose flows may not spill."""
    return ((f, a) for f in question.flows if f.may_spill for a in question.apis if f.key in a.usd_per_request)


def groups(question: Question) -> dict[str, list[ReplicaClass]]:
    """Node groups and the classes that may stand on them."""
    found: dict[str, list[ReplicaClass]] = {}
    for k in question.classes:
        found.setdefault(k.node_group, []).append(k)
    return found


def _columns(program: Linear, question: Question) -> None:
    levels = range(len(question.level_hours))
    for f, k in local_pairs(question):
        program.binary(v(f, k), TIE_BREAK_USD)
        for t in levels:
            program.continuous(x(f, k, t), 0.0, 1.0)
    for f, a in api_pairs(question):
        for t, hours in enumerate(question.level_hours):
            requests = f.mean[t] * hours * SECONDS_PER_HOUR
            program.continuous(s(f, a, t), requests * a.usd_per_request[f.key], 1.0)
    for k in question.classes:
        program.integer(y(k), TIE_BREAK_USD)
        for t in levels:
            program.continuous(f"f[{k.name},{t}]", 0.0, 1.0)
        program.binary(f"w[{k.name}]", TIE_BREAK_USD)
    for group, classes in groups(question).items():
        program.integer(n(group), classes[0].usd_per_node_hour * HOURS_PER_MONTH)
    for route, model in sorted({(f.route, k.model) for f, k in local_pairs(question)}):
        program.binary(f"u[{route},{model}]")
    for name, usd in sorted({c(k): k.weights_usd_per_month for k in question.classes}.items()):
        program.binary(name, usd)
    program.binary("z", question.platform_usd)


def _serve(program: Linear, question: Question) -> None:
    """Σ_k x[r,i,k,t] + Σ_a s[r,i,a,t] = 1"""
    local, spill = list(local_pairs(question)), list(api_pairs(question))
    for f in question.flows:
        for t in range(len(question.level_hours)):
            terms = [(x(f, k, t), 1.0) for g, k in local if g is f] + [(s(f, a, t), 1.0) for g, a in spill if g is f]
            program.equal(f"serve[{f.route},{f.band},{t}]", terms, 1.0, ServedRoute(f.route))


def _band_uses_class(program: Linear, question: Question) -> None:
    """x[r,i,k,t] ≤ v[r,i,k] ≤ w[k], and x[r,i,k,t] = v[r,i,k] where no API may take the band

    The equality follows from `_serve` and `_one_class_a_band`; told to the solver it halves the search.
    """
    may_spill = {f.key for f, _ in api_pairs(question)}
    for f, k in local_pairs(question):
        limit = program.at_most if f.key in may_spill else program.equal
        for t in range(len(question.level_hours)):
            limit(f"uses[{f.route},{f.band},{k.name},{t}]", [(x(f, k, t), 1.0), (v(f, k), -1.0)], 0.0)
        program.at_most(f"used[{f.route},{f.band},{k.name}]", [(v(f, k), 1.0), (f"w[{k.name}]", -1.0)], 0.0)


def _admitted_alike(program: Linear, question: Question) -> None:
    """x[r,i,k,t] = f[k,t] where v[r,i,k] = 1:  f − (1 − v) ≤ x ≤ f"""
    for f, k in local_pairs(question):
        for t in range(len(question.level_hours)):
            name, admitted = f"[{f.route},{f.band},{k.name},{t}]", f"f[{k.name},{t}]"
            program.at_most(f"admits{name}", [(x(f, k, t), 1.0), (admitted, -1.0)], 0.0)
            program.at_most(f"alike{name}", [(admitted, 1.0), (v(f, k), 1.0), (x(f, k, t), -1.0)], 1.0)


def _one_class_a_band(program: Linear, question: Question) -> None:
    """Σ_k v[r,i,k] ≤ 1"""
    for f in question.flows:
        terms = [(v(f, k), 1.0) for k in question.classes if f.key in k.capacity]
        if terms:
            program.at_most(f"class[{f.route},{f.band}]", terms, 1.0)


def _one_model_a_route(program: Linear, question: Question) -> None:
    """v[r,i,k] ≤ u[r,m(k)],  Σ_m u[r,m] ≤ 1"""
    models: dict[str, set[str]] = {}
    for f, k in local_pairs(question):
        models.setdefault(f.route, set()).add(k.model)
        terms = [(v(f, k), 1.0), (f"u[{f.route},{k.model}]", -1.0)]
        program.at_most(f"model[{f.route},{f.band},{k.name}]", terms, 0.0)
    for route in sorted(models):
        program.at_most(f"models[{route}]", [(f"u[{route},{m}]", 1.0) for m in sorted(models[route])], 1.0)


def _capacity(program: Linear, question: Question) -> None:
    """Σ_{r,i} λ̄[r,i,t]·x[r,i,k,t]/μ[k,r,i] ≤ y[k] − lost[k]·w[k]

    lost[k]: the replicas on one node where the loss of a node must be survived without an API (exclusive classes), else
    0: there the API is the reserve, within its limits (`_api_limits`).
    """
    for k in question.classes:
        lost = k.replicas_per_node if k.exclusive and question.survives_a_node else 0
        for t in range(len(question.level_hours)):
            load = [(x(f, k, t), f.planned[t] / k.capacity[f.key]) for f in question.flows if f.key in k.capacity]
            terms = [*load, (y(k), -1.0), (f"w[{k.name}]", float(lost))]
            program.at_most(f"capacity[{k.name},{t}]", terms, 0.0)


def _packing(program: Linear, question: Question) -> None:
    """Σ_{k on g} TP[k]·y[k] ≤ G[g]·n[g]"""
    for group, classes in groups(question).items():
        terms = [(y(k), float(k.tensor_parallel_size)) for k in classes]
        program.at_most(f"packing[{group}]", [*terms, (n(group), -float(classes[0].gpus_per_node))], 0.0)


def _exclusive(program: Linear, question: Question) -> None:
    """n[g] ≥ 2·w[k] where class k has the node group to itself: two replicas on two nodes."""
    for k in question.classes:
        if k.exclusive:
            program.at_most(f"two-nodes[{k.name}]", [(f"w[{k.name}]", 2.0), (n(k.node_group), -1.0)], 0.0)


def _weights(program: Linear, question: Question) -> None:
    """w[k] ≤ c[d(k)]: a checkpoint is stored once for all classes that load it."""
    for k in question.classes:
        program.at_most(f"weights[{k.name}]", [(f"w[{k.name}]", 1.0), (c(k), -1.0)], 0.0)


def _platform(program: Linear, question: Question) -> None:
    """w[k] ≤ z: the platform is paid for when anything is self-hosted."""
    for k in question.classes:
        program.at_most(f"platform[{k.name}]", [(f"w[{k.name}]", 1.0), ("z", -1.0)], 0.0)


def _quota(program: Linear, question: Question) -> None:
    """Σ_g vCPU[g]·n[g] ≤ quota, by family"""
    for family in sorted(question.quotas):
        terms = [
            (n(g), float(classes[0].vcpus_per_node))
            for g, classes in groups(question).items()
            if classes[0].quota_family == family
        ]
        if terms:
            program.at_most(f"quota[{family}]", terms, float(question.quotas[family]), VcpuQuota(family))


def _api_limits(program: Linear, question: Question) -> None:
    """60·(Σ_{r,i,a} λ̄·s·tokens + lost[g]) ≤ TPM (and the same with requests ≤ RPM), by account, level and node group g

    An account is a provider: all its models share its limits. lost[g]: what one node of the group serves and the
    account must take when it is lost, at most: λ̄·x of a band where a full node could serve all of λ̄, else what the node
    can serve of it. It is counted at the API that the gateway asks first.
    """
    for provider in sorted({a.provider for a in question.apis}):
        account = [a for a in question.apis if a.provider == provider]
        units: tuple[RateUnit, ...] = ("tpm", "rpm")
        for unit in units:
            stated = [a.tokens_per_minute if unit == "tpm" else a.requests_per_minute for a in account]
            limit = min((value for value in stated if value is not None), default=None)
            if limit is not None:
                for t in range(len(question.level_hours)):
                    _account_limit(program, question, account, unit, limit, t)


def _account_limit(
    program: Linear, question: Question, account: list[ApiOption], unit: RateUnit, limit: float, t: int
) -> None:
    """The rows of one account, unit and level."""

    def weight(f: Flow, a: ApiOption) -> float:
        return 60.0 * (a.tokens_per_request[f.key] if unit == "tpm" else 1.0)

    provider = account[0].provider
    spilled = [(s(f, a, t), f.planned[t] * weight(f, a)) for f, a in api_pairs(question) if a in account]
    program.at_most(f"{unit}[{provider},{t}]", spilled, limit, ApiRate(provider, unit))
    first = {f.key: apis_in_order(question.apis, f.route)[0] for f, _ in api_pairs(question)}
    for group, classes in groups(question).items() if question.survives_a_node else ():
        lost = [
            _lost(f, k, t, weight(f, first[f.key]))
            for k in classes
            for f in question.flows
            if f.key in k.capacity and not k.exclusive and first.get(f.key) in account
        ]
        if lost:
            name = f"{unit}-after-loss[{provider},{group},{t}]"
            program.at_most(name, [*spilled, *lost], limit, ApiRate(provider, unit, after_loss=True))


def _lost(f: Flow, k: ReplicaClass, t: int, weight: float) -> tuple[str, float]:
    """The term of a band that a lost node of class k no longer serves."""
    node = k.capacity[f.key] * k.replicas_per_node
    return (x(f, k, t), f.planned[t] * weight) if f.planned[t] <= node else (v(f, k), node * weight)


def _budgets(program: Linear, question: Question) -> None:
    """Σ cost ≤ budget, over everything and over the APIs alone"""
    priced = [(c.name, c.cost) for c in program.columns if c.cost > TIE_BREAK_USD]
    to_apis = {s(f, a, t) for f, a in api_pairs(question) for t in range(len(question.level_hours))}
    spend = [(name, cost) for name, cost in priced if name in to_apis]
    if question.budget_usd is not None:
        program.at_most("budget", priced, question.budget_usd, TotalBudget())
    if question.api_budget_usd is not None and spend:
        program.at_most("api-budget", spend, question.api_budget_usd, ApiBudget())
