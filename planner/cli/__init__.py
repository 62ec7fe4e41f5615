"""The command line `spillway`, one module for each group of verbs. Only here something is printed."""
