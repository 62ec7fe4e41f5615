"""The command line `spillway`: one module a verb group. Only here is anything printed, exited or the clock read."""
