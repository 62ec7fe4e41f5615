"""A client of the twin cluster's API server, from its kubeconfig."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from kubernetes import client, config


def client_for(kubeconfig: Path) -> Any:
    """Make a `kubernetes.client.ApiClient` for the current context of a kubeconfig file. The caller closes it.

    Proxies of the environment are left out, because the twin listens on loopback. Raises
    `kubernetes.config.ConfigException` for a missing or malformed file.
    """
    configuration = client.Configuration()
    config.load_kube_config(config_file=str(kubeconfig), client_configuration=configuration, persist_config=False)
    configuration.proxy = None
    configuration.no_proxy = "127.0.0.1"
    return client.ApiClient(configuration)
