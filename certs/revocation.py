"""Revocation lists: which of them may be believed, and what they say about a certificate at a moment.

Fails closed: without a believable, fresh list of its issuer a certificate is REVOCATION_UNKNOWN. A list is believable
when the issuer signed it, the issuer's key usage allows it, and nothing critical in it is unknown to us (so delta,
indirect and partitioned lists are not taken for complete ones). A signature is judged by the certificate's state at
the moment asked for: an entry counts from its revocation date on.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from cryptography import x509

from certs.algorithms import public_key_of
from contracts.errors.codes import ErrorCode
from contracts.errors.refusal import refuse

_PEM_LIST = re.compile(rb"-----BEGIN X509 CRL-----.+?-----END X509 CRL-----", re.DOTALL)
FOREVER = datetime.max.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class RevocationLists:
    """All lists of one snapshot. `grace` is how long past `nextUpdate` a list is still believed (0: not at all)."""

    lists: tuple[x509.CertificateRevocationList, ...]
    grace: timedelta

    def check(self, certificate: x509.Certificate, issuer: x509.Certificate, at: datetime) -> datetime:
        """Until when the answer "not revoked" holds.

        Raises RefusedError: REVOCATION_UNKNOWN(issuer[, next_update]), CERTIFICATE_REVOKED(serial, revoked_at).
        """
        newest = self._newest(issuer)
        name = issuer.subject.rfc4514_string()
        if newest is None or newest.next_update_utc is None:
            raise refuse(ErrorCode.REVOCATION_UNKNOWN, issuer=name)
        stale_after = newest.next_update_utc + self.grace
        if at > stale_after:
            raise refuse(ErrorCode.REVOCATION_UNKNOWN, issuer=name, next_update=newest.next_update_utc.isoformat())
        return min(stale_after, _unrevoked_until(newest, certificate, at))

    def _newest(self, issuer: x509.Certificate) -> x509.CertificateRevocationList | None:
        believable = [entry for entry in self.lists if _is_believable(entry, issuer)]
        return max(believable, key=lambda entry: (entry.last_update_utc, _number(entry)), default=None)


def load_lists(bundles: Iterable[bytes]) -> tuple[x509.CertificateRevocationList, ...]:
    """Read lists in DER, or in PEM with one or more in a bundle. Raises ValueError: they are our own configuration."""
    return tuple(entry for bundle in bundles for entry in _load(bundle))


def _load(bundle: bytes) -> Sequence[x509.CertificateRevocationList]:
    if b"-----BEGIN" not in bundle:
        return [x509.load_der_x509_crl(bundle)]
    found = _PEM_LIST.findall(bundle)
    if not found:
        raise ValueError("no revocation list in the PEM bundle")
    return [x509.load_pem_x509_crl(part) for part in found]


def _unrevoked_until(entries: x509.CertificateRevocationList, certificate: x509.Certificate, at: datetime) -> datetime:
    entry = entries.get_revoked_certificate_by_serial_number(certificate.serial_number)
    if entry is None:
        return FOREVER
    if entry.revocation_date_utc <= at:
        raise refuse(
            ErrorCode.CERTIFICATE_REVOKED,
            subject=certificate.subject.rfc4514_string(),
            serial=format(certificate.serial_number, "x"),
            revoked_at=entry.revocation_date_utc.isoformat(),
        )
    return entry.revocation_date_utc - timedelta(microseconds=1)


def _is_believable(entries: x509.CertificateRevocationList, issuer: x509.Certificate) -> bool:
    if entries.issuer != issuer.subject or any(extension.critical for extension in entries.extensions):
        return False
    try:
        usage = issuer.extensions.get_extension_for_class(x509.KeyUsage).value
    except x509.ExtensionNotFound:
        return False
    return usage.crl_sign and entries.is_signature_valid(public_key_of(issuer))


def _number(entries: x509.CertificateRevocationList) -> int:
    try:
        return entries.extensions.get_extension_for_class(x509.CRLNumber).value.crl_number
    except x509.ExtensionNotFound:
        return 0
