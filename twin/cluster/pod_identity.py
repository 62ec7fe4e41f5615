"""The webhook by which EKS gives pods the identity of their service account, as far as pods show it.

It knows associations by a cache of its own, which is filled some seconds after an association was made. A pod that is
admitted before that gets nothing, and no restart of its containers brings it later.

What it does is that of its published code (github.com/aws/amazon-eks-pod-identity-webhook, pkg/handler/handler.go): it
leaves alone a variable, a mount and a volume that are there under its own names.
"""

from __future__ import annotations

import base64
import copy
import json
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from twin.cluster.certificates import certificate_pem, new_authority, serving_identity

ADDRESS = "http://169.254.170.23/v1/credentials"
FOLDER = "/var/run/secrets/pods.eks.amazonaws.com/serviceaccount"
NAME = "eks-pod-identity-token"
AUDIENCE = "pods.eks.amazonaws.com"
LABEL = "eks.amazonaws.com/pod-identity"
SECONDS = 80_000
"""Time for which a token is good, seconds. The webhook takes less than a day by chance."""


def identified(pod: dict[str, Any]) -> dict[str, Any]:
    """Return the pod as the webhook changes it."""
    changed = copy.deepcopy(pod)
    changed["metadata"].setdefault("labels", {})[LABEL] = "enabled"
    spec = changed["spec"]
    for container in [*spec["containers"], *spec.get("initContainers", ())]:
        variables = container.setdefault("env", [])
        wanted = {
            "AWS_CONTAINER_CREDENTIALS_FULL_URI": ADDRESS,
            "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": f"{FOLDER}/{NAME}",
        }
        if not wanted.keys() & {each["name"] for each in variables}:
            variables += [{"name": name, "value": value} for name, value in wanted.items()]
        mounts = container.setdefault("volumeMounts", [])
        if NAME not in {each["name"] for each in mounts}:
            mounts.append({"name": NAME, "readOnly": True, "mountPath": FOLDER})
    volumes = spec.setdefault("volumes", [])
    if NAME not in {each["name"] for each in volumes}:
        token = {"audience": AUDIENCE, "expirationSeconds": SECONDS, "path": NAME}
        volumes.insert(0, {"name": NAME, "projected": {"sources": [{"serviceAccountToken": token}]}})
    return changed


class Webhook:
    """A webhook that listens. associations: namespaces and service accounts that it knows by now."""

    def __init__(self, address: str, authority: bytes) -> None:
        self._address, self._authority = address, authority
        self.associations: set[tuple[str, str]] = set()

    def configuration(self, namespace: str) -> dict[str, Any]:
        """Return the object that makes an API server ask for the pods of one namespace."""
        return {
            "apiVersion": "admissionregistration.k8s.io/v1",
            "kind": "MutatingWebhookConfiguration",
            "metadata": {"name": f"pod-identity-{namespace}"},
            "webhooks": [
                {
                    "name": "pod-identity.twin.spillway.dev",
                    "admissionReviewVersions": ["v1"],
                    "sideEffects": "None",
                    "failurePolicy": "Ignore",
                    "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": namespace}},
                    "rules": [
                        {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"]}
                    ],
                    "clientConfig": {
                        "url": f"{self._address}/mutate",
                        "caBundle": base64.b64encode(self._authority).decode(),
                    },
                }
            ],
        }

    def answer(self, review: dict[str, Any]) -> dict[str, Any]:
        """Answer an AdmissionReview."""
        request = review["request"]
        pod = request["object"]
        response: dict[str, Any] = {"uid": request["uid"], "allowed": True}
        if (request["namespace"], pod["spec"].get("serviceAccountName", "default")) in self.associations:
            changed = identified(pod)
            patch = [{"op": "add", "path": f"/{part}", "value": changed[part]} for part in ("metadata", "spec")]
            response |= {"patchType": "JSONPatch", "patch": base64.b64encode(json.dumps(patch).encode()).decode()}
        return {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "response": response}


@contextmanager
def webhook(folder: Path) -> Iterator[Webhook]:
    """Let a webhook listen on loopback. folder: where its certificate and key are written."""
    authority = new_authority()
    identity = serving_identity(authority)
    chain, key = folder / "webhook.crt", folder / "webhook.key"
    chain.write_bytes(identity.certificate)
    key.write_bytes(identity.key)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(chain, key)

    class Handler(BaseHTTPRequestHandler):
        """One request is one admission."""

        def do_POST(self) -> None:
            review = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            body = json.dumps(served.answer(review)).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    served = Webhook(f"https://127.0.0.1:{server.server_address[1]}", certificate_pem(authority.certificate))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield served
    finally:
        server.shutdown()
        server.server_close()
        thread.join(10)
