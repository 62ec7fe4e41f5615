"""`python -m pip list --format json`, from the installed packages' own metadata, and nothing else of pip."""

from __future__ import annotations

import json
import sys
from importlib.metadata import distributions


def main(arguments: list[str]) -> int:
    """Print the list. The exit status is 2 for any other command."""
    if arguments[:1] != ["list"]:
        sys.stderr.write("pip (twin): only `pip list` is answered here\n")
        return 2
    rows = {
        distribution.metadata["Name"].lower(): {
            "name": distribution.metadata["Name"],
            "version": distribution.version,
            "location": str(distribution.locate_file("")),
        }
        for distribution in distributions()
        if distribution.metadata["Name"]
    }
    sys.stdout.write(json.dumps(sorted(rows.values(), key=lambda row: row["name"].lower())) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
