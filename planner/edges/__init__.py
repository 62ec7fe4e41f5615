"""Floor 7: everything that touches the world: files, git, clouds, child processes. Thin, and the only place for it."""
