"""A vLLM replica without a GPU: same protocol, same scheduler rules, time from a coefficients file.

What is real: HTTP, server-sent events, metric names, continuous batching, admission limits, error bodies.
What is imitated: the GPU. A step lasts what the clock file's formula says (see `twin.engine.clock`), so the twin is
exactly as right or wrong about speed as the plan that wrote the file. It holds no text model: answers are filler words.

Modules: `clock` (coefficients file), `scheduler` (pure, virtual time), `replica` (the scheduler on the wall clock),
`prompt` (how long an answer should be), `wire` (vLLM's bodies and events), `metrics`, `faults`, `server` (HTTP).
"""
