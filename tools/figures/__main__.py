"""Write the figures of the documents anew.

python -m tools.figures                         all that are the same on every machine: about two minutes
python -m tools.figures README.md docs/tour.md  those of these documents and pictures
python -m tools.figures --rehearse docs/tour.md  what a rehearsal prints too, which differs from run to run
"""

from __future__ import annotations

import argparse
import sys

from tools.figures.console import STABLE, CommandFailed, Kind
from tools.figures.documents import DATA, PICTURES, ROOT, documents, with_commands, with_output_now, with_tables_now

WITH_REHEARSALS: frozenset[Kind] = STABLE | {"varies"}


def main(arguments: list[str]) -> int:
    """Rewrite the named files, or all; the exit code is 1 where a command ended otherwise than its document says."""
    parser = argparse.ArgumentParser(prog="python -m tools.figures", description="Write the documents' figures anew.")
    known = [*documents(), *PICTURES, *DATA]
    parser.add_argument("files", nargs="*", metavar="FILE", help="documents, pictures and files; default: all")
    parser.add_argument("--rehearse", action="store_true", help="also run what differs from run to run")
    options = parser.parse_args(arguments)
    if unknown := [name for name in options.files if name not in known]:
        parser.error(f"no figures in {', '.join(unknown)}; known: {', '.join(known)}")
    kinds = WITH_REHEARSALS if options.rehearse else STABLE
    for name in options.files or known:
        try:
            text = now(name, kinds)
        except CommandFailed as failed:
            print(f"{name}: {failed}")
            return 1
        path = ROOT / name
        changed = not path.exists() or path.read_text(encoding="utf-8") != text
        if changed:
            path.write_text(text, encoding="utf-8")
        print(f"{name}: {'written' if changed else 'unchanged'}")
    return 0


def now(name: str, kinds: frozenset[Kind]) -> str:
    """A document, picture or file with its figures as they are now."""
    if name in PICTURES or name in DATA:
        return {**PICTURES, **DATA}[name]()
    text = with_tables_now(name)
    return with_output_now(text, kinds) if name in with_commands() else text


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
