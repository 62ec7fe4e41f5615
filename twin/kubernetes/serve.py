"""The executable `pulumi-resource-kubernetes`: serves the twin of the provider to the engine that started it."""

from __future__ import annotations

import sys

from twin.kubernetes.provider import KubernetesProvider
from twin.provider.arguments import Sdk
from twin.provider.serve import serve


def main() -> int:
    """Serve until the engine is done."""
    return serve(lambda: KubernetesProvider(Sdk("pulumi_kubernetes")))


if __name__ == "__main__":
    sys.exit(main())
