"""GitHub and GitHub Enterprise: comments are listed and folded away by GraphQL, and written by REST.

GraphQL alone says who wrote a comment in the eyes of the token, and whether it is folded away. The login of a
bot has `[bot]` at its end where it looks at itself, and not where it wrote.
"""

from __future__ import annotations

from typing import Any

from planner.edges.forges.conversation import Comment, Conversation, ForgeError, Target
from planner.edges.forges.web import MOST_PAGES, Web

LIMIT = 65_536
_LIST = """
query($owner: String!, $name: String!, $number: Int!, $after: String) {
  viewer { login }
  repository(owner: $owner, name: $name) {
    pullRequest(number: $number) {
      headRefOid
      comments(first: 100, after: $after) {
        nodes { id databaseId url body isMinimized author { login } }
        pageInfo { hasNextPage endCursor }
      }
    }
  }
}"""
_HIDE = """
mutation($id: ID!) {
  minimizeComment(input: {subjectId: $id, classifier: OUTDATED}) { minimizedComment { isMinimized } }
}"""


class GitHub:
    """A pull request at GitHub."""

    limit = LIMIT
    can_hide = True

    def __init__(self, target: Target) -> None:
        headers = {"Accept": "application/vnd.github+json", "X-GitHub-Api-Version": "2022-11-28"}
        self._rest = Web(target.api_url, ("Authorization", f"Bearer {target.token}"), headers)
        self._graphql = Web(_graphql_url(target.api_url), ("Authorization", f"Bearer {target.token}"))
        self._owner, _, self._name = target.repository.partition("/")
        self._number = target.number
        self._comments = f"repos/{self._owner}/{self._name}/issues"

    def conversation(self) -> Conversation:
        """Return the pull request with its comments."""
        comments: list[Comment] = []
        head, after = "", None
        for _ in range(MOST_PAGES):
            asked = {"owner": self._owner, "name": self._name, "number": self._number, "after": after}
            data = self._asked(_LIST, asked)
            pull = (data.get("repository") or {}).get("pullRequest")
            if pull is None:
                raise ForgeError(
                    404, f"no pull request {self._number} in {self._owner}/{self._name} that the token sees"
                )
            me = str((data.get("viewer") or {}).get("login", "")).removesuffix("[bot]")
            head = str(pull.get("headRefOid") or "")
            comments += [_comment(node, me) for node in pull["comments"]["nodes"] if node]
            page = pull["comments"]["pageInfo"]
            if not page["hasNextPage"]:
                return Conversation(tuple(comments), head)
            after = page["endCursor"]
        raise ForgeError(0, f"the pull request has more than {MOST_PAGES} pages of comments")

    def create(self, body: str) -> Comment:
        """Write a new comment."""
        return _written(self._rest.post(f"{self._comments}/{self._number}/comments", {"body": body}).value)

    def update(self, comment: Comment, body: str) -> Comment:
        """Replace the body of a comment."""
        path = f"{self._comments}/comments/{comment.order}"
        return _written(self._rest.put(path, {"body": body}, "PATCH").value)

    def hide(self, comment: Comment) -> None:
        """Fold a comment away as outdated."""
        self._asked(_HIDE, {"id": comment.key})

    def delete(self, comment: Comment) -> None:
        """Delete a comment."""
        self._rest.delete(f"{self._comments}/comments/{comment.order}")

    def _asked(self, query: str, variables: dict[str, Any]) -> dict[str, Any]:
        """Return the data that GraphQL answers with. Its errors come with status 200."""
        value = self._graphql.post("", {"query": query, "variables": variables}, is_new=False).value
        errors = value.get("errors") if isinstance(value, dict) else [{"message": "it answers with no object"}]
        if errors:
            first = errors[0]
            status = {"NOT_FOUND": 404, "FORBIDDEN": 403, "RATE_LIMITED": 429}.get(str(first.get("type")), 0)
            raise ForgeError(status, f"GitHub answers: {' '.join(str(first.get('message')).split())[:300]}")
        data = value.get("data")
        return data if isinstance(data, dict) else {}


def _graphql_url(api_url: str) -> str:
    """Return the address of GraphQL beside that of REST, which differs at GitHub Enterprise."""
    root = api_url.rstrip("/")
    return f"{root.removesuffix('/v3')}/graphql" if root.endswith("/api/v3") else f"{root}/graphql"


def _comment(node: dict[str, Any], me: str) -> Comment:
    author = (node.get("author") or {}).get("login")
    return Comment(
        key=str(node["id"]),
        order=int(node["databaseId"]),
        body=str(node["body"]),
        url=str(node["url"]),
        is_ours=str(author).removesuffix("[bot]") == me if me else None,
        is_hidden=bool(node["isMinimized"]),
    )


def _written(value: dict[str, Any]) -> Comment:
    return Comment(str(value["node_id"]), int(value["id"]), str(value["body"]), str(value["html_url"]), True)
