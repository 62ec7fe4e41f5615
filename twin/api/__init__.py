"""Hosted model providers that charge by the token, imitated: OpenAI's protocol, latency, limits, errors and the bill.

What matters about a paid API in a rehearsal is what reaches it and what it costs. So every request that arrives, also
one that is refused, is entered in a ledger with its bytes and its privacy class: replayed prompts carry canaries such
as `canary-restricted-9f2c`, and a restricted one here is a broken promise, whoever let it out.

Modules: `offers` (what is for sale), `limits` (requests and tokens a minute), `manners` (how a provider says no),
`ledger` (what arrived, what it cost), `faults`, `server` (HTTP).
"""
