"""The choice: a question in plain numbers, the program that it becomes, and the solver's answer."""
