"""What there is to tell of a TLS connection: how it is encrypted, and who the far side says it is."""

from __future__ import annotations

import hashlib
import ssl
from collections.abc import Iterator


def context(authority: str | None, *, insecure: bool) -> ssl.SSLContext:
    """A client's: the certificate must be vouched for by the system's authorities, or by those in the file `authority`.

    OSError for a file that has none.
    """
    made = ssl.create_default_context(cafile=authority)
    if insecure:
        made.check_hostname = False
        made.verify_mode = ssl.CERT_NONE
    return made


def sentences(tls: ssl.SSLObject, *, proven: bool) -> Iterator[str]:
    """One line each. `proven`: the certificate was verified."""
    cipher = tls.cipher()
    yield f"{tls.version()}, {cipher[0] if cipher else 'no cipher'}"
    der = tls.getpeercert(binary_form=True)
    if der is None:
        yield "No certificate"
        return
    yield from _words(der)
    yield f"SHA256 {hashlib.sha256(der).digest().hex(':').upper()}, {'verified' if proven else 'NOT verified'}"


def _words(der: bytes) -> Iterator[str]:
    try:
        from cryptography import x509
    except ImportError:  # the fingerprint says as much to a machine
        return
    try:
        certificate = x509.load_der_x509_certificate(der)
        yield f"Certificate of {certificate.subject.rfc4514_string() or 'nobody'}"
        yield f"Issued by {certificate.issuer.rfc4514_string() or 'nobody'}"
        yield f"Valid {certificate.not_valid_before_utc:%Y-%m-%d} to {certificate.not_valid_after_utc:%Y-%m-%d}"
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        yield f"For {', '.join(str(each.value) for each in names)}"
    except x509.ExtensionNotFound:
        return
    except ValueError as error:
        yield f"A certificate that cannot be read ({error})"
