"""The program as rows and columns: each constraint family is there, by name, with the numbers of its formula."""

from __future__ import annotations

from dataclasses import replace

import pytest

from planner.decision.choice.limits import ApiBudget, ApiRate, Limit, ServedRoute, TotalBudget, VcpuQuota
from planner.decision.choice.linear import INFINITY, Linear
from planner.decision.choice.program import formulate
from planner.decision.choice.question import Question
from tests.planner.decision.choice.instances import PAPER, api, drawn, flow, replica_class, with_weights

CHAT, CODE = ("chat", 0), ("code", 0)
SHARED = with_weights(
    Question(
        level_hours=(730.0,),
        flows=(flow("chat", 0, (4.0,), burst=1.5), flow("code", 0, (2.0,))),
        classes=(
            replica_class("a", "large", 1, {CHAT: 2.0, CODE: 1.0}, "m1"),
            replica_class("b", "large", 2, {CHAT: 5.0}, "m2"),
            replica_class("c", "medium", 1, {CODE: 1.0}, "m1", exclusive=True),
        ),
        apis=(api({CHAT: 0.001, CODE: 0.002}, tokens=500, tpm=900_000.0, rpm=600.0),),
        platform_usd=150.0,
        quotas={"G": 96.0},
        budget_usd=9000.0,
        api_budget_usd=2000.0,
    ),
    {"m1": 12.0, "m2": 7.0},
)


def row(program: Linear, name: str) -> tuple[dict[str, float], float, float]:
    """Coefficients by column, lower and upper bound of the row of that name."""
    (found,) = [r for r in program.rows if r.name == name]
    return {program.columns[i].name: c for i, c in found.terms}, found.lower, found.upper


@pytest.fixture(scope="module")
def program() -> Linear:
    return formulate(SHARED)


@pytest.mark.parametrize(
    ("name", "terms", "lower", "upper"),
    [
        ("serve[chat,0,0]", {"x[chat,0,a,0]": 1, "x[chat,0,b,0]": 1, "s[chat,0,api,0]": 1}, 1, 1),
        ("uses[chat,0,a,0]", {"x[chat,0,a,0]": 1, "v[chat,0,a]": -1}, -INFINITY, 0),
        ("used[chat,0,a]", {"v[chat,0,a]": 1, "w[a]": -1}, -INFINITY, 0),
        ("admits[code,0,a,0]", {"x[code,0,a,0]": 1, "f[a,0]": -1}, -INFINITY, 0),
        ("alike[code,0,a,0]", {"f[a,0]": 1, "v[code,0,a]": 1, "x[code,0,a,0]": -1}, -INFINITY, 1),
        ("class[code,0]", {"v[code,0,a]": 1, "v[code,0,c]": 1}, -INFINITY, 1),
        ("model[chat,0,m2]", {"v[chat,0,b]": 1, "u[chat,m2]": -1}, -INFINITY, 0),
        ("model[code,0,m1]", {"v[code,0,a]": 1, "v[code,0,c]": 1, "u[code,m1]": -1}, -INFINITY, 0),
        ("models[chat]", {"u[chat,m1]": 1, "u[chat,m2]": 1}, -INFINITY, 1),
        # 6/s planned at 2/s a replica, 2/s at 1/s; nothing is lost where the API is the reserve.
        ("capacity[a,0]", {"x[chat,0,a,0]": 3, "x[code,0,a,0]": 2, "y[a]": -1, "w[a]": 0}, -INFINITY, 0),
        ("capacity[c,0]", {"x[code,0,c,0]": 2, "y[c]": -1, "w[c]": 2}, -INFINITY, 0),
        ("packing[large]", {"y[a]": 1, "y[b]": 2, "n[large]": -4}, -INFINITY, 0),
        ("packing[medium/c]", {"y[c]": 1, "n[medium/c]": -2}, -INFINITY, 0),
        ("two-nodes[c]", {"w[c]": 2, "n[medium/c]": -1}, -INFINITY, 0),
        ("platform[chat,0]", {"v[chat,0,a]": 1, "v[chat,0,b]": 1, "z": -1}, -INFINITY, 0),
        ("node[chat,0,large]", {"v[chat,0,a]": 1, "v[chat,0,b]": 1, "n[large]": -1}, -INFINITY, 0),
        ("replica[b]", {"w[b]": 1, "y[b]": -1}, -INFINITY, 0),
        # `a` and `c` load the same checkpoint.
        ("weights[code,0,m1]", {"v[code,0,a]": 1, "v[code,0,c]": 1, "c[m1]": -1}, -INFINITY, 0),
        ("weights[chat,0,m2]", {"v[chat,0,b]": 1, "c[m2]": -1}, -INFINITY, 0),
        ("quota[G]", {"n[large]": 48, "n[medium/c]": 16}, -INFINITY, 96),
        ("tpm[api,0]", {"s[chat,0,api,0]": 60 * 6 * 500, "s[code,0,api,0]": 60 * 2 * 500}, -INFINITY, 900_000),
        ("rpm[api,0]", {"s[chat,0,api,0]": 360, "s[code,0,api,0]": 120}, -INFINITY, 600),
        # A node holds four replicas of `a`: 8/s of chat and 4/s of code, more than is planned at all; `b` likewise.
        (
            "rpm-after-loss[api,large,0]",
            {
                "s[chat,0,api,0]": 360,
                "s[code,0,api,0]": 120,
                "x[chat,0,a,0]": 360,
                "x[code,0,a,0]": 120,
                "x[chat,0,b,0]": 360,
            },
            -INFINITY,
            600,
        ),
        ("api-budget", {"s[chat,0,api,0]": 4 * 730 * 3.6, "s[code,0,api,0]": 2 * 730 * 7.2}, -INFINITY, 2000),
    ],
)
def test_each_row_is_its_formula(
    program: Linear, name: str, terms: dict[str, float], lower: float, upper: float
) -> None:
    found, low, high = row(program, name)
    assert found == pytest.approx(terms)
    assert (low, high) == (lower, upper)


@pytest.mark.parametrize(
    ("start", "limit"),
    [
        ("serve[chat,", ServedRoute("chat")),
        ("serve[code,", ServedRoute("code")),
        ("quota[G]", VcpuQuota("G")),
        ("tpm[", ApiRate("api", "tpm")),
        ("rpm[", ApiRate("api", "rpm")),
        ("budget", TotalBudget()),
        ("api-budget", ApiBudget()),
    ],
)
def test_a_row_that_a_team_can_move_names_its_limit(program: Linear, start: str, limit: Limit) -> None:
    rows = [r for r in program.rows if r.name.startswith(start)]
    assert rows
    assert {r.limit for r in rows} == {limit}


def test_a_rate_after_the_loss_of_a_node_is_the_same_limit_and_says_when(program: Linear) -> None:
    limits = {r.name: r.limit for r in program.rows if isinstance(r.limit, ApiRate)}
    assert any(limit.after_loss for limit in limits.values())
    for name, limit in limits.items():
        assert limit.after_loss == ("after-loss" in name)
        assert limit == ApiRate("api", limit.unit)


def test_rows_that_nobody_can_move_name_no_limit(program: Linear) -> None:
    named = ("serve[", "quota[", "tpm", "rpm", "budget", "api-budget")
    assert {r.limit for r in program.rows if not r.name.startswith(named)} == {None}


@pytest.mark.parametrize(
    ("limit", "about"),
    [
        (ServedRoute("chat"), "routes.chat"),
        (VcpuQuota("G"), "quotas.G"),
        (ApiRate("openai", "tpm"), "api.providers.openai.limits.tpm"),
        (ApiRate("openai", "rpm", after_loss=True), "api.providers.openai.limits.rpm"),
        (TotalBudget(), "budget.monthly"),
        (ApiBudget(), "api.monthly_budget"),
    ],
    ids=lambda each: each if isinstance(each, str) else type(each).__name__,
)
def test_a_limit_knows_the_key_that_sets_it(limit: Limit, about: str) -> None:
    assert ".".join(limit.about) == about


def test_the_budget_covers_machines_weights_platform_and_api(program: Linear) -> None:
    terms, _, limit = row(program, "budget")
    assert limit == 9000
    assert set(terms) == {
        *("n[large]", "n[medium/c]", "c[m1]", "c[m2]", "z"),
        *("s[chat,0,api,0]", "s[code,0,api,0]"),
    }
    assert terms["n[large]"] == pytest.approx(3.3 * 730)
    assert terms["z"] == 150


def test_the_objective_is_money(program: Linear) -> None:
    costs = {c.name: c.cost for c in program.columns}
    assert costs["n[large]"] == pytest.approx(3.3 * 730)
    assert costs["s[chat,0,api,0]"] == pytest.approx(4 * 730 * 3600 * 0.001)
    assert costs["x[chat,0,a,0]"] == 0
    assert (costs["c[m1]"], costs["c[m2]"]) == (12, 7)
    assert {c.name for c in program.columns if c.integer} == {
        *(f"v[{pair}]" for pair in ("chat,0,a", "chat,0,b", "code,0,a", "code,0,c")),
        *(f"{letter}[{k}]" for letter in "yw" for k in "abc"),
        *("u[chat,m1]", "u[chat,m2]", "u[code,m1]", "n[large]", "n[medium/c]", "z"),
        *("c[m1]", "c[m2]"),
    }


def test_restricted_data_has_no_api_variable_at_all() -> None:
    program = formulate(replace(PAPER, apis=(api({CHAT: 0.0004, ("vault", 0): 0.0004}),)))
    assert [c.name for c in program.columns if c.name.startswith("s[vault")] == []
    terms, _, _ = row(program, "serve[vault,0,0]")
    assert set(terms) == {"x[vault,0,vault-small,0]"}


def test_a_limit_that_is_not_stated_has_no_row() -> None:
    names = {r.name.split("[")[0] for r in formulate(PAPER).rows}
    assert names.isdisjoint({"tpm", "rpm", "tpm-after-loss", "rpm-after-loss", "quota", "budget", "api-budget"})


def test_only_the_first_api_of_a_band_is_its_reserve() -> None:
    second = api({CHAT: 0.002}, rpm=600.0, name="second")
    program = formulate(replace(SHARED, apis=(*SHARED.apis, second)))
    assert not [r.name for r in program.rows if r.name.startswith("rpm-after-loss[second")]
    assert [r.name for r in program.rows if r.name.startswith("rpm-after-loss[api")]


def test_a_band_that_an_api_reads_is_turned_away_whole_at_every_level() -> None:
    """One binary for all levels, and none for bands that no API reads or that may not be turned away."""
    chat, vault = PAPER.flows
    refusing = replace(PAPER, flows=(replace(chat, may_turn_away=True, elsewhere=False), vault))
    program = formulate(refusing)
    for t in (0, 1):
        assert row(program, f"whole[chat,0,{t}]") == ({f"l[chat,0,{t}]": 1, "q[chat,0]": -1}, 0, 0)
    (column,) = [c for c in program.columns if c.name.startswith("q[")]
    assert (column.integer, column.upper, column.cost) == (True, 1.0, 0.0)
    elsewhere = replace(PAPER, flows=(replace(chat, may_turn_away=True), replace(vault, may_turn_away=True)))
    assert not [c for c in formulate(elsewhere).columns if c.name.startswith("q[")]


def test_a_band_that_may_not_spill_is_served_by_its_class_alone() -> None:
    """An equality where no API may take the band, which halves the search; an inequality where one may."""
    assert row(formulate(PAPER), "uses[vault,0,vault-small,0]")[1:] == (0.0, 0.0)
    assert row(formulate(PAPER), "uses[chat,0,chat-small,0]")[1:] == (-INFINITY, 0.0)


def test_every_row_and_column_has_a_name_of_its_own() -> None:
    for seed in range(20):
        program = formulate(drawn(seed))
        assert len({r.name for r in program.rows}) == len(program.rows)
        assert len({c.name for c in program.columns}) == len(program.columns)


def test_the_same_question_gives_the_same_program() -> None:
    assert formulate(SHARED) == formulate(SHARED)


def test_scaling_scales_rates_alone() -> None:
    scaled = PAPER.scaled(3)
    assert scaled.flows[0].mean == (18.0, 3.0)
    assert replace(scaled, flows=PAPER.flows) == PAPER


def test_parts_can_be_taken_away() -> None:
    assert PAPER.without_apis().apis == ()
    assert [k.name for k in PAPER.with_classes(frozenset({"vault-small"})).classes] == ["vault-small"]
