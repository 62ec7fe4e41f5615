"""Floor 0: quantities with units, diagnostics with a place and a hint, YAML that remembers where it stood."""
