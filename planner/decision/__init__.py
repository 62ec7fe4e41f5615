"""Floor 4: enumerate what could serve, formulate the choice, solve it, verify the answer. Pure but for the solver."""
