"""Revocation lists: which of them may be believed, and what they say about a certificate at a moment.

Fails closed: without a believable, fresh list of its issuer a certificate is REVOCATION_UNKNOWN. A list is believable
when the issuer signed it, the issuer's key usage allows it, and nothing critical in it is unknown to us: indirect lists
and those of one distribution point or some reasons are not taken for complete ones. A delta list counts on top of a
complete one that is not older than its base and not past its own next update; entries it lifts are lifted. A signature
is judged by the certificate's state at the moment asked for: an entry counts from its revocation date on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.hashes import SHA256

from certs.algorithms import is_affordable_key
from certs.freshness import Freshness, RevocationSource
from contracts.errors.codes import ErrorCode
from contracts.errors.refusal import RefusedError, refuse

List = x509.CertificateRevocationList
_PEM_BEGIN, _PEM_END = b"-----BEGIN X509 CRL-----", b"-----END X509 CRL-----"
_FIELDS = ("issuer", "extensions", "last_update_utc", "next_update_utc", "signature_algorithm_oid")


@dataclass(frozen=True, slots=True)
class _Known:
    """What one issuer says: its newest complete list, and a delta on it where there is one."""

    complete: List
    delta: List | None

    def fresh_until(self, freshness: Freshness) -> datetime | None:
        """The complete list's own end, or the delta's as long as the complete one is not past its next update."""
        own = freshness.until(self.complete.last_update_utc, self.complete.next_update_utc)
        if own is None or self.delta is None or self.complete.next_update_utc is None:
            return own
        later = freshness.until(self.delta.last_update_utc, self.delta.next_update_utc)
        return own if later is None else max(own, min(later, self.complete.next_update_utc))

    def entry(self, serial: int) -> x509.RevokedCertificate | None:
        """The entry that counts."""
        newer = None if self.delta is None else self.delta.get_revoked_certificate_by_serial_number(serial)
        if newer is not None:
            return None if _is_lifted(newer) else newer
        return self.complete.get_revoked_certificate_by_serial_number(serial)


class RevocationLists:
    """All lists of one snapshot; what is believed of an issuer is worked out once."""

    __slots__ = ("_freshness", "_known", "_lists")

    def __init__(self, lists: Sequence[List], freshness: Freshness) -> None:
        self._lists, self._freshness = tuple(lists), freshness
        self._known: dict[bytes, _Known | None] = {}

    def check(self, certificate: x509.Certificate, issuer: x509.Certificate, at: datetime) -> datetime:
        """Until when the answer "not revoked" holds.

        Raises RefusedError: REVOCATION_UNKNOWN(issuer[, next_update]), CERTIFICATE_REVOKED(serial, revoked_at).
        """
        known = self._of(issuer)
        fresh_until = None if known is None else known.fresh_until(self._freshness)
        if known is None or fresh_until is None:
            raise refuse(ErrorCode.REVOCATION_UNKNOWN, issuer=issuer.subject.rfc4514_string())
        closes = fresh_until + self._freshness.grace
        if at > closes:
            raise unknown(issuer, fresh_until)
        entry = known.entry(certificate.serial_number)
        return closes if entry is None else min(closes, unrevoked_until(certificate, entry.revocation_date_utc, at))

    def revoked_at(self, certificate: x509.Certificate, issuer: x509.Certificate) -> datetime | None:
        """When it was revoked, by a list of whatever age: what is revoked stays so; None where none says that."""
        known = self._of(issuer)
        entry = None if known is None else known.entry(certificate.serial_number)
        return None if entry is None else entry.revocation_date_utc

    def fresh_until(self, issuer: x509.Certificate) -> datetime | None:
        """The end of freshness of what the issuer's lists say; None where there is none."""
        known = self._of(issuer)
        return None if known is None else known.fresh_until(self._freshness)

    def source(self, issuer: x509.Certificate) -> RevocationSource | None:
        """What the issuer's lists are; None where there is none."""
        known = self._of(issuer)
        if known is None:
            return None
        return RevocationSource.LIST if known.delta is None else RevocationSource.DELTA

    def _of(self, issuer: x509.Certificate) -> _Known | None:
        name = issuer.fingerprint(SHA256())
        if name not in self._known:
            self._known[name] = self._look_up(issuer)
        return self._known[name]

    def _look_up(self, issuer: x509.Certificate) -> _Known | None:
        believed = [entry for entry in self._lists if is_believable(entry, issuer)]
        complete = _newest(entry for entry in believed if _base_number(entry) is None)
        if complete is None:
            return None
        return _Known(complete, _newest(entry for entry in believed if _is_delta_on(complete, entry)))


def unknown(issuer: x509.Certificate, fresh_until: datetime) -> RefusedError:
    """The refusal where what we know is too old."""
    name = issuer.subject.rfc4514_string()
    return refuse(ErrorCode.REVOCATION_UNKNOWN, issuer=name, next_update=fresh_until.isoformat())


def unrevoked_until(certificate: x509.Certificate, revoked_at: datetime, at: datetime) -> datetime:
    """The last moment before the revocation. Raises RefusedError(CERTIFICATE_REVOKED) if that is past at `at`."""
    if revoked_at <= at:
        raise refuse(
            ErrorCode.CERTIFICATE_REVOKED,
            subject=certificate.subject.rfc4514_string(),
            serial=format(certificate.serial_number, "x"),
            revoked_at=revoked_at.isoformat(),
        )
    return revoked_at - timedelta(microseconds=1)


def load_lists(bundles: Iterable[bytes]) -> tuple[x509.CertificateRevocationList, ...]:
    """Read lists in DER, or in PEM with one or more in a bundle. Raises ValueError, whatever is wrong with them."""
    return tuple(entry for bundle in bundles for entry in _load(bundle))


def _load(bundle: bytes) -> Sequence[List]:
    if b"-----BEGIN" not in bundle:
        return [_read(x509.load_der_x509_crl, bundle)]
    found = [_read(x509.load_pem_x509_crl, part) for part in _pem_parts(bundle)]
    if not found:
        raise ValueError("no revocation list in the PEM bundle")
    return found


def _pem_parts(bundle: bytes) -> Iterator[bytes]:
    """From each beginning to the next end, every octet looked at once: what was fetched is megabytes of anybody's."""
    start = bundle.find(_PEM_BEGIN)
    while start >= 0 and (end := bundle.find(_PEM_END, start)) >= 0:
        yield bundle[start : end + len(_PEM_END)]
        start = bundle.find(_PEM_BEGIN, end)


def _read(load: Callable[[bytes], List], octets: bytes) -> List:
    """Read every field once: the library parses lazily and raises unrelated errors late."""
    try:
        entries = load(octets)
        for field in _FIELDS:
            getattr(entries, field)
    except Exception as fault:  # ValueError, InvalidVersion, TypeError, DuplicateExtension, ...
        raise ValueError(f"a revocation list that cannot be read: {type(fault).__name__}") from fault
    return entries


def _newest(lists: Iterable[List]) -> List | None:
    return max(lists, key=lambda entry: (entry.last_update_utc, _number(entry)), default=None)


def _is_delta_on(complete: List, entry: List) -> bool:
    """A delta newer than the complete list, whose base that list includes."""
    base = _base_number(entry)
    return base is not None and base <= _number(complete) < _number(entry)


def is_believable(entries: List, issuer: x509.Certificate) -> bool:
    """Whether the issuer signed the list, may sign lists, and the list is complete or a delta."""
    if entries.issuer != issuer.subject:
        return False
    try:
        critical = [extension for extension in entries.extensions if extension.critical]
        usage = issuer.extensions.get_extension_for_class(x509.KeyUsage).value
    except (ValueError, x509.ExtensionNotFound, x509.DuplicateExtension):
        return False
    if not all(isinstance(extension.value, x509.DeltaCRLIndicator) for extension in critical):
        return False
    # Critical or not, it says that the list is not complete.
    if any(isinstance(extension.value, x509.IssuingDistributionPoint) for extension in entries.extensions):
        return False
    return usage.crl_sign and _is_signed(entries, issuer)


def _is_signed(entries: List, issuer: x509.Certificate) -> bool:
    """By whatever key an authority has: those that participants may have are fewer."""
    key = issuer.public_key()
    if not isinstance(key, rsa.RSAPublicKey | ec.EllipticCurvePublicKey) or not is_affordable_key(key):
        return False
    return entries.is_signature_valid(key)


def is_delta(entries: List) -> bool:
    """Whether it only says what has changed since a complete one."""
    return _base_number(entries) is not None


def _number(entries: List) -> int:
    try:
        return entries.extensions.get_extension_for_class(x509.CRLNumber).value.crl_number
    except x509.ExtensionNotFound:
        return 0


def _base_number(entries: List) -> int | None:
    """Of a delta list; None for any other."""
    try:
        return entries.extensions.get_extension_for_class(x509.DeltaCRLIndicator).value.crl_number
    except x509.ExtensionNotFound:
        return None


def _is_lifted(entry: x509.RevokedCertificate) -> bool:
    try:
        reason = entry.extensions.get_extension_for_class(x509.CRLReason).value.reason
    except x509.ExtensionNotFound:
        return False
    return reason is x509.ReasonFlags.remove_from_crl
