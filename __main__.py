"""What `pulumi` runs: the program of `infra`, whichever folder of the checkout it was started from."""

import sys

try:
    from infra.program import deploy
except ModuleNotFoundError as error:
    if (error.name or "").split(".")[0] not in ("pulumi", "pulumi_aws", "pulumi_kubernetes"):
        raise
    sys.exit(f"the package {error.name} is not installed, and deploying needs it: pip install -e '.[deploy]'")

try:
    deploy()
except KeyboardInterrupt:
    # The engine has said that the update is cancelled; a stack trace would only hide that.
    sys.exit(130)
