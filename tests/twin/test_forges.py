"""The imitated forges are strict: what a client would get away with there, it gets away with nowhere."""

from __future__ import annotations

import json
import subprocess
import sys
import urllib.error
import urllib.request
from typing import Any

import pytest

from tests.examples import ROOT
from tests.forges import Forges


def asked(forges: Forges, method: str, path: str, value: Any = None, **headers: str) -> tuple[int, Any, Any]:
    body = None if value is None else json.dumps(value).encode()
    names = {name.replace("_", "-"): text for name, text in headers.items()}
    request = urllib.request.Request(f"{forges.address}/{path}", body, names, method=method)
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:
            text, status, heads = answer.read(), answer.status, answer.headers
    except urllib.error.HTTPError as error:
        text, status, heads = error.read(), error.code, error.headers
    return status, json.loads(text) if text[:1] in (b"{", b"[") else text.decode(), heads


OURS = "spillway"
"""Who the imitated tokens belong to."""
GITHUB = "github/repos/team/serving/issues"
GITLAB = "gitlab/api/v4/projects/team%2Fserving/merge_requests/7"
BITBUCKET = "bitbucket/2.0/repositories/team/serving/pullrequests/7"
AZURE = "azure/team/_apis/git/repositories/serving/pullRequests/7"
BEARER = {"Authorization": "Bearer write-token"}
V = "?api-version=7.1"


@pytest.mark.parametrize(
    ("method", "path", "value", "headers", "status", "message"),
    [
        ("POST", f"{GITHUB}/7/comments", {"body": "x"}, {}, 401, "Bad credentials"),
        ("POST", f"{GITHUB}/7/comments", {"body": " "}, BEARER, 422, "blank"),
        ("POST", f"{GITHUB}/7/comments", {"body": "x", "more": 1}, BEARER, 422, "Validation Failed"),
        ("POST", f"{GITHUB}/7/comments", {"body": "x" * 65_537}, BEARER, 422, "maximum is 65536 characters"),
        ("POST", f"{GITHUB}/8/comments", {"body": "x"}, BEARER, 404, "Not Found"),
        ("PATCH", f"{GITHUB}/comments/1", {"body": "x"}, BEARER, 404, "Not Found"),
        ("POST", f"{GITLAB}/notes", {"body": "x"}, {}, 401, "401 Unauthorized"),
        ("POST", f"{GITLAB}/notes", {"body": "x"}, {"JOB_TOKEN": "write-token"}, 401, "401 Unauthorized"),
        ("POST", f"{GITLAB}/notes", {"body": "x"}, {"PRIVATE_TOKEN": "read-token"}, 403, "403 Forbidden"),
        ("PUT", f"{GITLAB}/notes/1", {"body": "x"}, {"PRIVATE_TOKEN": "write-token"}, 404, "404 Note Not Found"),
        ("POST", f"{BITBUCKET}/comments", {"content": {"raw": "x" * 32_769}}, BEARER, 400, "32768"),
        ("POST", f"{BITBUCKET}/comments", {"body": "x"}, BEARER, 400, "non-empty"),
        ("POST", f"{AZURE}/threads", {"comments": []}, BEARER, 400, "No api-version"),
        ("POST", f"{AZURE}/threads{V}", {"comments": []}, BEARER, 400, "cannot be null"),
        ("GET", f"{AZURE}/threads{V}", None, {}, 203, "Sign in"),
    ],
)
def test_refusals(
    forges: Forges, method: str, path: str, value: Any, headers: dict[str, str], status: int, message: str
) -> None:
    found, answer, _ = asked(forges, method, path, value, **headers)
    assert found == status
    assert message in json.dumps(answer)
    assert forges.comments() == []


@pytest.mark.parametrize(
    ("path", "key"),
    [(f"{GITLAB}/notes/1001", "PRIVATE_TOKEN"), (f"{BITBUCKET}/comments/1001", "Authorization")],
)
def test_nobody_changes_what_another_wrote(forges: Forges, path: str, key: str) -> None:
    forges.begin(comments=[["jane", "hello"]])
    token = "write-token" if key == "PRIVATE_TOKEN" else "Bearer write-token"
    status, _, _ = asked(forges, "PUT", path, {"body": "x", "content": {"raw": "x"}}, **{key: token})
    assert (status, forges.bodies()) == (403, ["hello"])


def test_gitlab_names_the_next_page_and_begins_with_the_newest(forges: Forges) -> None:
    forges.begin(comments=[["jane", str(n)] for n in range(25)])
    status, first, headers = asked(forges, "GET", f"{GITLAB}/notes", PRIVATE_TOKEN="write-token")
    assert (status, len(first), first[0]["body"], headers["X-Next-Page"]) == (200, 20, "24", "2")
    assert 'page=2>; rel="next"' in headers["Link"]


def test_bitbucket_keeps_what_was_deleted_without_its_words(forges: Forges) -> None:
    forges.begin(comments=[[OURS, "hello"]])
    assert asked(forges, "DELETE", f"{BITBUCKET}/comments/1001", **BEARER)[0] == 204
    _, page, _ = asked(forges, "GET", f"{BITBUCKET}/comments", **BEARER)
    assert [(each["deleted"], each["content"]["raw"]) for each in page["values"]] == [(True, "")]


def test_graphql_tells_errors_with_status_200(forges: Forges) -> None:
    query = {"query": "query { pullRequest comments(first: 100) }", "variables": {"owner": "team", "name": "no"}}
    status, answer, _ = asked(forges, "POST", "github/graphql", query, **BEARER)
    assert (status, answer["errors"][0]["type"]) == (200, "NOT_FOUND")


def test_a_fault_meets_so_many_calls(forges: Forges) -> None:
    forges.strike(method="POST", path="comments", status=429, headers={"Retry-After": "9"}, times=1)
    status, _, headers = asked(forges, "POST", f"{GITHUB}/7/comments", {"body": "x"}, **BEARER)
    assert (status, headers["Retry-After"]) == (429, "9")
    assert asked(forges, "POST", f"{GITHUB}/7/comments", {"body": "x"}, **BEARER)[0] == 201


def test_a_port_that_is_taken(forges: Forges) -> None:
    command = [sys.executable, "-m", "twin.forges", "--port", forges.address.rpartition(":")[2]]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=60)
    assert run.returncode == 2
    assert "cannot listen" in run.stderr
