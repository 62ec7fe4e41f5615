"""This package reads a team's rules and holds plans against them. It knows no file system and no clock."""
