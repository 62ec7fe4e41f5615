"""No test, benchmark or tool reads `environments/`: a fork that changes its own files there stays green.

Sources are searched for the three ways to get there: the path below a fixed folder, a document read from there, and a
`spillway` that is started in the root and told of no other folder. No document links there either.
"""

from __future__ import annotations

import re

import pytest

from tests.docs.markdown import links
from tests.examples import ROOT

ALLOWED = {"tests/planner/test_starting_environments.py", "tests/test_environments_are_the_teams.py"}
"""The module that plans what it finds there and expects no figure, and this one, which spells the patterns."""
READS = re.compile(r"""(?:\b[A-Z_]{2,}|parents?\)?(?:\[\d\])?\)?) */ *["']environments\b|text_of\(["']environments/""")
"""`ROOT / "environments"`, or the same of any constant; names of temporary folders are in lower case."""
STARTS_HERE = re.compile(r"cwd=(?:ROOT|REPOSITORY)\b(?! /)")
SPILLWAY = re.compile(r"""planner\.cli\.main|/ "spillway"\), \*|\["spillway",""")
NAMES_A_FOLDER = re.compile(r"--environments|SPILLWAY_ENVIRONMENTS|environment_path\(")


def reads_the_teams_folder(source: str) -> list[str]:
    """The lines of a module that reach into the checkout's own `environments/`."""
    starts = SPILLWAY.search(source) and not NAMES_A_FOLDER.search(source)
    return [line for line in source.splitlines() if READS.search(line) or (starts and STARTS_HERE.search(line))]


@pytest.mark.parametrize("folder", ["tests", "benchmarks", "tools"])
def test_nothing_reads_it(folder: str) -> None:
    sources = {str(path.relative_to(ROOT)): path.read_text(encoding="utf-8") for path in (ROOT / folder).rglob("*.py")}
    assert sources
    found = {name: lines for name, text in sources.items() if (lines := reads_the_teams_folder(text))}
    assert {name: lines for name, lines in found.items() if name not in ALLOWED} == {}, "use tests/examples.py"


@pytest.mark.parametrize(
    "source",
    [
        'path = ROOT / "environments" / "prod.lock.json"',
        'LOCKS = sorted((REPOSITORY / "environments").glob("*.lock.json"))',
        'shutil.copytree(Path(__file__).parents[2] / "environments", tmp_path)',
        "text = (ROOT / 'environments/prod.yaml').read_text()",
        'text = text_of("environments/prod.yaml")',
        'run([sys.executable, "-m", "planner.cli.main", "plan", "prod"], cwd=ROOT)',
    ],
)
def test_a_new_use_is_found(source: str) -> None:
    assert reads_the_teams_folder(source) == [source]


@pytest.mark.parametrize(
    "source",
    [
        'FOLDER = ROOT / "examples" / "environments"',
        '(tmp_path / "environments").mkdir()',
        'shutil.copy(ENVIRONMENTS / file, root / "environments" / file)',
        'run(["spillway", "plan", "prod", "--environments", folder], cwd=ROOT)',
    ],
)
def test_what_is_pinned_elsewhere_is_not(source: str) -> None:
    assert reads_the_teams_folder(source) == []


def test_no_document_links_there() -> None:
    """A link to a file that a fork deletes would be a broken one."""
    documents = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "examples").rglob("*.md")]
    targets = {(path.parent / target).resolve() for path in documents for target in links(path.read_text("utf-8"))}
    assert ROOT / "examples" / "README.md" in targets
    assert [target for target in sorted(targets) if target.is_relative_to(ROOT / "environments")] == []


def test_the_allowed_modules_are_there() -> None:
    assert [name for name in ALLOWED if not (ROOT / name).is_file()] == []
    assert reads_the_teams_folder((ROOT / min(ALLOWED)).read_text(encoding="utf-8"))
