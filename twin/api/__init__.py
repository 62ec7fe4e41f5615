"""Hosted model providers that charge by the token, imitated: OpenAI's protocol, latency, limits, errors and the bill.

Two things matter about a paid API in a rehearsal: what reaches it, and what it costs. Every request that arrives is
therefore entered in a ledger with its bytes and its privacy class, also one that is refused. Replayed prompts carry
canaries such as `canary-restricted-9f2c`; a restricted one here is a broken promise, whoever let it out.

    offers      what is for sale
    limits      requests and tokens a minute
    manners     how a provider says no
    ledger      what arrived, and what it cost
    faults      failures on request
    server      HTTP
"""
