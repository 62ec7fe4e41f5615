"""The planner: it turns what a team wants and what can be bought into the cheapest plan that keeps its promises.

The floors are, from the lowest to the highest: words, domain, plan, performance, money, decision, documents, faces,
edges and cli. Imports point down only (`pyproject.toml`, section importlinter). Everything below `edges` is a pure
function of its arguments: no file, clock, network or environment variable is read there.
"""
