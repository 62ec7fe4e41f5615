"""Everything that the real Pulumi CLI needs to run a program against the twin: folders, executables, environment.

A stage is one folder: the engine's home and state, the imitated AWS account, temporary files. To remove the folder
removes all of it. What the CLI then does is its own business; this module knows no stack. It starts one program, the
network by which the stage's endpoints are reached (twin/network), which goes with the stage or with its starter.

    stage = prepare(folder, clusters=[running.folder])
    subprocess.run([stage.pulumi, "up", ...], env=stage.environment, cwd=project)
"""

from __future__ import annotations

import os
import sys
import weakref
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from twin import binaries
from twin.aws.pace import MINUTE_VARIABLE
from twin.aws.store import ACCOUNT_FOLDER_VARIABLE, ACCOUNT_ID_VARIABLE, DEFAULT_ACCOUNT
from twin.cluster import CLUSTER_FOLDER_VARIABLE
from twin.network import Network

PLUGINS: Final = Path(__file__).resolve().parent / "plugins"
"""Executables that stand first on the PATH: the twin of the AWS provider, the real Kubernetes provider on a leash
(twin/leash.py), and `aws`."""

PASSPHRASE: Final = "twin"
"""Encrypts the secrets of a rehearsal's state, of which there are none worth keeping."""

MINUTE_S: Final = "0.02"
"""Seconds that a minute at the imitated AWS lasts, unless the caller says otherwise in the stage's environment."""


# What would lead the CLI or the providers out of the stage.
_DROPPED_PREFIXES: Final = ("AWS_", "PULUMI_", "HELM_", "KUBE", "SPILLWAY_TWIN_")
_PROXIES: Final = frozenset({"HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"})
_DROPPED: Final = frozenset({"PYTHONDONTWRITEBYTECODE", *_PROXIES, *(name.lower() for name in _PROXIES)})
"""Variables that are dropped: without compiled modules each provider would take seconds to start, and the stage has a
network of its own."""


@dataclass(frozen=True)
class PulumiStage:
    """A stage is a prepared folder. `environment` is the whole environment for the CLI, not an addition to the
    caller's."""

    folder: Path
    pulumi: Path
    environment: Mapping[str, str]

    @property
    def account_folder(self) -> Path:
        """Return the folder of the imitated AWS account (`twin.aws.store.Store`)."""
        return Path(self.environment[ACCOUNT_FOLDER_VARIABLE])


def prepare(
    folder: Path,
    *,
    cluster: Path | None = None,
    clusters: Sequence[Path] = (),
    region: str = "us-east-1",
    account: str = DEFAULT_ACCOUNT,
) -> PulumiStage:
    """Prepare a stage in `folder`. The EKS clusters of its account take the running twin clusters of `cluster` and
    `clusters` in this order.

    Raises `twin.binaries.MissingToolError` when the Pulumi CLI, its language host or its Kubernetes provider is
    missing.
    """
    pulumi = binaries.require("pulumi")
    language_host = binaries.require("pulumi-language-python")
    kubernetes_provider = binaries.require("pulumi-resource-kubernetes")
    folder = folder.resolve()
    for name in ("home", "state", "aws", "tmp"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    # The language host takes the Python of the PATH where it is too old to be told of a virtual environment.
    folders = [PLUGINS, Path(sys.executable).parent, pulumi.parent, language_host.parent]
    path = [*map(str, folders), os.environ.get("PATH", os.defpath)]
    environment = {
        **{key: value for key, value in os.environ.items() if _stays(key)},
        "PATH": os.pathsep.join(path),
        "TMPDIR": str(folder / "tmp"),
        "PYTHONPATH": os.pathsep.join([str(PLUGINS / "python"), str(PLUGINS.parents[1]), *_as_list("PYTHONPATH")]),
        "PULUMI_HOME": str(folder / "home"),
        # Without `metadata=skip` a file of attributes lies beside each file, and a kill while it is written leaves it
        # empty: every later command then ends with "failed to load checkpoint: EOF".
        "PULUMI_BACKEND_URL": f"file://{folder / 'state'}?metadata=skip",
        "PULUMI_CONFIG_PASSPHRASE": PASSPHRASE,
        "PULUMI_CREDENTIAL_STORE": "plaintext",
        "PULUMI_SKIP_UPDATE_CHECK": "true",
        "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "true",
        "PULUMI_DISABLE_REGISTRY_RESOLVE": "true",
        "PULUMI_DIY_BACKEND_DISABLE_CHECKPOINT_BACKUPS": "true",
        "AWS_ACCESS_KEY_ID": "twin",
        "AWS_SECRET_ACCESS_KEY": "twin",
        "AWS_REGION": region,
        "AWS_EC2_METADATA_DISABLED": "true",
        "SPILLWAY_TWIN_KUBERNETES_PROVIDER": str(kubernetes_provider),
        "SPILLWAY_TWIN_PYTHON": sys.executable,
        ACCOUNT_FOLDER_VARIABLE: str(folder / "aws"),
        ACCOUNT_ID_VARIABLE: account,
        MINUTE_VARIABLE: MINUTE_S,
    }
    control_planes = [*([cluster] if cluster is not None else []), *clusters]
    if not control_planes:
        return PulumiStage(folder, pulumi, environment)
    environment[CLUSTER_FOLDER_VARIABLE] = os.pathsep.join(str(path.resolve()) for path in control_planes)
    network = Network(folder / "aws")
    stage = PulumiStage(folder, pulumi, {**environment, **network.environment()})
    weakref.finalize(stage, network.close)
    return stage


def _stays(variable: str) -> bool:
    return variable not in _DROPPED and not variable.startswith(_DROPPED_PREFIXES)


def _as_list(variable: str) -> list[str]:
    value = os.environ.get(variable)
    return [value] if value else []
