"""What `pulumi` runs: the program of `infra`, whichever folder of the checkout it was started from."""

import sys

from infra.program import deploy

try:
    deploy()
except KeyboardInterrupt:
    # The engine has said that the update is cancelled; a stack trace would only hide that.
    sys.exit(130)
