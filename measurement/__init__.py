"""Measured performance: published runs and a team's own, the fit of the model to them, and how far off it is.

The planner needs none of this to make a plan. It reads the few values that come out: the coefficients that ship with
it, and the calibrations beside its environments. The verbs `spillway perf …` live here.
"""
