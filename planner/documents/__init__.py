"""Floor 5: plans as files, compared and judged. No solver, no decision: what is read here was decided before."""
