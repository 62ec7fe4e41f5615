"""A review as Markdown, for the comment of a pull request.

`escaping` makes foreign text harmless, `words` writes figures, and `drawing` fills a template within the limit of a
forge. The shipped template is `templates/comment.md.j2`; a team may replace it, or blocks of it.
"""
