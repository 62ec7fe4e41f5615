"""What-ifs change what is asked, and nothing else."""

from __future__ import annotations

from planner.decision import what_ifs
from planner.documents.environment_file import canonical, parse
from planner.domain.environment import Environment
from planner.domain.scaling import scaled
from tests.planner import small
from tests.planner.plans import ENVIRONMENT


def environment(*changes: tuple[str, str]) -> Environment:
    text = small.text()
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    return parse(text, "small.yaml")[0]


def test_each_is_the_environment_that_a_team_would_write() -> None:
    asked = environment()
    providers = "  providers:\n    openai: {limits: {tpm: 2M, rpm: 5k}}\n"
    assert what_ifs.without_apis(asked) == environment((providers, ""))
    margin = ("quotas:", "planning: {margin: p50}\nquotas:")
    assert what_ifs.without_margin(asked) == environment(margin)
    excluded = ("quotas:", "hardware: {not: [g6.xlarge]}\nquotas:")
    assert what_ifs.without_instance_type(asked, "g6.xlarge") == environment(excluded)
    more = ("quotas:", "hardware: {not: [g6.xlarge, g5.xlarge]}\nquotas:")
    assert what_ifs.without_instance_type(environment(excluded), "g5.xlarge") == environment(more)
    on_apis = ("    data: internal\n", "    data: internal\n    hardware: {only: []}\n")
    assert what_ifs.all_api(asked) == environment(on_apis)


def test_without_guessed_reuse_each_prompt_is_new() -> None:
    asked = environment()
    less = what_ifs.without_guessed_reuse(asked, ["chat"])
    chat = less.routes["chat"]
    assert chat.tokens is not None
    assert (chat.tokens.session_hit, chat.lengths) == (0.0, asked.routes["chat"].lengths)
    assert less.routes["extraction"] == asked.routes["extraction"]


def test_without_a_model_no_precision_of_it_is_accepted() -> None:
    asked = environment(("[qwen3-8b, gpt-5.4-mini]", "[qwen3-8b@fp8, gpt-5.4-mini, qwen3-8b]"))
    less = what_ifs.without_model(asked, "qwen3-8b")
    assert less.routes["chat"].quality.accept == ("gpt-5.4-mini",)
    assert what_ifs.accepts_nothing(less) == ("extraction",)
    assert what_ifs.accepts_nothing(asked) == ()


def test_scaling_multiplies_each_statement_of_the_load() -> None:
    doubled = environment(("mean: 1}\n    tokens", "mean: 2}\n    tokens"), ("mean: 0.2}", "mean: 0.4}"))
    assert scaled(environment(), 2.0) == doubled
    assert scaled(environment(), 1.0) == environment()
    back = scaled(scaled(parse(ENVIRONMENT, "prod.yaml")[0], 0.5), 2.0)
    assert canonical(back) == canonical(parse(ENVIRONMENT, "prod.yaml")[0])


def test_scaling_knows_all_forms_of_a_load() -> None:
    route = environment().routes["chat"]
    traffic = route.traffic.model_validate(
        {
            "requests_per_second": {"peak": 4.0},
            "requests": {"per_day": 1000},
            "tokens": {"per_month": 2000},
            "users": {"concurrent": 30, "think_time": "20s"},
        }
    )
    asked = environment().model_copy(update={"routes": {"chat": route.model_copy(update={"traffic": traffic})}})
    half = scaled(asked, 0.5).routes["chat"].traffic
    assert half.requests_per_second is not None
    assert half.requests is not None
    assert half.tokens is not None
    assert half.users is not None
    assert (half.requests_per_second.peak, half.requests_per_second.mean) == (2.0, None)
    assert (half.requests.per_day, half.tokens.per_month, half.users.concurrent) == (500, 1000, 15)
    assert half.users.think_time == traffic.users.think_time if traffic.users else False
