"""What is asked (environments, workloads, demand), and what can be bought (models, offerings, APIs, prices)."""
