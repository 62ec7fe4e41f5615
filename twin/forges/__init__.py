"""Imitations of the APIs by which pull requests are commented: GitHub, GitLab, Bitbucket Cloud and Azure DevOps.

They know one pull request each, and are as strict as the published APIs: tokens, pages, lengths, who may change whose
comment. `world` is what they share, `server` listens, and a fault makes the next calls fail.
"""
