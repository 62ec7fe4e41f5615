"""The one question of pip that Pulumi's language host asks: which packages are installed, and where.

Virtual environments made by uv have no pip, and where there is one, its answer takes more than a second of every
command. A stage of the twin (twin/stage.py) puts this folder first on the program's module path.
"""
