"""Small environments in few words, drawn by a seed. Each is text, so that a team could write it."""

from __future__ import annotations

import random
from dataclasses import dataclass
from decimal import Decimal

import pytest

import planner.decision.optimize as optimizer
from planner.decision.inputs import Inputs
from planner.decision.optimize import optimize
from planner.documents.environment_file import parse
from planner.edges.catalog_files import load_catalog
from planner.edges.performance_files import load_coefficients
from planner.performance.capacity_search import CapacitiesByDigest
from planner.words.diagnostics import Problems
from tests.planner import small

KEPT: CapacitiesByDigest = {}
CATALOG, COEFFICIENTS = load_catalog(), load_coefficients()


@dataclass(frozen=True)
class Road:
    """One route in few words."""

    rate: float
    data: str
    accept: tuple[str, ...]
    tokens: tuple[int, int]
    only: str = ""
    too_long: str = "{}"


@dataclass(frozen=True)
class Case:
    """An environment in few words. `limits` is text for `providers`."""

    roads: tuple[Road, ...]
    limits: str | None
    quotas: str
    budget: int | None
    api_budget: int | None
    reserve: bool
    without: str = ""
    margin: str = "p90"

    @property
    def text(self) -> str:
        return "\n".join(
            [
                "version: 1",
                'platform: {account: "123456789012", region: us-east-1, zones: [use1-az1, use1-az5]}',
                "horizon: {start: 2026-12-01, months: 12}",
                "routes:",
                *(self._route(f"r{i}", road) for i, road in enumerate(self.roads)),
                "api:",
                f"  providers: {{{'openai: ' + self.limits if self.limits is not None else ''}}}",
                *([f"  monthly_budget: ${self.api_budget}"] if self.api_budget else []),
                f"quotas: {self.quotas}",
                f"reserve: {{node: {str(self.reserve).lower()}}}",
                *([f"hardware: {{not: [{self.without}]}}"] if self.without else []),
                *([f"budget: {{monthly: ${self.budget}}}"] if self.budget else []),
                f"planning: {{margin: {self.margin}}}",
            ]
        )

    @staticmethod
    def _route(name: str, road: Road) -> str:
        (tokens_in, tokens_out), accept = road.tokens, ", ".join(road.accept)
        return f"""\
  {name}:
    traffic: {{profile: office-hours, requests_per_second: {{mean: {road.rate!r}}}}}
    tokens:
      input: {{mean: {tokens_in}, p95: {3 * tokens_in}}}
      output: {{mean: {tokens_out}, p95: {2 * tokens_out}}}
    slo: {{ttft_p95: {{base: 2s, per_1k_input: 300ms}}, tpot_p95: 80ms}}
    data: {road.data}
    too_long: {road.too_long}
    {road.only}
    quality: {{accept: [{accept}], source: a test, date: 2026-11-01}}"""


def drawn(seed: int) -> Case:
    """A case that is small, and in which some limit may bind."""
    draw = random.Random(seed)
    roads = []
    for i in range(draw.choice([1, 2, 2])):
        data = draw.choice(["internal", "internal", "restricted"]) if i else "internal"
        hosted = ("gpt-5.4-mini",) if data == "internal" and draw.random() < 0.8 else ()
        accept = (*draw.sample(["qwen3-8b", "llama-3.1-8b-instruct"], draw.choice([1, 2])), *hosted)
        tokens = draw.choice([(300, 60), (1100, 200), (2500, 90)])
        roads.append(Road(draw.choice([0.2, 1.0, 3.0, 6.0]), data, accept, tokens))
    return Case(
        roads=tuple(roads),
        limits=draw.choice(["{limits: {tpm: 20M, rpm: 20k}}", "{limits: {tpm: 100k, rpm: 600}}", "{}", None]),
        quotas=draw.choice(["{G: 192, P: 192}", "{G: 16, P: 0}", "{}"]),
        budget=draw.choice([None, 20000, 2500]),
        api_budget=draw.choice([None, 2000, 300]),
        reserve=draw.choice([True, True, False]),
    )


def inputs(case: Case) -> Inputs:
    return Inputs(parse(case.text, "case.yaml")[0], CATALOG, COEFFICIENTS, {})


def alone(case: Case) -> Decimal | Problems:
    """What the plan of a case costs, or why there is none; nothing stands beside it."""
    with small.alone(), pytest.MonkeyPatch.context() as patch:
        patch.setattr(optimizer, "with_outlook", lambda plan, *_: plan)
        patch.setattr(optimizer, "with_nearest", lambda _inputs, refusal, *_: refusal)
        try:
            return optimize(inputs(case), kept=KEPT).plan.cost.usd_per_month
        except Problems as refusal:
            return refusal
