"""Spillway's gateway: an OpenAI-compatible proxy that enforces one policy document.

It stands for the plan at run time: local pools first, hosted APIs as the overflow, restricted routes never outside.
It reads a policy document (JSON, `gateway.policy`) and knows neither the planner nor Pulumi.

Decisions are pure (`policy`, `request`, `eligibility`, `choose`, `spill`, `sse`, `account`); sockets are touched in
`forward`, `dispatch`, `app`, `discovery` and `__main__` only.
"""
