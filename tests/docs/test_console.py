"""Commands in documents: which are run, what is shown of their output, and what a wrong exit code does."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from tools.figures.console import STABLE, Checkout, CommandFailed, Kind, Part, blocks, rewritten, shortened

pytestmark = pytest.mark.skipif(shutil.which("bash") is None, reason="bash is not installed")

TEXT = """\
Before.

<!-- run: echo kept > file -->
<!-- printed: all -->
```console
$ cat file
old
$ printf 'a \\n\\nb\\n'
```
Between.

```console
$ never run
```

<!-- printed: varies -->
```console
$ echo other
seen once
```
"""


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    return Checkout(tmp_path, dict(os.environ))


def test_commands_run_in_order_and_their_output_is_written(checkout: Checkout) -> None:
    written = rewritten(TEXT, checkout, STABLE)
    assert written == TEXT.replace("old\n$ printf 'a \\n\\nb\\n'\n", "kept\n$ printf 'a \\n\\nb\\n'\na\n\nb\n")
    assert rewritten(written, checkout, STABLE) == written


def test_what_varies_is_run_on_request(checkout: Checkout) -> None:
    varying: frozenset[Kind] = frozenset({"varies"})
    assert rewritten(TEXT, checkout, varying) == TEXT.replace("seen once", "other")
    assert [block.kind for block in blocks(TEXT)] == ["hidden", "stable", "varies"]


def test_another_exit_code_than_the_documents_is_an_error(checkout: Checkout) -> None:
    text = "<!-- printed: all{mark} -->\n```console\n$ echo why; exit {code}\n```\n"
    with pytest.raises(CommandFailed, match=r"ended with 3, not 0:\nwhy"):
        rewritten(text.format(mark="", code=3), checkout, STABLE)
    with pytest.raises(CommandFailed, match="ended with 0, not 1"):
        rewritten(text.format(mark=", exit 1", code=0), checkout, STABLE)
    answered = rewritten(text.format(mark=", exit 1", code=1), checkout, STABLE)
    assert answered.splitlines()[3] == "why"
    with pytest.raises(CommandFailed):
        rewritten("<!-- run: false -->\n", checkout, STABLE)


def test_parts_are_shown_and_gaps_are_marked() -> None:
    output = "Head\n\none\n1\n\ntwo\n2\nlast: yes\n\nthree\n3\n4\n"
    parts = (Part("Head", 9), Part("last", 9), Part("three", 2))
    assert shortened(output, parts) == ["Head", "…", "last: yes", "", "three", "3", "…"]
    assert shortened(output, ()) == output.rstrip().splitlines()
    (block,) = blocks("<!-- printed: Plan for, Why not 8, exit 1 -->\n```console\n$ x\n```\n")
    assert block.parts == (Part("Plan for", 10_000), Part("Why not", 8))
    assert block.exit_code == 1
