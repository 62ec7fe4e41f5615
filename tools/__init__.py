"""Set-up of a checkout: the Python environment and the tools built from source. Nothing of it is installed."""
