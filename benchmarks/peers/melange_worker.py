"""Solves Mélange's program as Mélange does, with PuLP and the solver CBC that comes with it: a program for an
environment of the peer's own.

    python -I melange_worker.py < problems > answers      one JSON object a line, answers in order

A problem has the fields of `allocation.Allocation`, and `limit_s`: the processor seconds that CBC may take. The first
line that comes back names the peer's version. An answer has the USD an hour, whether CBC proved them to be the least,
and the processor seconds of PuLP and CBC together.
"""

from __future__ import annotations

import json
import os
import resource
import sys
from typing import Any

import pulp


def processor_s() -> float:
    """Processor seconds of this process and of the solvers that have ended."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(each.ru_utime + each.ru_stime for each in used)


def solve(asked: dict[str, Any]) -> dict[str, Any]:
    """Return the answer to one problem; USD are none where CBC found nothing in time."""
    began = processor_s()
    prices, rates, most, parts = asked["usd_per_hour"], asked["rates"], asked["most"], asked["slices"]
    kinds, pieces = range(len(prices)), [(b, s) for b in range(len(rates)) for s in range(parts)]
    program = pulp.LpProblem("allocation", pulp.LpMinimize)
    takes = {(b, s, g): pulp.LpVariable(f"x_{b}_{s}_{g}", cat=pulp.LpBinary) for b, s in pieces for g in kinds}
    bought = [pulp.LpVariable(f"y_{g}", lowBound=0, cat=pulp.LpInteger) for g in kinds]
    program += pulp.lpSum(usd * count for usd, count in zip(prices, bought, strict=True))
    for b, s in pieces:
        program += pulp.lpSum(takes[b, s, g] for g in kinds) == 1
    for g in kinds:
        program += pulp.lpSum(rates[b] / parts / most[b][g] * takes[b, s, g] for b, s in pieces) <= bought[g]
    program.solve(pulp.PULP_CBC_CMD(msg=False, timeLimit=asked["limit_s"], timeMode="cpu"))
    counts = [count.value() for count in bought]
    found = program.sol_status in (pulp.LpSolutionOptimal, pulp.LpSolutionIntegerFeasible) and None not in counts
    return {
        "usd": sum(usd * round(count) for usd, count in zip(prices, counts, strict=True)) if found else None,
        "proven": program.sol_status == pulp.LpSolutionOptimal,
        "seconds": processor_s() - began,
    }


def main() -> None:
    """Answer all problems. What the peer itself prints goes to standard error."""
    with os.fdopen(os.dup(1), "w") as out:
        os.dup2(2, 1)
        out.write(json.dumps({"version": f"PuLP {pulp.__version__} with CBC"}) + "\n")
        for line in sys.stdin:
            out.write(json.dumps(solve(json.loads(line)), sort_keys=True) + "\n")
            out.flush()


if __name__ == "__main__":
    main()
