"""Whom we believe: a frozen snapshot of anchors, intermediates, revocation lists and policy, and the judgement by it.

Participants are authenticated by the registration code in their certificate (AOS-S1).

Judgement reads
  (1) the certificate is within its validity at the moment asked for;
  (2) it is a leaf whose key we speak, its key usage allows digital signatures, its extended usage (if any) signing;
  (3) it names its participant exactly once (organizationIdentifier, visible ASCII), where the policy asks for it;
  (4) a path leads from it to an anchor at that moment, through our intermediates or those the message brought;
  (5) no certificate of the path, the issuing CA's included, is revoked at that moment, says a fresh list or
      OCSP answer, and no other source says that it is.

A favourable judgement is remembered with the span of time for which it holds, so that the path is not rebuilt for
every message. A new snapshot is a new TrustStore with an empty memory.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from hashlib import sha256
from itertools import pairwise

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.x509.ocsp import OCSPResponse
from cryptography.x509.oid import ExtendedKeyUsageOID
from cryptography.x509.verification import ExtensionPolicy, PolicyBuilder, Store, VerificationError

from certs.algorithms import check_readable, is_affordable_key, public_key_of
from certs.freshness import Freshness, IssuerStanding
from certs.keystore import participant_codes
from certs.ocsp import OcspAnswers, given_at
from certs.revocation import is_believable, load_lists
from certs.standing import RevocationKnowledge
from contracts.errors.codes import ErrorCode
from contracts.errors.refusal import RefusedError, refuse

DOCUMENT_SIGNING = x509.ObjectIdentifier("1.3.6.1.5.5.7.3.36")
EXTRA_MAX = 8  # certificates a message may bring along
REMEMBERED_MAX = 4096  # judgements; a gateway has tens of peers
SEEN_MAX = 1024
_CODE = re.compile(r"[!-~]{1,64}")  # visible ASCII: nothing that a page, a log or a database shows otherwise


Issued = tuple[x509.Certificate, x509.Certificate]
"""A certificate and its issuer."""


class Revocation(StrEnum):
    """Whether lists are required. `NONE` is for anchors that publish none, such as foreign test data."""

    REQUIRED = "required"
    NONE = "none"


@dataclass(frozen=True, slots=True, kw_only=True)
class TrustPolicy:
    """What a signer's certificate must be; every default is the strict one."""

    revocation: Revocation = Revocation.REQUIRED
    revocation_max_age_s: int | None = None  # since thisUpdate; older is stale though nextUpdate lies later
    revocation_grace_s: int = 0  # how long what is stale is still believed
    participant_required: bool = True
    intermediates_max: int = 2  # root > issuing CA > leaf is the shape; one more for a cross-certificate
    extended_usages: frozenset[x509.ObjectIdentifier] = frozenset(
        {
            ExtendedKeyUsageOID.CLIENT_AUTH,
            ExtendedKeyUsageOID.EMAIL_PROTECTION,
            ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE,
            DOCUMENT_SIGNING,
        }
    )

    @property
    def freshness(self) -> Freshness:
        """The same as times."""
        oldest = self.revocation_max_age_s
        return Freshness(
            max_age=None if oldest is None else timedelta(seconds=oldest),
            grace=timedelta(seconds=self.revocation_grace_s),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Signer:
    """Who signed. `participant` is empty only where the policy does not ask for a code; `serial` is hexadecimal."""

    participant: str
    subject: str
    serial: str
    certificate_sha256: str
    certificate: x509.Certificate
    issuer_sha256: str  # of the certificate that issued it, hexadecimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Once:
    """By what a repetition of the very same signed request is known; after `until` it is too old anyway.

    `mark` (SHA-256) is made of signed content alone, never of the signature value: of ECDSA's there are always two.
    """

    mark: bytes
    until: datetime

    @classmethod
    def of(cls, *signed: bytes, until: datetime) -> Once:
        """The mark of some signed parts, each told from the next."""
        return cls(mark=sha256(b"".join(b"%d:%b" % (len(part), part) for part in signed)).digest(), until=until)


@dataclass(frozen=True, slots=True, kw_only=True)
class Verified:
    """A signature that holds: by whom, when (as far as it says so itself), and the numbered steps it passed.

    `once` is there where the signature is of now, as those of HTTP requests and envelopes are.
    """

    signer: Signer
    signed_at: datetime | None
    steps: tuple[str, ...]
    once: Once | None = None


@dataclass(frozen=True, slots=True)
class _Judgement:
    signer: Signer
    holds_from: datetime
    holds_until: datetime


class TrustStore:
    """An immutable snapshot; see the module for how it judges. Share one and replace it whole."""

    __slots__ = ("_anchors", "_intermediates", "_policy", "_remembered", "_revocation", "_seen", "_store")

    def __init__(
        self,
        *,
        anchors: Sequence[x509.Certificate],
        intermediates: Sequence[x509.Certificate],
        lists: Sequence[x509.CertificateRevocationList],
        answers: Sequence[OCSPResponse] = (),
        policy: TrustPolicy,
    ) -> None:
        self._anchors = tuple(anchors)
        self._store = Store(list(anchors))
        self._intermediates = tuple(intermediates)
        self._revocation = RevocationKnowledge(lists, answers, policy.freshness)
        self._policy = policy
        self._remembered: dict[x509.Certificate, _Judgement] = {}
        self._seen: dict[Issued, None] = {}

    @classmethod
    def from_pem(
        cls,
        *,
        anchors: bytes,
        intermediates: bytes = b"",
        crls: Iterable[bytes] = (),
        policy: TrustPolicy | None = None,
    ) -> TrustStore:
        """PEM bundles; `crls` may each hold one DER list or several PEM ones. Raises ValueError if unreadable."""
        return cls(
            anchors=x509.load_pem_x509_certificates(anchors),
            intermediates=x509.load_pem_x509_certificates(intermediates) if intermediates.strip() else [],
            lists=load_lists(crls),
            policy=policy or TrustPolicy(),
        )

    def with_revocation(
        self, lists: Sequence[x509.CertificateRevocationList], answers: Sequence[OCSPResponse]
    ) -> TrustStore:
        """A new snapshot that also knows these lists and answers; what was seen stays seen."""
        known = self._revocation
        grown = TrustStore(
            anchors=self._anchors,
            intermediates=self._intermediates,
            lists=(*known.lists, *lists),
            answers=(*known.answers, *answers),
            policy=self._policy,
        )
        grown._seen = self._seen
        return grown

    def with_policy(self, policy: TrustPolicy) -> TrustStore:
        """A new snapshot that knows the same and asks for something else; whom it sees, this one has seen too."""
        other = TrustStore(
            anchors=self._anchors,
            intermediates=self._intermediates,
            lists=self._revocation.lists,
            answers=self._revocation.answers,
            policy=policy,
        )
        other._seen = self._seen
        return other

    def having_seen(self, former: TrustStore) -> TrustStore:
        """Itself, who has seen whom the former snapshot saw, as far as one of our authorities issued it."""
        self._seen.update((pair, None) for pair in former._seen if pair[1] in self.authorities)
        return self

    @property
    def lists(self) -> tuple[x509.CertificateRevocationList, ...]:
        """Every revocation list in it, believable or not."""
        return self._revocation.lists

    @property
    def policy(self) -> TrustPolicy:
        """What it asks of a certificate."""
        return self._policy

    @property
    def seen(self) -> tuple[Issued, ...]:
        """Certificates with issuers from the paths that were judged, newest last: whom OCSP may be asked about."""
        return tuple(self._seen)

    @property
    def authorities(self) -> tuple[x509.Certificate, ...]:
        """Everybody whose lists we need: the anchors and our intermediates."""
        return (*self._anchors, *self._intermediates)

    def believes_list(self, entry: x509.CertificateRevocationList) -> bool:
        """Whether one of our authorities signed a list, of a kind that we read."""
        return any(is_believable(entry, authority) for authority in self.authorities)

    def standings(self, at: datetime) -> tuple[IssuerStanding, ...]:
        """How fresh what we know is, issuer by issuer; nothing where revocation is not judged."""
        if self._policy.revocation is Revocation.NONE:
            return ()
        issued = [pair for pair in self._seen if pair[1] in self.authorities]
        return tuple(self._revocation.standing(authority, issued, at) for authority in self.authorities)

    def meet(self, certificate: x509.Certificate, extra: Sequence[x509.Certificate], at: datetime) -> None:
        """See a certificate's path without judging it: OCSP may be asked about it from now on.

        Raises RefusedError: CERTIFICATE_EXPIRED, _UNTRUSTED.
        """
        self._see_path(self._path(certificate, extra, at))

    def revoked_at(self, certificate: x509.Certificate) -> datetime | None:
        """When it was revoked, as far as anybody has told, however long ago; None where nobody says so."""
        issuers = {issuer for issued, issuer in self._seen if issued == certificate}
        issuers.update(authority for authority in self.authorities if authority.subject == certificate.issuer)
        told = (self._revocation.revoked_at(certificate, issuer) for issuer in issuers)
        return min((moment for moment in told if moment is not None), default=None)

    def vouched(self, certificate: x509.Certificate, answers: Sequence[OCSPResponse], at: datetime) -> None:
        """Whether these answers alone, given by then, say of a certificate that it is not revoked at `at`.

        Raises RefusedError: REVOCATION_UNKNOWN, CERTIFICATE_REVOKED.
        """
        told = OcspAnswers([answer for answer in answers if given_at(answer) <= at], self._policy.freshness)
        issuers = [authority for authority in self.authorities if _issued(authority, certificate)]
        known = [issuer for issuer in issuers if told.fresh_until(certificate, issuer) is not None]
        if not known:
            raise refuse(ErrorCode.REVOCATION_UNKNOWN, issuer=certificate.issuer.rfc4514_string())
        told.check(certificate, known[0], at)

    def judge(self, certificate: x509.Certificate, extra: Sequence[x509.Certificate], at: datetime) -> Signer:
        """The signer, if trusted at `at` (aware). `extra` are untrusted path certificates the message brought.

        Raises RefusedError: CERTIFICATE_EXPIRED, _USAGE, _UNTRUSTED, _REVOKED, _MALFORMED, REVOCATION_UNKNOWN.
        """
        if at.tzinfo is None:
            raise ValueError("a judgement needs an aware moment")
        known = self._remembered.get(certificate)
        if known is not None and known.holds_from <= at <= known.holds_until:
            return known.signer
        judgement = self._judge_anew(certificate, extra, at)
        if len(self._remembered) >= REMEMBERED_MAX:
            self._remembered.clear()
        self._remembered[certificate] = judgement
        return judgement.signer

    def _judge_anew(self, certificate: x509.Certificate, extra: Sequence[x509.Certificate], at: datetime) -> _Judgement:
        if len(extra) > EXTRA_MAX:
            raise refuse(ErrorCode.CERTIFICATE_UNTRUSTED, what="too many certificates")
        for received in (certificate, *extra):
            check_readable(received)
        extra = [received for received in extra if _may_issue(received)]
        self._see_ended(certificate, extra, at)
        _check_validity(certificate, at)
        _check_leaf(certificate, self._policy)
        participant = _participant(certificate, self._policy)
        path = self._path(certificate, extra, at)
        until = self._check_revocation(path, at)
        signer = Signer(
            participant=participant,
            subject=certificate.subject.rfc4514_string(),
            serial=format(certificate.serial_number, "x"),
            certificate_sha256=certificate.fingerprint(SHA256()).hex(),
            certificate=certificate,
            issuer_sha256=path[min(1, len(path) - 1)].fingerprint(SHA256()).hex(),
        )
        # Not revoked at `at` means not revoked before, so the span reaches back as far as the path's validity does.
        since = max(part.not_valid_before_utc for part in path)
        return _Judgement(signer, since, min(until, *(part.not_valid_after_utc for part in path)))

    def _path(
        self, certificate: x509.Certificate, extra: Sequence[x509.Certificate], at: datetime
    ) -> list[x509.Certificate]:
        """Leaf to anchor. The library judges signatures, names, constraints and the CAs' own profile."""
        builder = PolicyBuilder().store(self._store).time(at.astimezone(UTC))
        # The library's default leaf profile is a web server's (SAN, EKU); ours is checked in `_check_leaf`.
        builder = builder.max_chain_depth(self._policy.intermediates_max).extension_policies(
            ca_policy=ExtensionPolicy.webpki_defaults_ca(), ee_policy=ExtensionPolicy.permit_all()
        )
        try:
            return builder.build_client_verifier().verify(certificate, [*self._intermediates, *extra]).chain
        except (VerificationError, ValueError) as fault:
            raise _untrusted(certificate, fault) from None

    def _check_revocation(self, path: Sequence[x509.Certificate], at: datetime) -> datetime:
        until = path[0].not_valid_after_utc
        if self._policy.revocation is Revocation.NONE:
            return until
        self._see_path(path)
        for certificate, issuer in pairwise(path):
            until = min(until, self._revocation.check(certificate, issuer, at))
        return until

    def _see_ended(self, certificate: x509.Certificate, extra: Sequence[x509.Certificate], at: datetime) -> None:
        """One that has ended is refused before its path is looked for; that its owner still signs with it is known."""
        ended = certificate.not_valid_after_utc
        if at > ended and self._policy.revocation is Revocation.REQUIRED:
            with suppress(RefusedError):
                _check_leaf(certificate, self._policy)  # a public authority's other customers are nobody of ours
                _participant(certificate, self._policy)
                self.meet(certificate, extra, ended)

    def _see_path(self, path: Sequence[x509.Certificate]) -> None:
        """All of it, so that one round of questions is enough."""
        for certificate, issuer in pairwise(path):
            self._see(certificate, issuer)

    def _see(self, certificate: x509.Certificate, issuer: x509.Certificate) -> None:
        """Only those with a path to an anchor come here, so strangers cannot fill it."""
        self._seen.pop((certificate, issuer), None)
        self._seen[certificate, issuer] = None
        if len(self._seen) > SEEN_MAX:
            self._seen.pop(next(iter(self._seen)))


def _untrusted(certificate: x509.Certificate, fault: Exception) -> RefusedError:
    subject, issuer = certificate.subject.rfc4514_string(), certificate.issuer.rfc4514_string()
    if "not valid at validation time" in str(fault):
        return refuse(ErrorCode.CERTIFICATE_EXPIRED, subject=issuer)
    return refuse(ErrorCode.CERTIFICATE_UNTRUSTED, subject=subject, issuer=issuer)


def _issued(authority: x509.Certificate, certificate: x509.Certificate) -> bool:
    """By its key, not only by its name: anybody can make a certificate of the same name."""
    try:
        certificate.verify_directly_issued_by(authority)
    except (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm):
        return False
    return True


def _may_issue(certificate: x509.Certificate) -> bool:
    """Whether trying a stranger's path certificate is affordable; one whose key is odd leads nowhere anyway."""
    try:
        return is_affordable_key(certificate.public_key())
    except (ValueError, TypeError, UnsupportedAlgorithm):
        return False


def _check_validity(certificate: x509.Certificate, at: datetime) -> None:
    if not certificate.not_valid_before_utc <= at <= certificate.not_valid_after_utc:
        raise refuse(
            ErrorCode.CERTIFICATE_EXPIRED,
            subject=certificate.subject.rfc4514_string(),
            not_before=certificate.not_valid_before_utc.isoformat(),
            not_after=certificate.not_valid_after_utc.isoformat(),
        )


def _check_leaf(certificate: x509.Certificate, policy: TrustPolicy) -> None:
    """Our leaf profile. A CA's certificate, an encryption-only or a server's one must not sign messages."""
    public_key_of(certificate)
    extensions = certificate.extensions
    for extension in extensions:
        match extension.value:
            case x509.BasicConstraints(ca=True):
                raise refuse(ErrorCode.CERTIFICATE_USAGE, what="basicConstraints")
            case x509.ExtendedKeyUsage() as usages if not policy.extended_usages.intersection(usages):
                raise refuse(ErrorCode.CERTIFICATE_USAGE, what="extendedKeyUsage")
    usage = next((entry.value for entry in extensions if isinstance(entry.value, x509.KeyUsage)), None)
    if usage is None or not usage.digital_signature:
        raise refuse(ErrorCode.CERTIFICATE_USAGE, what="keyUsage")


def _participant(certificate: x509.Certificate, policy: TrustPolicy) -> str:
    codes = participant_codes(certificate)
    if len(codes) == 1 and _CODE.fullmatch(codes[0]) is not None:
        return codes[0]
    if not policy.participant_required:
        return ""
    received = ", ".join(map(ascii, codes)) or "-"
    facts = {"what": "organizationIdentifier", "expected": "one, of visible ASCII", "received": received[:200]}
    raise refuse(ErrorCode.CERTIFICATE_USAGE, **facts)
