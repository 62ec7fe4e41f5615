"""`comment`: the review of each environment as a comment of the pull request, and `diff --format markdown`.

What can be done is done: where a comment cannot be written, its Markdown is printed, and the problem says why.
"""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from planner.cli.output import note, report, show_json, show_text
from planner.documents.review import changes_something
from planner.edges.files import read_text, write_text
from planner.edges.forges.conversation import ForgeError, Mark, Target
from planner.edges.forges.forge import CAN_HIDE, LIMITS, WITHOUT_HTML, forge_at
from planner.edges.forges.publishing import Behavior, Published, Wanted, publish
from planner.edges.forges.runner import TOKENS, ForgeName, Runner, runner_here
from planner.edges.forges.web import pause
from planner.edges.git import text_at
from planner.edges.git_branch import branched_from, checked_out
from planner.edges.reviews import review_of
from planner.edges.workspace import Workspace, workspace_of
from planner.faces.figures import count_words
from planner.faces.markdown.drawing import Drawn, ReviewPage, TeamTemplate, draw, draw_problems
from planner.words.diagnostics import Problem, Problems, as_json

TEMPLATE = Path("templates") / "comment.md.j2"
"""A team's own template, in the folder of the environments."""
CHECKED = ("LOCK012", "POL01")
"""Starts of the codes of problems of a lock that stand among the checks of its review."""
PERMISSION: dict[ForgeName, str] = {
    "github": "give the job `permissions: pull-requests: write`, and pass `GITHUB_TOKEN: ${{ github.token }}`",
    "gitlab": "make a token of the project with the scope `api` and the role Reporter, and put it into GITLAB_TOKEN; "
    "CI_JOB_TOKEN cannot write notes",
    "bitbucket": "make an access token of the repository with `pullrequest:write`, and put it into BITBUCKET_TOKEN",
    "azure": "map `SYSTEM_ACCESSTOKEN: $(System.AccessToken)`, and let the build service contribute to pull requests",
}


@dataclass(frozen=True)
class Request:
    """What the command line asks for. What is None or empty comes from the variables of the run.

    base: revision or file of the base.
    key: what tells two folders of environments in one repository apart.
    out: a file for the Markdown; None for none.
    """

    forge: ForgeName
    environments: tuple[str, ...]
    folder: Path
    pull_request: int | None
    repository: str
    base: str
    api_url: str
    key: str
    behavior: Behavior
    dry_run: bool
    out: Path | None
    form: str


@dataclass(frozen=True)
class _Body:
    """A comment before it is written. environment: of which it tells."""

    environment: str
    drawn: Drawn
    is_quiet: bool


def comment(request: Request) -> None:
    """Write, update or print the comment of each environment."""
    if request.behavior == "hide-and-new" and request.forge not in CAN_HIDE:
        hint = "take --behavior delete-and-new"
        raise Problems([Problem("USE003", f"{request.forge} folds no comment away", hint=hint)])
    runner = runner_here(request.forge)
    target, missing = _target(request, runner)
    key = request.key or _key(target.repository, request.folder)
    problems: list[Problem] = []
    room = LIMITS[request.forge] - len(_mark("x" * 30, key, runner).line(True)) - 20
    bodies, is_comparable = _bodies(request, runner, room, problems)
    if request.out is not None:
        write_text(request.out, _joined(bodies))
    published: tuple[Published, ...] = ()
    if not request.dry_run and bodies and is_comparable:
        try:
            if missing:
                raise Problems(missing)
            published = _published(request, runner, target, key, bodies)
        except Problems as unpublished:
            problems += _mild(unpublished.problems, runner)
    problems += [Problem("COM004", each, severity="warning") for done in published for each in done.warnings]
    _tell(request, bodies, published, problems)


def diff(argument: str, base: str, folder: Path, exit_code: bool, quick: bool) -> None:
    """Print the review of an environment as Markdown, without a limit of its length."""
    workspace, name = workspace_of(argument, folder)
    page = _page(workspace, name, base, base, quick=quick)
    drawn = draw(page, team=_template(workspace))
    show_text(drawn.text)
    report(_as_warnings(drawn.problems))
    if exit_code and changes_something(page.review):
        raise SystemExit(1)


def _page(
    workspace: Workspace,
    name: str,
    base: str,
    base_name: str,
    unknown: tuple[Problem, ...] = (),
    quick: bool = False,
) -> ReviewPage:
    """Return the page of an environment. Raises `Problems`.

    base: revision or file of the base; empty where there is none, as `unknown` says.
    base_name: what people call it.
    quick: whether nothing is planned between the two locks.
    """
    today = datetime.date.today()
    lock, judged = workspace.judgement(name, today)
    against = tuple(p for p in judged if p.severity == "error" and not p.code.startswith(CHECKED))
    against_base = f" --base {base_name}" if base_name else ""
    where = "" if workspace.folder == Path("environments") else f" --environments {workspace.folder.as_posix()}"
    return ReviewPage(
        review=review_of(workspace, name, base, today, quick, workspace.rules(name, today), base_name),
        problems=(*unknown, *against),
        runners_up=lock.plan.runners_up,
        command=f"spillway diff {name}{against_base}{where} --format markdown",
    )


def _was_planned(workspace: Workspace, name: str, base: str) -> bool:
    """Say whether an environment has a lock, here or at the base."""
    path = workspace.lock_path(name)
    return path.exists() or (bool(base) and not Path(base).is_file() and text_at(base, path) is not None)


def _bodies(request: Request, runner: Runner, room: int, problems: list[Problem]) -> tuple[tuple[_Body, ...], bool]:
    """Return the comments, and whether they compare with a base. What went wrong is added to the problems."""
    given = [workspace_of(argument, request.folder) for argument in request.environments]
    everything = Workspace(request.folder)
    asked = given or [(everything, name) for name in everything.names()]
    if not asked:
        raise Problems([Problem("IO001", f"no environment in {request.folder}", hint="give names, or --environments")])
    base, base_name, unknown = _base(request, runner)
    problems += unknown
    folds = request.forge not in WITHOUT_HTML
    bodies = []
    for workspace, name in asked:
        try:
            if not given and not _was_planned(workspace, name, base):
                note(f"{name} was never planned: it gets no comment")
                continue
            page = _page(workspace, name, base, base_name, unknown)
            drawn = draw(page, room, folds, _template(workspace))
            problems += _as_warnings(drawn.problems)
            bodies.append(_Body(name, drawn, page.is_quiet))
        except Problems as broken:
            problems += broken.problems
            bodies.append(_Body(name, draw_problems(name, broken.problems, room), False))
    return tuple(bodies), not unknown


def _base(request: Request, runner: Runner) -> tuple[str, str, tuple[Problem, ...]]:
    """Return the base and what people call it; an empty one with its problems where there is none."""
    if request.base:
        return request.base, request.base, ()
    if not runner.bases:
        hint = "give --base with a revision, such as --base origin/main"
        return "", "", (Problem("USE003", "nothing says against which base the plan is compared", hint=hint),)
    try:
        found = branched_from(runner.bases, request.folder)
    except Problems as problems:
        return "", "", problems.problems
    return found, runner.base_name or found[:12], ()


def _target(request: Request, runner: Runner) -> tuple[Target, tuple[Problem, ...]]:
    """Return where the comment belongs, and what is missing to write it."""
    target = Target(
        repository=request.repository or runner.repository,
        number=request.pull_request or runner.number or 0,
        api_url=request.api_url or runner.api_url,
        token=runner.token,
    )
    owner, _, name = target.repository.partition("/")
    missing = []
    if not (owner and name):
        missing.append(Problem("USE003", "nothing says which repository", hint="give --repository OWNER/NAME"))
    if not target.number:
        missing.append(Problem("USE003", "nothing says which pull request", hint="give --pull-request NUMBER"))
    if not target.api_url:
        hint = "give --api-url, such as https://dev.azure.com/ORGANIZATION"
        missing.append(Problem("USE003", "nothing says where the API is", hint=hint))
    if not target.token:
        message = f"there is no token: {TOKENS[request.forge][0]} is not set"
        missing.append(Problem("COM001", message, hint=PERMISSION[request.forge]))
    return target, tuple(missing)


def _key(repository: str, folder: Path) -> str:
    """Return the repository, and the folder of the environments where it is not the usual one."""
    is_usual = folder == Path("environments") or folder.is_absolute()
    return repository if is_usual else f"{repository}/{folder.as_posix()}"


def _mark(environment: str, key: str, runner: Runner) -> Mark:
    return Mark(environment, key, runner.run)


def _published(
    request: Request, runner: Runner, target: Target, key: str, bodies: tuple[_Body, ...]
) -> tuple[Published, ...]:
    """Write the comments. Raises `Problems`."""
    wanted = [Wanted(_mark(b.environment, key, runner), b.drawn.text, b.is_quiet) for b in bodies]
    commits = frozenset(filter(None, (runner.run.commit, *checked_out(request.folder))))
    is_html = request.forge not in WITHOUT_HTML
    try:
        return publish(forge_at(request.forge, target), wanted, request.behavior, commits, is_html, pause)
    except ForgeError as error:
        raise Problems([_refused(request.forge, target, error)]) from error


def _refused(forge: ForgeName, target: Target, error: ForgeError) -> Problem:
    where = f"pull request {target.number} of {target.repository}"
    match error.status:
        case 401 | 403:
            return Problem("COM002", f"the token may not comment: {error.message}", hint=PERMISSION[forge])
        case 404:
            hint = "check --repository and --pull-request, and that the token may read the repository"
            return Problem("COM003", f"{where} was not found: {error.message}", hint=hint)
        case 400 | 413 | 422:
            return Problem("COM007", f"the comment was not accepted: {error.message}", hint="print it with --dry-run")
    hint = "run it again; the Markdown is printed, and --dry-run asks nobody"
    return Problem("COM004", f"{where} was not commented: {error.message}", hint=hint)


def _mild(problems: Sequence[Problem], runner: Runner) -> tuple[Problem, ...]:
    """Return problems as a warning where the run cannot have a token that writes, so that no fork fails for it."""
    if not runner.is_restricted or not {p.code for p in problems} & {"COM001", "COM002", "COM003"}:
        return tuple(problems)
    message = f"no comment was written, as {runner.is_restricted}, and its token may only read"
    hint = "the Markdown is printed; --out FILE keeps it for the step summary or an artifact"
    return (Problem("COM005", message, hint=hint, severity="warning"),)


def _as_warnings(problems: Sequence[Problem]) -> tuple[Problem, ...]:
    return tuple(Problem(p.code, p.message, p.where, p.hint, "warning", p.about) for p in problems)


def _template(workspace: Workspace) -> TeamTemplate | None:
    """Return the team's template; None where there is none. Raises `Problems` where it cannot be read."""
    path = workspace.folder / TEMPLATE
    return TeamTemplate(path.as_posix(), read_text(path)) if path.exists() else None


def _joined(bodies: Sequence[_Body]) -> str:
    return "\n".join(body.drawn.text for body in bodies)


def _tell(
    request: Request, bodies: Sequence[_Body], published: Sequence[Published], problems: Sequence[Problem]
) -> None:
    """Print what was done, or the Markdown where nothing was, and the problems. Exit 2 where one is an error."""
    if request.form == "json":
        told = [
            {
                "environment": body.environment,
                "done": published[n].done if published else "printed",
                "url": published[n].url if published else "",
                "retired": published[n].retired if published else 0,
                "left_out": list(body.drawn.dropped),
                "body": body.drawn.text,
            }
            for n, body in enumerate(bodies)
        ]
        show_json({"comments": told, "problems": as_json(problems)})
    else:
        if published:
            lines = (_line(body, done) for body, done in zip(bodies, published, strict=True))
            show_text("".join(f"{line}\n" for line in lines))
        else:
            show_text(_joined(bodies))
        for body in bodies:
            if body.drawn.dropped:
                note(f"{body.environment}: left out for its length: {', '.join(body.drawn.dropped)}")
        report(problems)
    if any(problem.severity == "error" for problem in problems):
        raise SystemExit(2)


def _line(body: _Body, done: Published) -> str:
    words = {
        "outdated": "left as it is, as it tells of a newer run or commit",
        "nothing to say": "no change, and no comment that told one",
    }
    retired = f", {count_words(done.retired, 'earlier one')} retired" if done.retired else ""
    return f"{body.environment}: {words.get(done.done, done.done)}{retired}{f' {done.url}' if done.url else ''}"
