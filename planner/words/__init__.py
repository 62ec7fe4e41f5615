"""The lowest floor: quantities with units, problems with a place and a hint, YAML that remembers where it stood."""
