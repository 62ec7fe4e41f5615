"""`python -m twin.cluster up|down|status --folder DIR` keeps one cluster across commands."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from twin.binaries import MissingToolError
from twin.cluster import CLUSTER_FOLDER_VARIABLE, ClusterError, down, running_cluster, up


def main() -> int:
    """Run one verb. The exit code is 0 when it is done, 1 when there is no such cluster or it did not start, 2 for
    usage."""
    parser = argparse.ArgumentParser(prog="python -m twin.cluster", description=__doc__)
    parser.add_argument("verb", choices=("up", "down", "status"))
    parser.add_argument("--folder", type=Path, required=True, help="where the cluster's files are or go")
    parser.add_argument(
        "--gpu-ready-after",
        type=float,
        default=0.0,
        metavar="SECONDS",
        help="how long a pod with GPUs runs before it is Ready, as if it loaded weights (default: 0)",
    )
    arguments = parser.parse_args()
    folder: Path = arguments.folder.resolve()
    try:
        if arguments.verb == "down":
            ended = down(folder)
            print(f"ended the cluster in {folder}" if ended else f"no cluster in {folder}", file=sys.stderr)
            return 0
        cluster = (
            up(folder, gpu_ready_after_s=arguments.gpu_ready_after)
            if arguments.verb == "up"
            else running_cluster(folder)
        )
    except (ClusterError, MissingToolError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print(f"export KUBECONFIG={cluster.kubeconfig}")
    print(f"export {CLUSTER_FOLDER_VARIABLE}={cluster.folder}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
