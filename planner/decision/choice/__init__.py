"""This package makes the choice: it puts a question in plain numbers, makes a program of it, and solves that."""
