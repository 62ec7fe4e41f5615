"""Comments of pull requests at GitHub, GitLab, Bitbucket and Azure DevOps.

`conversation` holds the values and the interface that the four share, and `publishing` decides what to write. `web`
speaks HTTP. `github`, `gitlab`, `bitbucket` and `azure` are the four, and `runner` reads what their CI says of a run.
"""
