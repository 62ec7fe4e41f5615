"""Tests, one module a module of the project; run in any order and in parallel."""
