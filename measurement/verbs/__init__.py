"""The verbs `spillway perf …`. They call the files, print the views and choose the exit code."""
