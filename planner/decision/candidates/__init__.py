"""This package lists what could be chosen: the demand of each route, and the classes and APIs that could serve it."""
