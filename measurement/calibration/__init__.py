"""A team's own benchmark runs: whether they may be believed, what they correct, and which runs to make next."""
