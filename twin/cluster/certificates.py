"""The cluster's own certificate authority, the identities that it signs, and the kubeconfig files that carry them.

As on a real control plane, every component has a client certificate of its own, whose subject is its user and group for
RBAC. So the controllers and the scheduler get the rights of their built-in roles and no more. Keys are ECDSA P-256,
which takes milliseconds to make. They live as long as the cluster's temporary folder, and guard a loopback port and
nothing else.
"""

from __future__ import annotations

import base64
import datetime
import ipaddress
import json
from dataclasses import dataclass

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

ADMINISTRATOR = ("spillway-administrator", "system:masters")
CONTROLLERS = ("system:kube-controller-manager", None)
SCHEDULER = ("system:kube-scheduler", None)

_LIFETIME = datetime.timedelta(days=7)
_EKS_REGIONS = (
    *("af-south-1", "ap-east-1", "ap-east-2", "ap-northeast-1", "ap-northeast-2", "ap-northeast-3", "ap-south-1"),
    *("ap-south-2", "ap-southeast-1", "ap-southeast-2", "ap-southeast-3", "ap-southeast-4", "ap-southeast-5"),
    *("ap-southeast-6", "ap-southeast-7", "ca-central-1", "ca-west-1", "eu-central-1", "eu-central-2", "eu-north-1"),
    *("eu-south-1", "eu-south-2", "eu-west-1", "eu-west-2", "eu-west-3", "il-central-1", "me-central-1", "me-south-1"),
    *("mx-central-1", "sa-east-1", "us-east-1", "us-east-2", "us-west-1", "us-west-2"),
)
_SERVING_NAMES = (
    *("localhost", "kubernetes", "kubernetes.default", "kubernetes.default.svc"),
    *(f"*.gr7.{region}.eks.amazonaws.com" for region in _EKS_REGIONS),
)
"""Regions with EKS. The certificate is made before anybody knows which cluster it will serve."""
_SERVING_ADDRESSES = ("127.0.0.1", "10.96.0.1")


@dataclass(frozen=True)
class Authority:
    """A certificate authority consists of its certificate and the key that signs."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey


@dataclass(frozen=True)
class Identity:
    """An identity is a certificate that the authority signed, with its key. Both are PEM."""

    name: str
    certificate: bytes
    key: bytes


def new_authority() -> Authority:
    """Make a self-signed authority for one cluster."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = _name("spillway-twin", None)
    certificate = (
        _builder(name, name, key.public_key())
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    return Authority(certificate, key)


def issue(authority: Authority, user: str, group: str | None) -> Identity:
    """Make a client certificate. For RBAC, its common name is the user and its organisation the group."""
    key = ec.generate_private_key(ec.SECP256R1())
    certificate = (
        _builder(_name(user, group), authority.certificate.subject, key.public_key())
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]), critical=False)
        .sign(authority.key, hashes.SHA256())
    )
    return Identity(user, certificate_pem(certificate), _key_pem(key))


def serving_identity(
    authority: Authority,
    name: str = "kube-apiserver",
    names: tuple[str, ...] = _SERVING_NAMES,
    addresses: tuple[str, ...] = _SERVING_ADDRESSES,
    *,
    calls: bool = False,
) -> Identity:
    """Make a server's certificate. By default it is the API server's: for loopback, the in-cluster service names, and
    endpoints of EKS. With `calls`, the server may show it where it is a client itself.
    """
    usages = [ExtendedKeyUsageOID.SERVER_AUTH, *([ExtendedKeyUsageOID.CLIENT_AUTH] if calls else [])]
    key = ec.generate_private_key(ec.SECP256R1())
    spoken: list[x509.GeneralName] = [x509.DNSName(each) for each in names]
    spoken += [x509.IPAddress(ipaddress.ip_address(address)) for address in addresses]
    certificate = (
        _builder(_name(name, None), authority.certificate.subject, key.public_key())
        .add_extension(x509.SubjectAlternativeName(spoken), critical=False)
        .add_extension(x509.ExtendedKeyUsage(usages), critical=False)
        .sign(authority.key, hashes.SHA256())
    )
    return Identity(name, certificate_pem(certificate), _key_pem(key))


def new_key() -> bytes:
    """Make a private key as PEM. It signs the tokens of service accounts."""
    return _key_pem(ec.generate_private_key(ec.SECP256R1()))


def certificate_pem(certificate: x509.Certificate) -> bytes:
    """Return a certificate as PEM."""
    return certificate.public_bytes(serialization.Encoding.PEM)


def kubeconfig(authority: Authority, endpoint: str, identity: Identity) -> bytes:
    """Write a kubeconfig document (JSON, which is YAML).

    Everything is inline, so that the document also works as a mere string.
    """
    cluster = {"server": endpoint, "certificate-authority-data": _inline(certificate_pem(authority.certificate))}
    credentials = {
        "client-certificate-data": _inline(identity.certificate),
        "client-key-data": _inline(identity.key),
    }
    document = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "twin", "cluster": cluster}],
        "users": [{"name": identity.name, "user": credentials}],
        "contexts": [{"name": "twin", "context": {"cluster": "twin", "user": identity.name}}],
        "current-context": "twin",
    }
    return json.dumps(document, indent=1).encode("ascii") + b"\n"


def _builder(subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey) -> x509.CertificateBuilder:
    now = datetime.datetime.now(datetime.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(minutes=5))
        .not_valid_after(now + _LIFETIME)
    )


def _name(common_name: str, organization: str | None) -> x509.Name:
    attributes = [x509.NameAttribute(NameOID.COMMON_NAME, common_name)]
    if organization is not None:
        attributes.append(x509.NameAttribute(NameOID.ORGANIZATION_NAME, organization))
    return x509.Name(attributes)


def _key_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
    )


def _inline(pem: bytes) -> str:
    return base64.b64encode(pem).decode("ascii")
