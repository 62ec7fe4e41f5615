"""Values of the imitated account's Secrets Manager, for pods that may read them.

A pod has the role that an association of EKS Pod Identity gives its service account, and the role reads a secret that
its policies name. Without an account there are no secrets.
"""

from __future__ import annotations

import fnmatch
import json
from pathlib import Path
from typing import Any, Final

from twin.aws.account import Account, AwsError
from twin.aws.store import Store
from twin.aws.world import inquiry
from twin.workloads.pods import PodError

ACTION: Final = "secretsmanager:GetSecretValue"
_ASSOCIATION: Final = "aws:eks/podIdentityAssociation:PodIdentityAssociation"


class AccountVault:
    """The vault of an account's region. folder: of the account (`twin.aws.store.Store`)."""

    def __init__(self, folder: Path, region: str) -> None:
        self._store, self._region = Store(folder), region
        self._known: dict[tuple[str, str, str], bytes] = {}
        self._generation = -1

    def __call__(self, secret: str, namespace: str, service_account: str) -> bytes:
        """Return the value of a secret by its name. Raises `PodError`."""
        generation = self._store.load().generation
        if generation != self._generation:
            self._known, self._generation = {}, generation
        asked = (secret, namespace, service_account)
        if asked not in self._known:
            with inquiry(self._store) as (state, world):
                self._known[asked] = _value(Account(state, world, self._region), *asked)
        return self._known[asked]


def no_vault(secret: str, namespace: str, service_account: str) -> bytes:
    """Refuse every secret: there is no account."""
    raise PodError(f"secret {secret} lies at AWS, and these workloads have no account")


def _value(aws: Account, secret: str, namespace: str, service_account: str) -> bytes:
    try:
        found = aws.call("secretsmanager", "GetSecretValue", SecretId=secret)
    except AwsError as error:
        raise PodError(f"secret {secret} of {namespace}/{service_account}: {error}") from error
    associations = aws.state.find(_ASSOCIATION, namespace=namespace, serviceAccount=service_account)
    roles = [str(each.outputs["roleArn"]).rsplit("/", 1)[-1] for each in associations]
    if not any(_permits(document, found["ARN"]) for role in roles for document in _documents(aws, role)):
        who = f"service account {namespace}/{service_account}"
        raise PodError(f"{who} may not read secret {secret}: {', '.join(roles) or 'it has no role'}")
    text: str = found["SecretString"]
    return text.encode()


def _documents(aws: Account, role: str) -> list[dict[str, Any]]:
    """Return the inline policies of a role; managed ones give no right to a secret here."""
    names = aws.call("iam", "ListRolePolicies", RoleName=role)["PolicyNames"]
    found = [aws.call("iam", "GetRolePolicy", RoleName=role, PolicyName=name)["PolicyDocument"] for name in names]
    return [json.loads(document) if isinstance(document, str) else document for document in found]


def _permits(document: dict[str, Any], arn: str) -> bool:
    return any(
        statement["Effect"] == "Allow"
        and any(fnmatch.fnmatchcase(ACTION, action) for action in _listed(statement["Action"]))
        and any(fnmatch.fnmatchcase(arn, resource) for resource in _listed(statement["Resource"]))
        for statement in document["Statement"]
    )


def _listed(value: str | list[str]) -> list[str]:
    return [value] if isinstance(value, str) else value
