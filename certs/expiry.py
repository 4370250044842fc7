"""When certificates end, and how loudly that is to be told: a ladder of 90, 30, 14, 7 and 1 days."""

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
    not_after: datetime

    def days_left(self, at: datetime) -> float:
        """Negative once it has ended."""
        return (self.not_after - at) / timedelta(days=1)

    def rung(self, at: datetime) -> int | None:
        """The lowest rung that is reached, 0 when it has ended; None above the ladder."""
        if at >= self.not_after:
            return 0
        return next((rung for rung in LADDER_DAYS if self.days_left(at) <= rung), None)


def expiries(credential: Credential, trust: TrustStore) -> Iterator[Expiry]:
    """Ours with its issuers, those we trust by, and the counterparties met since the start."""
    authorities = dict.fromkeys((*credential.chain, *trust.authorities))
    yield _expiry(Holder.OWN, credential.certificate)
    yield from (_expiry(Holder.AUTHORITY, certificate) for certificate in authorities)
    known = {credential.certificate, *authorities}
    yield from (_expiry(Holder.COUNTERPARTY, certificate) for certificate, _ in trust.seen if certificate not in known)


def _expiry(holder: Holder, certificate: x509.Certificate) -> Expiry:
    codes = participant_codes(certificate)
    return Expiry(
        holder=holder,
        name=codes[0] if len(codes) == 1 else certificate.subject.rfc4514_string(),
        serial=format(certificate.serial_number, "x"),
        not_after=certificate.not_valid_after_utc,
    )
