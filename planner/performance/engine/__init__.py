"""One replica, simulated step by step: vLLM's scheduler as compiled code, and the streams of requests that feed it."""
