"""The planner: what the team wants and what can be bought in, the cheapest plan that keeps its promises out.

Floors, lowest first: words, domain, performance, money, decision, documents, faces, edges and cli.
Imports point down only (`pyproject.toml`, section importlinter). Everything below `edges` is a pure function of its
arguments: no file, clock, network or environment variable is read there.
"""
