"""The profile of a GPU that the profiler writes, and the Kubernetes Job that runs the profiler."""
