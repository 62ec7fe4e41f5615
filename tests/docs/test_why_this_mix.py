"""What the sentences of docs/why-this-mix.md say holds in the lock of the worked prod; its tables are computed from it.

The arithmetic is held against the reasons that the planner itself wrote into the lock.
"""

from __future__ import annotations

import pytest

from tests.docs.markdown import text_of
from tools.figures.documents import worked_plan
from tools.figures.mix import Mix
from tools.figures.mix_tables import API_ALONE, HYBRID, MACHINE, SMALLER, left_at_the_api_usd

TEXT = " ".join(text_of("docs/why-this-mix.md").split())
ALL = 1.0


@pytest.fixture(scope="module")
def mix() -> Mix:
    return Mix(worked_plan("prod"))


def says(sentence: str) -> None:
    """The sentence that a test holds still stands in the document."""
    assert sentence in TEXT


def test_the_arithmetic_is_the_planners(mix: Mix) -> None:
    reasons = " ".join(mix.route("chat").reasons)
    per_hour = mix.machine_usd(MACHINE) / mix.hours
    for shown in (
        f"${per_hour:.4f}/h",
        f"{mix.replica_per_s('chat'):.2f} requests/s",
        f"${mix.full_request_usd('chat'):.6f} a request when full",
        f"costs ${mix.api_request_usd('chat'):.6f}",
        f"for ${mix.spent_usd('chat'):,.0f} a month",
        f"would cost ${mix.machine_usd(MACHINE):,.0f}",
    ):
        assert shown in reasons, shown
    spilled = float(mix.route("chat").spill_share) * mix.all_api_usd("chat")
    assert spilled <= mix.spent_usd("chat") <= 1.25 * spilled  # the long prompts among them cost more than a mean one
    assert f"{mix.replica_per_s('extraction'):.2f} requests/s" in " ".join(mix.route("extraction").reasons)


def test_a_full_machine_is_cheaper_than_the_api(mix: Mix) -> None:
    says("serves a request for about a quarter of what the API takes")
    assert mix.full_request_usd("chat") == pytest.approx(mix.api_request_usd("chat") / 4, rel=0.1)


def test_a_second_machine_would_cost_more_than_it_could_save(mix: Mix) -> None:
    says("It could save at most what both routes spend at the API, and it costs more than that.")
    most = mix.spent_usd("chat") + mix.spent_usd("code")
    assert most < mix.machine_usd(MACHINE)
    assert mix.group(MACHINE).max_nodes == 1
    says("A `g7e.2xlarge` costs less than that spending")
    assert mix.machine_usd(SMALLER) < most
    says("The plan is proven")
    assert mix.plan.solver.status == "proven optimal"
    says("At one and a half times the load, two of these smaller machines do pay.")
    assert mix.point("1.5").fleet == f"4 × {SMALLER} + 1 × {MACHINE}"
    assert mix.point("1").fleet == f"2 × {SMALLER} + 1 × {MACHINE}"


def test_another_machine_in_its_place_is_dearer(mix: Mix) -> None:
    says("Without the H100, the best mix of other machines costs more.")
    other = mix.alternative(f"without {MACHINE}")
    assert MACHINE not in other.description
    assert mix.alternative_usd(other.name) > mix.usd


def test_the_routes_that_may_use_an_api_do_not_all_fit_its_budget(mix: Mix) -> None:
    says("All of chat and code at the API would not fit the API budget of the environment.")
    assert "the API budget would have to be" in mix.alternative("all API").description


def test_when_chat_and_code_go_to_the_api(mix: Mix) -> None:
    says("Its prompts up to 3,071 tokens in nine hours of each working day, its longer ones at every hour.")
    bands = mix.route("chat").bands
    assert [band.max_input_tokens for band in bands] == [1023, 3071, None]
    assert [band.api_share for band in bands] == [0, 0, ALL]
    spilling = {level for band in bands[:2] for level in band.spill_by_level}
    hours = sum(float(level.hours) for level in mix.plan.levels if level.name in spilling)
    assert round(hours / (mix.hours * 5 / 7 / 24)) == 9
    says("So do code's above 2,047 tokens.")
    assert mix.route("code").bands[0].max_input_tokens == 2047
    longer = [band for band in mix.route("code").bands if band.api_share == ALL]
    assert tuple(longer) == mix.route("code").bands[1:]
    api = mix.api("code")
    usd = sum(
        band.share_of_requests
        * (
            band.mean_input_tokens * api.usd_per_million_input_tokens
            + band.mean_output_tokens * api.usd_per_million_output_tokens
        )
        for band in longer
    )
    says("nearly all of it for the longer prompts")
    assert 0.95 < mix.requests("code") * float(usd) / 1e6 / mix.spent_usd("code") <= 1


def test_at_a_fifth_both_go_to_the_api(mix: Mix) -> None:
    says("At a fifth of the load, chat and code together cost less at the API than the cheapest machine")
    full = mix.all_api_usd("chat") + mix.all_api_usd("code")
    alone, hybrid = mix.point(API_ALONE), mix.point(HYBRID)
    assert alone.routes["chat"] == alone.routes["code"] == "api"
    assert full * float(API_ALONE) < mix.machine_usd(SMALLER)
    says("At about a third it is the other way round: the machine takes most of it.")
    left = left_at_the_api_usd(mix, HYBRID)
    assert hybrid.fleet == f"3 × {SMALLER}"
    assert mix.machine_usd(SMALLER) + left < full * float(HYBRID)
    assert left < full * float(HYBRID) / 2
    says("Between half and all of the load, the H100 takes its place")
    assert MACHINE not in mix.point("0.5").fleet
    assert MACHINE in mix.point("1").fleet


def test_extraction_survives_the_loss_of_a_node(mix: Mix) -> None:
    says("after losing one, the others must still carry the peak")
    pool = mix.pool("extraction")
    busy = mix.peak_per_s("extraction") / mix.replica_per_s("extraction")
    assert pool.privacy == "restricted"
    assert pool.replicas.max - 1 >= busy > pool.replicas.max - 2
    assert mix.group(SMALLER).name == pool.node_group
    assert mix.spent_usd(pool.node_group) > mix.all_api_usd("extraction")


def test_what_the_figures_rest_on(mix: Mix) -> None:
    says("Capacities on the H100 and on the RTX PRO 6000 are `calibrated`")
    for route in ("chat", "extraction"):
        assert {c.provenance for c in mix.pool(route).capacity} == {"calibrated"}
    says("The machines add nothing to it")
    ranges = mix.plan.cost.ranges
    assert min(r.low_usd_per_month for r in ranges) > mix.plan.cost.fixed_usd_per_month
    says("The widest cause is the load itself")
    widest = max(ranges, key=lambda r: r.high_usd_per_month - r.low_usd_per_month)
    assert widest.cause == "demand"
