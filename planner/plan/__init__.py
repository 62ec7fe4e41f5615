"""This package holds the plan and its parts as frozen values, as the lock has them. It takes no decision."""
