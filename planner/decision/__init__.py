"""From an environment to a plan: what could be chosen, the choice, and what is told of it."""
