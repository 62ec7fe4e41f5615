"""Kinds of change that a reviewer meets, as real locks of the small environment before and after.

Each is made once a process: the base is planned in a folder of its own, and the proposal in another one, beside the
base's lock, as a branch has it. Faces, documents and reports share them.
"""

from __future__ import annotations

import atexit
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from functools import lru_cache
from pathlib import Path
from unittest.mock import patch

from planner.decision.answer.alternatives import Alternatives
from planner.documents.calibration import render as render_calibration
from planner.documents.lock import Lock, render
from planner.documents.review import Attribution, Review
from planner.documents.reviewing import review
from planner.edges.attributing import attributed
from planner.edges.base_side import Base
from planner.edges.planning import plan, plan_on_newest_prices
from planner.edges.workspace import Workspace
from tests.planner import small
from tests.planner.edges.test_calibration_files import written

TODAY = date(2026, 12, 1)
Edits = tuple[tuple[str, str], ...]
"""Texts of the file and what stands in their place."""

CHAT_RATE = ("requests_per_second: {mean: 1}", "requests_per_second: {mean: 3}")
OPENAI = "    openai: {limits: {tpm: 2M, rpm: 5k}}\n"
GOOGLE = "    google: {limits: {tpm: 2M, rpm: 5k}}\n"
CHAT_ACCEPTS = "accept: [qwen3-8b, gpt-5.4-mini]"
REPORTS = """\
  reports:
    traffic:
      requests_per_second: {mean: 0.5}
    tokens:
      input: {mean: 900, p95: 2500}
      output: {mean: 120, p95: 300}
    slo: {ttft_p95: 3s, tpot_p95: 100ms}
    data: internal
    quality:
      accept: [qwen3-8b, gpt-5.4-mini]
      source: own evaluation
      date: 2026-11-01

api:
"""
PRICE = """\
unit: Mtok
sources:
  offer: {{source: offer of OpenAI, as_of: 2026-11-20}}
prices:
  gpt-5.4-mini:
    input: {{usd: {input}, source: offer}}
    output: {{usd: {output}, source: offer}}
...
"""
PRICES_OF_OPENAI = "catalog/prices/api/openai.yaml"
ACME = """\
name: Acme Cloud
base_url: https://api.acme.example/v1
protocol: openai
api_key_variable: ACME_API_KEY
renames: {}
features: {}
trains_on_data: false
retention: none
zero_retention: by contract
hipaa: null
residency: [us]
source: data processing agreement with Acme
as_of: 2026-11-20
sources:
  offer: {source: offer of Acme Cloud, as_of: 2026-11-20}
models:
  qwen3-8b:
    wire_model: acme/qwen3-8b
    hosts: qwen3-8b
    context_tokens: 131_072
    max_output_tokens: 8192
    long_context_above: null
    features: []
    reasoning: false
    retires: null
    status: listed
    source: offer
...
"""
ACME_PRICE = """\
unit: Mtok
sources:
  offer: {source: offer of Acme Cloud, as_of: 2026-11-20}
prices:
  qwen3-8b:
    input: {usd: 0.04, source: offer}
    output: {usd: 0.12, source: offer}
...
"""
IN_FRANKFURT = (("us-east-1", "eu-central-1"), ("[use1-az1, use1-az5]", "[euc1-az2, euc1-az3]"))
PRICE_OF_G7E = """\
unit: hour
sources:
  contract: {source: contract 4711 with AWS, as_of: 2026-11-01}
prices:
  g7e.2xlarge:
    on-demand: {usd: 0.80, source: contract}
...
"""
ACME_ACCOUNT = "    acme: {limits: {tpm: 20M, rpm: 50k}}\n"
OF_TRACE = (
    """      requests_per_second: {mean: 1}
    tokens:
      input: {mean: 1155, p95: 4000}
      output: {mean: 211, p95: 451}
""",
    """      requests_per_second: {mean: 1}
      trace: office.csv
""",
)
OF_OTHER_TRACE = (OF_TRACE[0], OF_TRACE[1].replace("office.csv", "azure-conv-2023"))
PATIENT = ("budget: {monthly: $20000}", "budget: {monthly: $20000}\nplanning: {replan_threshold: 60%}")


def log(tokens: int) -> Mapping[str, str]:
    """A log of requests, one every two seconds for an hour, whose prompts have so many tokens or twice as many."""
    rows = [
        f"2026-11-16T09:{second // 60:02}:{second % 60:02}.000Z,{tokens * (1 + second % 4 // 2)},{100 + second % 7}"
        for second in range(0, 3600, 2)
    ]
    return {"office.csv": "\n".join(["TIMESTAMP,ContextTokens,GeneratedTokens", *rows, ""])}


@dataclass(frozen=True)
class Change:
    """A kind of change.

    before, after: edits of the small environment on both sides.
    files_before, files_after: files beside the environment, by path.
    begins: edits of an environment whose lock the base had before; none where the base is a first plan.
    forgets: whether the proposal is planned without the base's lock.
    snapshot: the price snapshot of the base; the newest if None. The proposal is planned on the newest.
    """

    name: str
    before: Edits = ()
    after: Edits = ()
    files_before: Mapping[str, str] = field(default_factory=dict)
    files_after: Mapping[str, str] = field(default_factory=dict)
    begins: Edits = ()
    forgets: bool = False
    snapshot: str | None = None


@dataclass(frozen=True)
class Made:
    """A change that was made: both folders with their locks."""

    change: Change
    before: Workspace
    after: Workspace

    @property
    def base(self) -> Lock:
        """The lock of the base."""
        return self.before.existing_lock("small")

    @property
    def proposed(self) -> Lock:
        """The lock of the proposal."""
        return self.after.existing_lock("small")

    def attribution(self) -> Attribution:
        """What changed the bill by how much."""
        document = self.after.wanted("small").document
        return attributed(self.after, Base("main", self.base, self.before), self.proposed, document)

    def review(self) -> Review:
        """The whole review."""
        document = self.after.wanted("small").document
        catalog = self.after.catalog()
        return review(self.base, self.proposed, "main", document, TODAY, self.attribution(), (), catalog)


CHANGES = (
    Change("traffic", after=(CHAT_RATE,)),
    Change("new route", after=(("\napi:\n", "\n" + REPORTS),)),
    Change("privacy loosened", after=(("data: restricted", "data: internal"), ("accept: [qwen3-8b]", CHAT_ACCEPTS))),
    Change(
        "new processor",
        after=((OPENAI, OPENAI + GOOGLE), (CHAT_ACCEPTS, "accept: [qwen3-8b, gpt-5.4-mini, gemini-3.5-flash-lite]")),
    ),
    Change("tighter slo", after=(("per_1k_input: 300ms}, tpot_p95: 60ms", "per_1k_input: 300ms}, tpot_p95: 25ms"),)),
    Change("looser slo", after=(("per_1k_input: 300ms}, tpot_p95: 60ms", "per_1k_input: 300ms}, tpot_p95: 90ms"),)),
    Change("model dropped", after=((CHAT_ACCEPTS, "accept: [qwen3-8b]"),)),
    Change("region", after=IN_FRANKFURT),
    Change("budget", after=(("monthly: $20000", "monthly: $30000"),)),
    Change("reserve deleted", after=(("\nbudget:", "\nreserve: {node: false}\nbudget:"),)),
    Change("residency", before=(("data: internal\n", "data: internal\n    residency: [us]\n"),)),
    Change("route removed", before=(("\napi:\n", "\n" + REPORTS),)),
    Change("two branches", after=(CHAT_RATE, ("requests_per_second: {mean: 0.2}", "requests_per_second: {mean: 0.6}"))),
    Change("price refresh", snapshot="2026-11-21"),
    Change(
        "own price",
        files_before={PRICES_OF_OPENAI: PRICE.format(input="0.30", output="1.80")},
        files_after={PRICES_OF_OPENAI: PRICE.format(input="0.60", output="3.60")},
    ),
    Change(
        "own price that moves the mix",
        files_before={PRICES_OF_OPENAI: PRICE.format(input="0.01", output="0.05")},
    ),
    Change(
        "price vanished",
        before=IN_FRANKFURT,
        after=IN_FRANKFURT,
        files_before={"catalog/prices/ec2/eu-central-1.yaml": PRICE_OF_G7E},
    ),
    Change(
        "own facts",
        before=((OPENAI, OPENAI + ACME_ACCOUNT),),
        after=((OPENAI, OPENAI + ACME_ACCOUNT),),
        files_before={"catalog/providers/acme.yaml": ACME, "catalog/prices/api/acme.yaml": ACME_PRICE},
        files_after={
            "catalog/providers/acme.yaml": ACME.replace("status: listed", "status: delisted"),
            "catalog/prices/api/acme.yaml": ACME_PRICE,
        },
    ),
    Change("trace", before=(OF_TRACE,), after=(OF_TRACE,), files_before=log(300), files_after=log(3000)),
    Change("another trace", before=(OF_TRACE,), after=(OF_OTHER_TRACE,), files_before=log(300), files_after=log(300)),
    Change("calibration", files_after={"calibration/l4.yaml": render_calibration(written())}),
    Change("least churn", before=(PATIENT,), after=(PATIENT, (CHAT_RATE[0], "requests_per_second: {mean: 0.3}"))),
    Change(
        "another choice",
        before=(PATIENT, (CHAT_RATE[0], "requests_per_second: {mean: 0.3}")),
        after=(PATIENT, (CHAT_RATE[0], "requests_per_second: {mean: 0.3}")),
        begins=(PATIENT,),
        forgets=True,
    ),
    Change(
        "words only",
        after=(("source: own evaluation\n      date: 2026-11-05", "source: 99 cases\n      date: 2026-11-20"),),
    ),
)
"""Every kind of change, by what it is."""


@lru_cache(maxsize=len(CHANGES))
def made(name: str) -> Made:
    """Make a change. The folders are removed at the end of the process. The locks name no alternatives."""
    change = next(change for change in CHANGES if change.name == name)
    folder = Path(tempfile.mkdtemp(prefix="spillway-changes-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    with patch("planner.decision.optimize.alternatives", lambda *_: Alternatives((), (), ())):
        before = _side(folder / "before", change.before, change.files_before)
        if change.begins:
            _write(before, plan(_side(folder / "begins", change.begins, {}), "small").lock)
        _write(before, plan(before, "small").lock)
        if change.snapshot is not None:
            base = before.existing_lock("small")
            older = base.consulted.model_copy(update={"snapshot": change.snapshot})
            _write(before, base.model_copy(update={"consulted": older}))
            _write(before, plan(before, "small").lock)
        after = _side(folder / "after", change.after, change.files_after)
        if not change.forgets:
            _write(after, before.existing_lock("small"))
        compute = plan if change.snapshot is None else plan_on_newest_prices
        _write(after, compute(after, "small").lock)
    return Made(change, before, after)


def _write(workspace: Workspace, lock: Lock) -> None:
    workspace.lock_path("small").write_text(render(lock), encoding="utf-8")


def _side(folder: Path, edits: Edits, files: Mapping[str, str]) -> Workspace:
    text = small.text()
    for old, new in edits:
        assert old in text, old
        text = text.replace(old, new, 1)
    for path, content in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(content, encoding="utf-8")
    return small.workspace(folder, text)
