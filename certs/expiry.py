"""When certificates end, and how loudly that is to be told: a ladder of 90, 30, 14, 7 and 1 days; or that they were
revoked. A counterparty's that another one of its own followed is told of no more.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from cryptography import x509

from certs.keystore import Credential, participant_codes
from certs.trust import TrustStore

LADDER_DAYS = (1, 7, 14, 30, 90)


class Holder(StrEnum):
    """Whose certificate it is."""

    OWN = "own"
    AUTHORITY = "authority"
    COUNTERPARTY = "counterparty"


@dataclass(frozen=True, slots=True, kw_only=True)
class Expiry:
    """The end of one certificate. `name` is the participant's code, or the subject of an authority."""

    holder: Holder
    name: str
    serial: str  # hexadecimal
    not_before: datetime
    not_after: datetime
    revoked_at: datetime | None = None

    @property
    def ends_at(self) -> datetime:
        """When it is believed no more."""
        return self.not_after if self.revoked_at is None else min(self.revoked_at, self.not_after)

    def days_left(self, at: datetime) -> float:
        """Negative once it has ended."""
        return (self.ends_at - at) / timedelta(days=1)

    def rung(self, at: datetime) -> int | None:
        """The lowest rung that is reached, 0 when it has ended; None above the ladder."""
        if at >= self.ends_at:
            return 0
        return next((rung for rung in LADDER_DAYS if self.days_left(at) <= rung), None)

    def is_followed_by(self, other: Expiry, at: datetime) -> bool:
        """Whether the other one, a later one of the same holder that is believed at that time, took its place."""
        is_later = self.not_before < other.not_before <= at and self.not_after < other.not_after
        return is_later and (self.holder, self.name) == (other.holder, other.name) and other.rung(at) != 0


def expiries(credential: Credential, trust: TrustStore, at: datetime) -> Iterator[Expiry]:
    """Ours with its issuers, those we trust by, and the counterparties met since the start."""
    authorities = dict.fromkeys((*credential.chain, *trust.authorities))
    yield _expiry(Holder.OWN, credential.certificate, trust)
    yield from (_expiry(Holder.AUTHORITY, certificate, trust) for certificate in authorities)
    known = {credential.certificate, *authorities}
    met = dict.fromkeys(certificate for certificate, _ in trust.seen if certificate not in known)
    theirs = [_expiry(Holder.COUNTERPARTY, certificate, trust) for certificate in met]
    yield from (one for one in theirs if not any(one.is_followed_by(other, at) for other in theirs))


def _expiry(holder: Holder, certificate: x509.Certificate, trust: TrustStore) -> Expiry:
    codes = participant_codes(certificate)
    return Expiry(
        holder=holder,
        name=codes[0] if len(codes) == 1 else certificate.subject.rfc4514_string(),
        serial=format(certificate.serial_number, "x"),
        not_before=certificate.not_valid_before_utc,
        not_after=certificate.not_valid_after_utc,
        revoked_at=trust.revoked_at(certificate),
    )
