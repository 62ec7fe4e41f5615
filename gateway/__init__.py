"""Spillway's gateway is an OpenAI-compatible proxy that enforces one policy document.

It carries out the plan at run time: requests go to local pools first, hosted APIs take the overflow, and requests of
restricted routes never leave. It reads a policy document (JSON, `gateway.policy`) and knows neither the planner nor
Pulumi.

Decisions are made in pure modules: `policy`, `request`, `eligibility`, `choose`, `spill`, `sse`, `account`. Only
`forward`, `dispatch`, `app`, `discovery`, `awaiting` and `__main__` touch sockets; `key_files` reads files again while
it runs.
"""
