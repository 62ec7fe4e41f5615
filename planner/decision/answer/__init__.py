"""What is told of the choice: the plan with its routes, bill, verdicts and alternatives."""
