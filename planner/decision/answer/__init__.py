"""This package tells of the choice: it makes the plan with its routes, bill, verdicts and alternatives."""
