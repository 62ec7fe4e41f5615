"""Certificates for tests of TLS: a name, its key, and an authority of its own that vouches for it."""

from __future__ import annotations

import datetime
import ssl
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

FROM, TO = datetime.datetime(2020, 1, 1), datetime.datetime(2090, 1, 1)


@dataclass(frozen=True)
class Identity:
    """A certificate with its key, and the authority that vouches for it, as PEM files."""

    certificate: Path
    key: Path
    authority: Path

    def server(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.certificate, self.key)
        return context


def identity(folder: Path, name: str) -> Identity:
    """Make a certificate for a DNS name, by an authority of its own."""
    folder.mkdir(parents=True, exist_ok=True)
    root_key, key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    root = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"authority of {folder.name}")])
    vouched = x509.AuthorityKeyIdentifier.from_issuer_public_key(root_key.public_key())

    def builder(subject: x509.Name, public: ec.EllipticCurvePublicKey) -> x509.CertificateBuilder:
        made = x509.CertificateBuilder().subject_name(subject).issuer_name(root).public_key(public)
        return made.serial_number(x509.random_serial_number()).not_valid_before(FROM).not_valid_after(TO)

    issuer = (
        builder(root, root_key.public_key())
        .add_extension(x509.BasicConstraints(True, None), True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(root_key.public_key()), False)
    )
    leaf = (
        builder(x509.Name([]), key.public_key())
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), True)
        .add_extension(vouched, False)
    )
    files, pem = Identity(folder / "tls.crt", folder / "tls.key", folder / "ca.crt"), serialization.Encoding.PEM
    files.authority.write_bytes(issuer.sign(root_key, hashes.SHA256()).public_bytes(pem))
    files.certificate.write_bytes(leaf.sign(root_key, hashes.SHA256()).public_bytes(pem))
    clear = serialization.NoEncryption()
    files.key.write_bytes(key.private_bytes(pem, serialization.PrivateFormat.PKCS8, clear))
    return files
