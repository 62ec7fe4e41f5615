"""What the shipped catalog must hold, how it is looked up, and that its digests are stable."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import date
from decimal import Decimal

import pytest

from planner.domain.catalog import AcceptedEntry, offering_key
from planner.domain.gaps import Gap, did_you_mean
from planner.domain.prices import Price, earliest_day
from planner.edges.catalog_files import load_catalog

CATALOG = load_catalog()
APIS = {api.key: api for api in CATALOG.apis}
FAMILIES = {
    *("g4dn", "g5", "g6", "g6e", "g6f", "g7e", "gr6", "gr6f"),
    *("p4d", "p4de", "p5", "p5e", "p5en", "p6-b200", "p6-b300"),
}
HORIZON_END = date(2027, 12, 1)


def test_every_gpu_family_is_sold_somewhere_and_all_but_one_have_a_price() -> None:
    assert {row.family for row in CATALOG.instances.values()} == FAMILIES
    assert {row.instance.family for row in CATALOG.offerings} == FAMILIES
    assert {row.instance.family for row in CATALOG.offerings.available()} == FAMILIES - {"p5e"}
    assert "p5.4xlarge" in CATALOG.instances


def test_zones_are_ids_not_names() -> None:
    prefixes: dict[str, set[str]] = {}
    for row in CATALOG.offerings:
        assert row.zones
        assert all(re.fullmatch(r"[a-z]{2,4}[0-9]-az[0-9]", zone) for zone in row.zones)
        prefixes.setdefault(row.region, set()).update(zone.partition("-")[0] for zone in row.zones)
    assert {len(found) for found in prefixes.values()} == {1}
    assert len({prefix for found in prefixes.values() for prefix in found}) == len(prefixes)
    assert CATALOG.zones("us-east-1") == tuple(f"use1-az{n}" for n in range(1, 7))


def test_each_region_has_a_place_and_lies_where_its_name_says() -> None:
    for region in CATALOG.regions:
        assert CATALOG.places.of_region(region) is not None, region
    assert CATALOG.places.of_region("eu-central-1") == "de"


def test_a_region_is_sold_in_or_says_what_is_missing() -> None:
    open_regions = {name for name, region in CATALOG.regions.items() if not region.missing}
    assert open_regions == {name for name in CATALOG.regions if CATALOG.zones(name)}
    assert {"eu-central-1", "eu-west-1", "ap-northeast-1", "sa-east-1", "us-east-1"} <= open_regions
    assert len(open_regions) == 19
    assert len(CATALOG.regions) == 32 + 5
    assert all(CATALOG.zones(name)[1:] for name in open_regions), "EKS needs two zones"


def test_a_zone_elsewhere_makes_no_lock_stale() -> None:
    keys = [offering_key("eu-central-1", "g6e.xlarge"), "instance/g6e.xlarge"]
    before = CATALOG.facts_digest(keys)
    here, there = CATALOG.regions["eu-central-1"], CATALOG.regions["eu-west-1"]
    families = {**here.families, "p5": ("euc1-az1",)}
    with_more = {
        "eu-west-1": replace(there, families={"g6e": ("euw1-az9",)}),
        "eu-central-1": replace(here, families=families),
    }
    assert replace(CATALOG, regions={**CATALOG.regions, **with_more}).facts_digest(keys) == before
    for zones in ((), ("euc1-az1",)):
        fewer = {**CATALOG.regions, "eu-central-1": replace(here, families={**here.families, "g6e": zones})}
        assert replace(CATALOG, regions=fewer).facts_digest(keys) != before
    without = {name: region for name, region in CATALOG.regions.items() if name != "eu-central-1"}
    assert replace(CATALOG, regions=without).facts_digest(keys) != before


def test_the_order_of_zones_in_a_file_makes_no_lock_stale() -> None:
    keys = [offering_key("eu-central-1", "g6e.xlarge")]
    here = CATALOG.regions["eu-central-1"]
    turned = replace(here, families={name: zones[::-1] for name, zones in here.families.items()})
    assert replace(CATALOG, regions={"eu-central-1": turned}).facts_digest(keys) == CATALOG.facts_digest(keys)


def test_a_part_of_a_card_is_that_part_of_it() -> None:
    whole = CATALOG.gpus["L4"]
    for key, parts in (("L4-half", 2), ("L4-quarter", 4), ("L4-eighth", 8)):
        gpu = CATALOG.gpus[key]
        assert gpu.tflops == {dtype: rate / parts for dtype, rate in whole.tflops.items()}
        assert gpu.bandwidth_gb_per_s == whole.bandwidth_gb_per_s // parts
        assert gpu.memory_bytes < whole.memory_bytes / parts * 1.001
        assert f"1/{parts}" in gpu.assumed
    assert not whole.assumed


@pytest.mark.parametrize(
    "word", ["p3", "p3.8xlarge", "V100", "v100", "trn1.32xlarge", "Trainium2", "inf2", "g7", "MI300X"]
)
def test_hardware_that_no_plan_uses_has_a_reason(word: str) -> None:
    row = CATALOG.why_unplanned(word)
    assert row is not None
    assert len(row.reason) > 40


@pytest.mark.parametrize("word", ["g7e", "g7e.2xlarge", "p4d", "L4", "H100", "p33", ""])
def test_other_words_have_none(word: str) -> None:
    assert CATALOG.why_unplanned(word) is None


def test_instances_leave_room_for_the_system() -> None:
    for instance in CATALOG.instances.values():
        assert 0 < instance.allocatable_cpu_m < instance.vcpu * 1000
        assert 0 < instance.allocatable_memory_mib < instance.ram_gib * 1024
        assert instance.quota == ("P" if instance.family.startswith("p") else "G")
        assert instance.gpu_count in (1, 2, 4, 8)


def test_models_and_apis_are_broad_enough() -> None:
    for start in ("llama-3.1", "llama-3.2", "llama-3.3", "qwen2.5", "qwen3", "mixtral", "gemma", "gpt-oss", "deepseek"):
        assert any(key.startswith(start) for key in CATALOG.models), start
    assert len(CATALOG.models) >= 113
    usable = [api.provider for api in CATALOG.apis if api.serves_on(HORIZON_END)]
    assert {"openai", "anthropic", "google", "bedrock", "groq", "together"} <= set(usable)
    assert len(usable) >= 45


def test_every_row_has_a_source_and_a_date() -> None:
    for key, row in {**CATALOG.rows, **CATALOG.price_rows}.items():
        assert row["source"].strip(), key
        assert earliest_day(row["as_of"]) <= date(2026, 11, 30), key


def test_no_price_is_zero_and_batch_is_never_dearer() -> None:
    prices = CATALOG.prices.rows
    assert all(price.usd > 0 for price in prices.values())
    for api in CATALOG.apis:
        for side in ("input", "output"):
            full, batch = prices[f"api/{api.key}/{side}"], prices.get(f"api/{api.key}/batch-{side}")
            assert batch is None or batch.usd <= full.usd, api.key
        cached = prices.get(api.price_key("cached-input"))
        assert cached is None or cached.usd <= prices[api.price_key("input")].usd, api.key


def test_prices_are_those_after_the_cut_of_june_2025() -> None:
    expected = {"p5.48xlarge": "55.04", "p4d.24xlarge": "21.957642", "p5en.48xlarge": "63.296", "g6e.xlarge": "1.861"}
    for name, usd in expected.items():
        price = CATALOG.prices.price(f"ec2/us-east-1/{name}/on-demand")
        assert price is not None
        assert price.usd == Decimal(usd)


def test_platform_prices_stand_in_and_say_so() -> None:
    here, there = (CATALOG.prices.price(f"platform/{region}/logs-storage") for region in ("us-east-1", "us-west-2"))
    assert here is not None
    assert there is not None
    assert (here.stands_in, there.stands_in) == (None, "us-east-1")
    assert here.usd == there.usd
    assert any("stands in" in gap.message for gap in there.doubts())
    ebs = CATALOG.prices.price("platform/us-west-2/ebs-gp3-storage")
    assert ebs is not None
    assert ebs.stands_in is None


def test_a_price_without_a_day_is_as_old_as_it_can_be() -> None:
    price = CATALOG.prices.price("ec2/us-west-2/p5.48xlarge/on-demand")
    assert price is not None
    assert price.as_of == "2026-H1"
    assert price.age_days(date(2026, 11, 21)) == 324
    assert not price.doubts()


def test_fresh_and_disputed_api_prices() -> None:
    fresh = CATALOG.prices.price("api/openai/gpt-5.4-mini/input")
    disputed = CATALOG.prices.price("api/together/llama-3.3-70b-instruct/input")
    assert fresh is not None
    assert disputed is not None
    assert not fresh.doubts()
    assert "second source says $0.88" in disputed.doubts()[0].message


@pytest.mark.parametrize(
    ("text", "day"),
    [
        ("2026-11-21", date(2026, 11, 21)),
        ("2026-05", date(2026, 5, 1)),
        ("2026-H2", date(2026, 7, 1)),
        ("2024", date(2024, 1, 1)),
    ],
)
def test_partial_dates_mean_their_first_day(text: str, day: date) -> None:
    assert earliest_day(text) == day


def test_a_word_is_no_date() -> None:
    with pytest.raises(ValueError, match="is not a date"):
        earliest_day("last spring")


def test_aliases_retire_with_the_snapshot_that_they_point_to() -> None:
    mini = APIS["openai/gpt-4.1-mini"]
    assert mini.retires == date(2027, 1, 14)
    assert "gpt-4.1-mini-2025-04-14" in mini.note
    assert mini.why_not(HORIZON_END) == "openai/gpt-4.1-mini retires on 2027-01-14"
    assert mini.why_not(date(2027, 1, 13)) is None


def test_nearly_all_listed_models_say_how_their_end_is_known() -> None:
    listed = [api for api in CATALOG.apis if api.status == "listed"]
    assert len(listed) >= 140
    for provider in {api.provider for api in listed} - {"deepinfra"}:
        assert all(api.lifecycle is not None for api in listed if api.provider == provider), provider
    assert sum(api.lifecycle is not None for api in listed) >= 0.95 * len(listed)


def test_providers_that_plans_use_say_what_they_do_with_requests() -> None:
    """Training and the place of each are known; how long it keeps requests is stated by more than half."""
    used = [row for row in CATALOG.providers.values() if not row.not_called]
    assert len(used) == 11
    assert all(row.trains_on_data is not None and row.residency for row in used)
    assert sum(row.retention_days is not None for row in used) >= 6
    assert sum(row.zero_retention_possible is not None for row in used) >= 10


def test_prices_of_the_newest_day_were_read_on_it() -> None:
    """What the list of that day no longer has keeps the day on which it was read last."""
    api = [price for price in CATALOG.prices.rows.values() if price.kind == "api"]
    old = {price.key.rsplit("/", 1)[0] for price in api if price.as_of != "2026-11-29"}
    delisted = {f"api/{row.key}" for row in CATALOG.apis if row.status == "delisted"}
    assert old <= delisted
    assert {price.source for price in api if price.as_of == "2026-11-29"} == {
        "litellm 1.110.2 model_prices_and_context_window_backup.json (MIT)"
    }


def test_long_prompts_have_a_price_wherever_they_cost_more() -> None:
    for row in CATALOG.apis:
        if row.long_context_above is not None and row.status == "listed":
            assert {row.price_key("long-input"), row.price_key("long-output")} <= CATALOG.prices.rows.keys(), row.key


def test_retired_and_delisted_models_are_kept_but_never_usable() -> None:
    for key in ("openai/gpt-4", "openai/gpt-4-turbo", "groq/llama-3.3-70b-instruct", "google/gemini-1.5-pro"):
        assert not APIS[key].serves_on(date(2026, 12, 1)), key
        assert APIS[key].why_not(date(2026, 12, 1)), key


def test_not_known_is_not_for_ever() -> None:
    """Every hosted model says how its end is known: a day, a promise, a reading, or that nobody has read it."""
    states = [api.lifecycle.state if api.lifecycle else "unknown" for api in CATALOG.apis]
    assert states.count("unknown") <= len(states) * 0.05
    assert {"announced", "not-before", "none-announced", "deprecated"} <= set(states)
    for api in CATALOG.apis:
        assert api.contradiction() is None
        if api.lifecycle is not None:
            assert earliest_day(api.lifecycle.as_of) <= date(2026, 11, 29), api.key
            assert not api.lifecycle.weak or api.lifecycle.note, api.key


@pytest.mark.parametrize(
    ("key", "ends", "successor"),
    [
        ("google/gemini-2.5-flash", date(2026, 12, 1), "gemini-3.5-flash-lite"),
        ("openai/gpt-4o", date(2027, 1, 14), "gpt-6-luna"),
        ("anthropic/claude-sonnet-4.5", date(2026, 11, 30), "claude-sonnet-5.5"),
        ("groq/llama-3.1-8b-instruct", date(2026, 8, 16), "gpt-oss-20b"),
    ],
)
def test_ends_and_successors_are_known(key: str, ends: date, successor: str) -> None:
    assert APIS[key].retires == ends
    assert successor in APIS[key].successors
    assert APIS[f"{key.split('/')[0]}/{successor}"].serves_on(ends)


def test_a_model_serves_until_the_day_before_its_end() -> None:
    flash = APIS["google/gemini-2.5-flash"]
    assert flash.serves_on(date(2026, 11, 30))
    assert not flash.serves_on(date(2026, 12, 1))
    assert flash.ends_within(date(2026, 11, 1), date(2026, 12, 2))
    assert not flash.ends_within(date(2026, 11, 1), date(2026, 12, 1))  # the horizon ends before it does
    assert not flash.ends_within(date(2026, 12, 1), date(2027, 12, 1))  # it has ended when the horizon starts


def test_what_a_provider_withdraws_cannot_be_relied_on() -> None:
    """Nobody knows its last day, and some of these names already answer with another model."""
    withdrawn = [api for api in CATALOG.apis if api.lifecycle and api.lifecycle.state == "deprecated"]
    assert len(withdrawn) == 13
    assert all("withdrawn" in (api.why_not(date(2026, 12, 1)) or "") for api in withdrawn)


def test_the_catalog_of_a_later_day_has_lost_what_ended() -> None:
    later = {api.key: api for api in CATALOG.on(date(2027, 1, 14)).apis}
    assert later["openai/gpt-4o-mini"].status == "delisted"
    assert later["openai/gpt-5.4-mini"] == APIS["openai/gpt-5.4-mini"]


def test_hosted_copies_name_their_open_weight_model() -> None:
    copies = [api for api in CATALOG.apis if api.hosts is not None]
    assert copies
    for api in copies:
        assert api.hosts == api.slug
        assert api.hosts in CATALOG.models


def test_an_accepted_model_counts_with_its_hosted_copies() -> None:
    found = CATALOG.accepted_entry("llama-3.3-70b-instruct")
    assert isinstance(found, AcceptedEntry)
    assert found.model is CATALOG.models["llama-3.3-70b-instruct"]
    assert [way.name for way in found.precisions] == ["bf16", "fp8"]
    assert {"bedrock/llama-3.3-70b-instruct", "fireworks/llama-3.3-70b-instruct"} <= {api.key for api in found.apis}


def test_a_further_quantization_is_accepted_by_name_alone() -> None:
    found = CATALOG.accepted_entry("llama-3.3-70b-instruct@awq")
    assert isinstance(found, AcceptedEntry)
    assert [way.name for way in found.precisions] == ["awq"]
    assert not found.apis
    gap = CATALOG.accepted_entry("gpt-oss-120b@awq")
    assert isinstance(gap, Gap)
    assert "does not come in 'awq'" in gap.message
    assert "gpt-oss-120b@mxfp4" in gap.hint


def test_a_closed_model_is_accepted_without_weights() -> None:
    found = CATALOG.accepted_entry("claude-haiku-4.5")
    assert isinstance(found, AcceptedEntry)
    assert found.model is None
    assert tuple(api.key for api in found.apis) == ("anthropic/claude-haiku-4.5", "bedrock/claude-haiku-4.5")


def test_unknown_names_come_back_as_gaps_with_a_hint() -> None:
    for gap, near in (
        (CATALOG.model("lama-3.3-70b-instruct"), "llama-3.3-70b-instruct"),
        (CATALOG.gpu("L40"), "L40S"),
        (CATALOG.provider("opnai"), "openai"),
        (CATALOG.accepted_entry("gpt-4.1-mni"), "gpt-4.1-mini"),
    ):
        assert isinstance(gap, Gap)
        assert near in gap.hint


def test_a_missing_price_is_a_gap_that_names_the_file_it_belongs_in() -> None:
    key = "ec2/us-east-1/g6e.xlarge/spot"
    assert CATALOG.prices.price(key) is None
    gap = CATALOG.prices.gap(key)
    assert gap.key == f"price/{key}"
    assert f"prices/{CATALOG.prices.name}/purchases/us-east-1.yaml" in gap.hint


def test_hints_without_a_near_name_show_some() -> None:
    assert did_you_mean("zzz", ["a", "b"]) == "known: a, b"
    assert did_you_mean("zzz", []) == "none is known"
    assert did_you_mean("zzz", "abcdefghij").endswith("and 2 more")


def test_digests_cover_the_rows_and_nothing_else() -> None:
    keys = ["model/llama-3.3-70b-instruct", "gpu/L40S", "instance/g6e.xlarge", "api/openai/gpt-4.1-mini"]
    digest = CATALOG.facts_digest(keys)
    assert re.fullmatch(r"sha256:[0-9a-f]{64}", digest)
    assert digest == CATALOG.facts_digest(reversed([*keys, keys[0]]))
    assert digest != CATALOG.facts_digest(keys[1:])
    moved = {**CATALOG.rows, "gpu/L40S": {**CATALOG.rows["gpu/L40S"], "bandwidth_gb_per_s": 865}}
    assert digest != replace(CATALOG, rows=moved).facts_digest(keys)
    elsewhere = {**CATALOG.rows, "gpu/T4": {}}
    assert digest == replace(CATALOG, rows=elsewhere).facts_digest(keys)
    spelled = {**CATALOG.rows, "gpu/L40S": {**CATALOG.rows["gpu/L40S"], "spellings": ["another"]}}
    assert digest == replace(CATALOG, rows=spelled).facts_digest(keys)  # only measurements read spellings
    gone = {key: row for key, row in CATALOG.rows.items() if key != "gpu/L40S"}
    assert digest != replace(CATALOG, rows=gone).facts_digest(keys)


def test_a_new_price_changes_the_prices_digest_only() -> None:
    key = "ec2/us-east-1/g6e.xlarge/on-demand"
    dearer = {**CATALOG.price_rows, key: {**CATALOG.price_rows[key], "usd": "2.0"}}
    other = replace(CATALOG, price_rows=dearer)
    assert other.prices_digest([key]) != CATALOG.prices_digest([key])
    assert other.facts_digest(["instance/g6e.xlarge"]) == CATALOG.facts_digest(["instance/g6e.xlarge"])


def test_gpu_formats_follow_the_silicon() -> None:
    gpus = CATALOG.gpus
    assert gpus["T4"].supports("bf16") is None
    assert gpus["A100-80GB"].supports("fp8") == "weight-only"
    assert gpus["L40S"].supports("fp8") == "native"
    assert gpus["L40S"].supports("fp8-block") is None
    assert gpus["B200"].supports("mxfp4") == "native"
    assert gpus["H100"].memory_bytes == round(79.18 * 2**30)
    assert {key for key, gpu in gpus.items() if gpu.memory_provenance == "measured"} == {"H100", "T4"}
    for gpu in gpus.values():
        assert 0.97 < gpu.memory_bytes / (gpu.memory_reported_mib * 2**20) < 1
        assert (gpu.link_gb_per_s > 0) == gpu.link.startswith("nvlink")
        assert ("fp8" in gpu.tflops) == (float(gpu.compute_capability) >= 8.9)


def test_kinds_of_prices() -> None:
    spot = Price("ec2/us-east-1/g5.xlarge/spot", Decimal(1), "hour", "s", "2026-11-01")
    assert spot.kind == "spot"
    assert not spot.doubts()
    assert {price.kind for price in CATALOG.prices.rows.values()} == {"ec2", "api", "platform", "spot"}


def test_what_is_not_known_of_a_provider_is_named() -> None:
    assert CATALOG.providers["bedrock"].gaps() == ()
    together = replace(CATALOG.providers["together"], trains_on_data=None, residency=None)
    assert [gap.message for gap in together.gaps()] == [
        "Together AI: whether it trains on requests is not verified",
        "Together AI: where it processes requests is not verified",
    ]


def test_plans_know_the_gpus_that_can_be_rented() -> None:
    assert CATALOG.gpus.keys() == {instance.gpu for instance in CATALOG.instances.values()}
    assert [gpu.key for gpu in CATALOG.offerings.gpus()] == sorted(CATALOG.gpus)
    assert "H100-PCIe" in CATALOG.all_gpus
    assert isinstance(CATALOG.gpu("H100-PCIe"), Gap)
    alone = {key: row for key, row in CATALOG.instances.items() if row.family == "g6e"}
    assert replace(CATALOG, instances=alone).gpus.keys() == {"L40S"}


def test_a_provider_tells_how_it_is_spoken_to() -> None:
    openai, groq = CATALOG.providers["openai"], CATALOG.providers["groq"]
    assert (openai.protocol, openai.api_key_variable) == ("openai", "OPENAI_API_KEY")
    assert (openai.renames, groq.renames) == ({"max_tokens": "max_completion_tokens"}, {})
    assert openai.takes(["vision", "tools", "batch"]) == ("functions", "image", "tools")
    assert openai.takes([]) == ()
    for provider in CATALOG.providers.values():
        assert re.fullmatch(r"[A-Z][A-Z0-9_]*_API_KEY", provider.api_key_variable)


def test_names_of_the_same_shape_are_those_of_other_models() -> None:
    repositories = {model.hf_id.rpartition("/")[2].lower() for model in CATALOG.models.values()}
    own = repositories | CATALOG.models.keys()
    for model in CATALOG.models.values():
        assert not own & {name.rstrip("*").lower() for name in model.same_shape} - {model.key}, model.key


def test_a_name_in_capitals_means_the_same_name() -> None:
    assert did_you_mean("GPT-OSS-120B", ["gpt-oss-120b", "gpt-oss-20b", "zzz"]) == "did you mean gpt-oss-120b?"
    assert did_you_mean("GPT-OSS-121B", ["gpt-oss-120b", "zzz"]) == "did you mean gpt-oss-120b?"
    assert did_you_mean("l40", ["L40S", "zzz"]) == "did you mean L40S?"
