"""What only a life of the engine can show of docs/deploy.md: commands in order, each with the test that lives it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Lived:
    """A test lives what a command does.

    section: beginning of the section's heading.
    evidence: what the test's module, or the one beside it that holds its fixture, must contain.
    """

    section: str
    command: str
    test: str
    evidence: str
    module: str = ""


HERE = "tests/docs/test_deploy_guide.py"
FIRST, SUPPLY = "tests/infra/test_engine.py", "tests/infra/test_supply_engine.py"
SIDES, KILLS = "tests/infra/test_side_by_side.py", "tests/infra/test_kills.py"
LIVES = (
    Lived("1.", "make setup-python", "tests/test_setup.py", "tools.setup"),
    Lived("1.", "pulumi version", f"{HERE}::test_pulumi_takes_the_stack_and_its_settings", '"version"'),
    Lived(
        "2.",
        "pulumi login s3://acme-pulumi-state",
        f"{HERE}::test_pulumi_takes_the_stack_and_its_settings",
        '"login", "file://',
    ),
    Lived(
        "3.",
        "spillway catalog quotas",
        "tests/planner/cli/test_refreshing.py::test_quotas_are_printed_to_paste_and_compared",
        '"catalog", "quotas"',
    ),
    Lived(
        "7.",
        'pulumi stack init prod --secrets-provider "awskms://alias/pulumi-state?region=us-east-1"',
        f"{HERE}::test_pulumi_takes_the_stack_and_its_settings",
        '"stack", "init"',
    ),
    Lived(
        "9.",
        "pulumi preview --stack prod",
        f"{FIRST}::test_the_first_preview_shows_everything_and_makes_nothing",
        '"first preview"] = pulumi.preview()',
    ),
    Lived(
        "9.",
        "pulumi up --stack prod",
        f"{SUPPLY}::test_the_first_up_makes_the_secrets_says_how_to_fill_them_and_stops",
        '"first up"] = pulumi.up()',
    ),
    Lived(
        "9.",
        "pulumi up --stack prod",
        f"{SUPPLY}::test_the_second_up_makes_all_else_and_every_replica_is_ready",
        '"second up"] = pulumi.up()',
    ),
    Lived(
        "9.",
        "pulumi up --stack prod",
        f"{SIDES}::test_the_first_stage_makes_the_cluster_from_outside_and_says_what_is_next",
        '"prod, cluster"] = _done(prod.up())',
    ),
    Lived(
        "9.",
        "SPILLWAY_RUNNER=inside pulumi up --stack prod",
        f"{SIDES}::test_the_second_stage_comes_from_a_runner_inside",
        '{"SPILLWAY_RUNNER": "inside"}',
    ),
    Lived(
        "10.",
        'curl http://127.0.0.1:8080/v1/chat/completions --header "Authorization: Bearer $KEY"'
        ' --header "Content-Type: application/json"'
        """ --data '{"model": "chat", "messages": [{"role": "user", "content": "Good morning"}]}'""",
        f"{SUPPLY}::test_every_route_is_answered_by_its_own_pool_when_up_has_ended",
        'running.forward("gateway", "gateway", 80)',
    ),
    Lived(
        "11.",
        "pulumi preview --expect-no-changes --stack prod",
        f"{FIRST}::test_a_preview_after_up_shows_no_change",
        '"last preview"] = pulumi.preview()',
    ),
    Lived(
        "Scaling",
        "pulumi up --stack prod",
        f"{FIRST}::test_a_change_of_the_environment_touches_what_it_names",
        '"change"] = _done(pulumi.up())',
    ),
    Lived(
        "Rollback",
        "pulumi up --stack prod",
        f"{FIRST}::test_after_an_outage_the_same_command_converges",
        "plan(vault_nodes=4)\n",
    ),
    Lived(
        "After a kill",
        "pulumi cancel --stack prod",
        f"{KILLS}::test_an_environment_comes_up_through_kills_and_leaves_nothing",
        "engine.cancel()",
        "tests/infra/kills.py",
    ),
    Lived(
        "After a kill",
        "pulumi up --stack prod",
        f"{KILLS}::test_an_environment_comes_up_through_kills_and_leaves_nothing",
        "found.last = engine.up()",
        "tests/infra/kills.py",
    ),
    Lived(
        "After a kill",
        "PULUMI_K8S_DELETE_UNREACHABLE=true pulumi refresh --stack prod",
        "tests/twin/test_twin_engine.py::test_the_whole_line_on_a_real_control_plane",
        'PULUMI_K8S_DELETE_UNREACHABLE"] = "true"',
    ),
    Lived(
        "Teardown",
        "pulumi up --stack prod",
        "tests/infra/test_teardown.py::test_what_is_protected_is_given_up_once_it_is_open",
        "protected",
    ),
    Lived(
        "Teardown",
        "pulumi destroy --stack prod",
        f"{FIRST}::test_destroy_leaves_nothing_but_what_aws_keeps",
        '"destroy"] = pulumi.destroy()',
    ),
    Lived(
        "Teardown",
        "pulumi stack rm --preserve-config prod",
        f"{HERE}::test_pulumi_takes_the_stack_and_its_settings",
        '"stack", "rm"',
    ),
)
"""In the order of the page."""
