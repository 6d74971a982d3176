"""TLS for the server: a certificate of the user's, or one made on the spot that vouches for nothing but its own key."""

from __future__ import annotations

import hashlib
import ipaddress
import os
import socket
import ssl
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

from hythe.errors import MachineError, UsageError
from hythe.via.tls import unusable

#: How long a certificate made here is good.
_LIFE: Final = timedelta(days=30)


def given(certificate: str, key: str | None) -> tuple[ssl.SSLContext, str]:
    """The context of PEM files, and the certificate's fingerprint; without `key` both are in one. Raises `MachineError`."""
    context = _context()
    try:
        context.load_cert_chain(certificate, key, password=_no_password)
        with open(certificate, encoding="ascii") as file:
            der = ssl.PEM_cert_to_DER_cert(_first(file.read()))
    except (OSError, ValueError, UsageError) as error:  # ssl.SSLError is an OSError
        reason = unusable(error) if isinstance(error, OSError) else str(error)
        files = certificate if key is None else f"{certificate} and {key}"
        raise MachineError(
            f"{files} cannot be used as certificate and key ({reason}): write PEM files that belong together"
        ) from error
    return context, fingerprint(der)


def made(addresses: Sequence[str]) -> tuple[ssl.SSLContext, str]:
    """A context with a new key, and its certificate's fingerprint; it is for this machine's names and `addresses`."""
    try:
        from cryptography import x509
        from cryptography.hazmat.primitives import hashes, serialization
        from cryptography.hazmat.primitives.asymmetric import ec
    except ImportError:
        raise MachineError(
            "a certificate is made by the package cryptography: pip install 'hythe[serve]', or use --cert"
        ) from None

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "hythe serve")])
    names = [x509.DNSName(each) for each in dict.fromkeys(["localhost", socket.gethostname()]) if each.isascii() and each]
    numbers = [x509.IPAddress(ipaddress.ip_address(each.partition("%")[0])) for each in addresses]
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))  # clocks differ
        .not_valid_after(now + _LIFE)
        .add_extension(x509.SubjectAlternativeName([*names, *numbers]), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    private = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    context = _context()
    memory = os.memfd_create("certificate")  # the key never lies in a file system
    try:
        os.write(memory, private + certificate.public_bytes(pem))
        context.load_cert_chain(f"/proc/self/fd/{memory}")
    finally:
        os.close(memory)
    return context, fingerprint(certificate.public_bytes(serialization.Encoding.DER))


def fingerprint(der: bytes) -> str:
    """``SHA256 AB:CD:…`` of a certificate, as openssl and browsers show it."""
    return f"SHA256 {hashlib.sha256(der).digest().hex(':').upper()}"


def _context() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    return context


def _first(pem: str) -> str:
    start, end = pem.index(ssl.PEM_HEADER), pem.index(ssl.PEM_FOOTER)
    return pem[start : end + len(ssl.PEM_FOOTER)]


def _no_password() -> str:
    """Where openssl would ask on the terminal."""
    raise UsageError("the key has a pass phrase; take it off with openssl pkey")
