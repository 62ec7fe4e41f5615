"""This package makes the bill: what the parts of a plan cost a month, as cost lines with their sources."""
