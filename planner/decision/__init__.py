"""This package turns an environment into a plan: it lists what could be chosen, chooses, and tells of the choice."""
