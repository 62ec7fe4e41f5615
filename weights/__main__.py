"""`python -m weights OWNER/NAME REVISION s3://BUCKET/PREFIX` fills the prefix, and says what it does on standard error.

The exit code is 0 when everything is there, 1 when another attempt may help, and 3 when a person must do something
first. A Job that sees 3 does not try again.
"""

from __future__ import annotations

import argparse
import sys

from weights.amazon import Bucket, MissingSecret, StoreError, secret
from weights.copying import Differing, copy
from weights.hub import HUB, Hub, HubError, Refused

AGAIN, NEVER = 1, 3


def main(arguments: list[str] | None = None) -> int:
    """Copy one revision, and return the exit code."""
    options = _options(arguments)
    bucket, _, prefix = options.target.removeprefix("s3://").partition("/")
    try:
        token = secret(options.token_secret) if options.token_secret else None
        hub = Hub(token, options.hub, f"secret {options.token_secret}")
        copy(hub, Bucket(bucket, prefix), options.repository, options.revision, _tell)
    except (MissingSecret, Refused) as error:
        return _failed(error, NEVER)
    except (HubError, StoreError, Differing) as error:
        return _failed(error, AGAIN)
    return 0


def _options(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="weights", description=__doc__)
    parser.add_argument("repository", help="OWNER/NAME at Hugging Face")
    parser.add_argument("revision", help="commit, tag or branch")
    parser.add_argument("target", help="s3://BUCKET/PREFIX")
    parser.add_argument("--token-secret", help="secret of AWS Secrets Manager with the Hub's token")
    parser.add_argument("--hub", default=HUB, help="address of the Hub or of a mirror")
    return parser.parse_args(arguments)


def _tell(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _failed(error: Exception, code: int) -> int:
    _tell(f"weights: {error}")
    return code


if __name__ == "__main__":
    raise SystemExit(main())
