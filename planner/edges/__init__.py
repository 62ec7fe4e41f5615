"""All that touches the world: files, git, child processes. It is thin, and the floors below it touch nothing."""
