"""Everything known about revocation in one snapshot: lists and OCSP answers together.

Whoever says "revoked" is heard; "not revoked" needs one source that is fresh or within grace. Where both say so, the
answer holds until the first of them ends, and is then looked at again.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime

from cryptography import x509
from cryptography.x509.ocsp import OCSPResponse

from certs.freshness import Freshness, IssuerStanding, RevocationSource
from certs.ocsp import OcspAnswers
from certs.revocation import RevocationLists
from contracts.errors.codes import ErrorCode
from contracts.errors.refusal import RefusedError


class RevocationKnowledge:
    """Both sources of one snapshot."""

    __slots__ = ("_by_answer", "_by_list", "_freshness", "answers", "lists")

    def __init__(
        self,
        lists: Sequence[x509.CertificateRevocationList],
        answers: Sequence[OCSPResponse],
        freshness: Freshness,
    ) -> None:
        self.lists, self.answers, self._freshness = tuple(lists), tuple(answers), freshness
        self._by_list, self._by_answer = RevocationLists(lists, freshness), OcspAnswers(answers, freshness)

    def check(self, certificate: x509.Certificate, issuer: x509.Certificate, at: datetime) -> datetime:
        """Until when the answer "not revoked" holds. Raises RefusedError: CERTIFICATE_REVOKED, REVOCATION_UNKNOWN."""
        held: list[datetime] = []
        unknown: list[RefusedError] = []
        for source in (self._by_list, self._by_answer):
            try:
                held.append(source.check(certificate, issuer, at))
            except RefusedError as error:
                if error.refusal.code is not ErrorCode.REVOCATION_UNKNOWN:
                    raise
                unknown.append(error)
        if not held:
            raise max(unknown, key=lambda error: len(error.refusal.facts))  # the one that knows when it ended
        return min(held)

    def revoked_at(self, certificate: x509.Certificate, issuer: x509.Certificate) -> datetime | None:
        """The earliest moment that either source tells, however old it is; None where neither says "revoked"."""
        told = (source.revoked_at(certificate, issuer) for source in (self._by_list, self._by_answer))
        return min((moment for moment in told if moment is not None), default=None)

    def standing(
        self,
        issuer: x509.Certificate,
        seen: Iterable[tuple[x509.Certificate, x509.Certificate]],
        at: datetime,
    ) -> IssuerStanding:
        """How an issuer stands: by its list, or where it has none by the worst answer about those seen."""
        until, source = self._by_list.fresh_until(issuer), self._by_list.source(issuer)
        if until is None:
            told = [self._by_answer.fresh_until(*pair) for pair in seen if pair[1] == issuer]
            until = min((moment for moment in told if moment is not None), default=None)
            source = source if until is None else RevocationSource.ANSWERS
        return IssuerStanding.of(issuer.subject.rfc4514_string(), until, self._freshness.grace, at, source)
