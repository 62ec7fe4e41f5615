"""The executable `pulumi-resource-aws` serves the twin of AWS to the engine that started it."""

from __future__ import annotations

import sys

from twin.aws.provider import AwsProvider
from twin.aws.store import Store, StoreError
from twin.provider.arguments import Sdk
from twin.provider.serve import serve


def main() -> int:
    """Serve until the engine is done. The exit status is 2 when the folder cannot be used."""
    try:
        store = Store.from_environment()
    except StoreError as error:
        sys.stderr.write(f"pulumi-resource-aws (twin): {error}\n")
        return 2
    return serve(lambda: AwsProvider(store, Sdk("pulumi_aws")))


if __name__ == "__main__":
    sys.exit(main())
