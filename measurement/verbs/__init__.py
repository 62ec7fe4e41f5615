"""The verbs `spillway perf …`: they call the files, print the views and choose the exit code."""
