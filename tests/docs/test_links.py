"""Links between the documents of this repository lead somewhere, and the index leads to every one of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.docs.markdown import DOCS, ROOT, links

FOLDERS = [path for path in ROOT.iterdir() if path.is_dir() and not path.name.startswith(".")]
DOCUMENTS = sorted([*ROOT.glob("*.md"), *(path for folder in FOLDERS for path in folder.rglob("*.md"))])


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_its_links_lead_somewhere(path: Path) -> None:
    targets = set(links(path.read_text(encoding="utf-8")))
    assert [target for target in sorted(targets) if not (path.parent / target).exists()] == []


def test_the_index_leads_to_every_document() -> None:
    index = DOCS / "README.md"
    linked = {(index.parent / target).resolve() for target in links(index.read_text(encoding="utf-8"))}
    assert [str(path.relative_to(ROOT)) for path in DOCUMENTS if path != index and path.resolve() not in linked] == []
