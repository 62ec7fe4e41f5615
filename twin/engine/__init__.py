"""A vLLM replica without a GPU: the same protocol, the same scheduler rules, and time from a coefficients file.

HTTP, server-sent events, metric names, continuous batching, admission limits and error bodies are real. The GPU is
imitated: a step lasts what the clock file's formula says (`twin.engine.clock`), so that the twin is exactly as right or
    wrong about speed as the plan that wrote the file. It holds no text model; answers are filler words.

    clock       the coefficients file
    scheduler   continuous batching; pure, in virtual time
    replica     the scheduler on the wall clock
    prompt      how long an answer should be
    wire        vLLM's bodies and events
    metrics     vLLM's metrics
    faults      failures on request
    server      HTTP
"""
