"""What is expected of a counterparty's signature: data, one frozen object for each, the same for every plan.

The house's own rules (`certs.algorithms`, `certs.trust`, the plans) always hold; an expectation only narrows them:
fewer algorithms, more signed parts, a narrower certificate. Tolerances are the one thing that widens, each by its name.

Whose expectations count follows from the certificate alone, so they may be looked up before it is judged: one that
turns out not to be trusted is refused whatever was expected.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from functools import lru_cache
from types import MappingProxyType

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa

from certs.algorithms import RSA_MIN_BITS, PublicKey, public_key_of
from certs.keystore import participant_codes
from certs.steps import age_cause, blame
from certs.tolerance import Tolerance, not_tolerated
from certs.trust import Signer
from contracts.errors.causes import Cause
from contracts.errors.codes import ErrorCode
from contracts.errors.refusal import RefusedError, refuse


class Algorithm(StrEnum):
    """All the house speaks: a counterparty's list may leave some out and never name another."""

    RSA_SHA256 = "rsa-sha256"  # PKCS#1 v1.5
    ECDSA_SHA256 = "ecdsa-sha256"  # P-256
    RSA_PSS_SHA512 = "rsa-pss-sha512"  # HTTP signatures only


class KeyType(StrEnum):
    """Of a signer's key."""

    RSA = "rsa"
    P256 = "p256"


@dataclass(frozen=True, slots=True, kw_only=True)
class CertificateProfile:
    """What a trusted certificate must be besides; an empty set asks for nothing. OIDs are dotted."""

    key_types: frozenset[KeyType] = frozenset(KeyType)
    rsa_min_bits: int = RSA_MIN_BITS
    extended_usages: frozenset[str] = frozenset()  # at least one of them stands in extendedKeyUsage
    policies: frozenset[str] = frozenset()  # at least one of them stands in certificatePolicies
    issuers: frozenset[str] = frozenset()  # SHA-256 (hex) of the certificates of the CAs that may issue it

    def check(self, signer: Signer) -> None:
        """Raise RefusedError(CERTIFICATE_USAGE, what, expected, received) at the first thing that is otherwise."""
        _check_profile(self, signer.certificate, signer.issuer_sha256)


@lru_cache(maxsize=1024)
def _check_profile(profile: CertificateProfile, certificate: x509.Certificate, issuer_sha256: str) -> None:
    """Remembered where nothing is otherwise: a certificate and what is asked of it do not change."""
    key = public_key_of(certificate)
    kind = KeyType.RSA if isinstance(key, rsa.RSAPublicKey) else KeyType.P256
    if kind not in profile.key_types:
        raise _unlike("key type", profile.key_types, [kind])
    if kind is KeyType.RSA and key.key_size < profile.rsa_min_bits:
        raise _unlike("RSA bits", [f"{profile.rsa_min_bits}"], [f"{key.key_size}"])
    _check_named("extendedKeyUsage", profile.extended_usages, _extended_usages(certificate))
    _check_named("certificatePolicies", profile.policies, _policies(certificate))
    _check_named("issuer", profile.issuers, {issuer_sha256})


@dataclass(frozen=True, slots=True, kw_only=True)
class Expectations:
    """Of one counterparty; every default is the house's."""

    max_age_s: int = 300  # of a signature that says when it was made: a resend is signed anew
    clock_skew_s: int = 30  # NTP keeps participants within seconds
    document_max_age_s: int | None = None  # of a document signed in itself (ISO header, receipt); None: not judged
    algorithms: frozenset[Algorithm] = frozenset(Algorithm)
    soap_parts: frozenset[str] = frozenset()  # signed besides Body and Timestamp: BinarySecurityToken, {namespace}name
    http_parts: frozenset[str] = frozenset()  # fields of a request that are signed besides what always is, lower case
    time_stamp_required: bool = False  # a sealed container proves its time (XAdES-B-T)
    certificate: CertificateProfile = field(default_factory=CertificateProfile)
    tolerances: frozenset[Tolerance] = frozenset()  # what its SOAP messages may do besides the profile

    def check_algorithm(self, algorithm: Algorithm) -> None:
        """Raise RefusedError(ALGORITHM_NOT_ALLOWED, algorithm, agreed) for one that was not agreed."""
        if algorithm not in self.algorithms:
            refused = refuse(ErrorCode.ALGORITHM_NOT_ALLOWED, algorithm=algorithm, agreed=_listed(self.algorithms))
            raise blame(refused, Cause.ALGORITHM_AGREED)

    def check_key(self, key: PublicKey) -> None:
        """The same where the algorithm follows from the key, as in XML signatures."""
        self.check_algorithm(Algorithm.RSA_SHA256 if isinstance(key, rsa.RSAPublicKey) else Algorithm.ECDSA_SHA256)

    def check_parts(self, agreed: Iterable[str], signed: Iterable[str]) -> None:
        """Raise RefusedError(SIGNATURE_INCOMPLETE, part, signed) where a part that was agreed is not signed."""
        signed = set(signed)
        missing = sorted(set(agreed) - signed)
        if missing:
            refused = refuse(ErrorCode.SIGNATURE_INCOMPLETE, part=missing[0], signed=_listed(signed))
            raise blame(refused, Cause.PART_AGREED)

    def check_age(self, signed_at: datetime, at: datetime) -> None:
        """Raise RefusedError(SIGNATURE_AGE) for a signature that says it was made too long ago, or not yet."""
        self._check_moment(signed_at, at, self.max_age_s)

    def too_old_after(self, signed_at: datetime) -> datetime:
        """From when on `check_age` refuses a signature of that moment."""
        return signed_at + timedelta(seconds=self.max_age_s + self.clock_skew_s)

    def check_document_age(self, stated_at: datetime, at: datetime) -> None:
        """The same for the moment that a document states, where an age was agreed for documents."""
        if self.document_max_age_s is not None:
            self._check_moment(stated_at, at, self.document_max_age_s)

    def _check_moment(self, moment: datetime, at: datetime, max_age_s: int) -> None:
        age, skew = at - moment, timedelta(seconds=self.clock_skew_s)
        if not -skew <= age <= timedelta(seconds=max_age_s) + skew:
            refused = refuse(
                ErrorCode.SIGNATURE_AGE,
                signed_at=moment.isoformat(),
                now=at.isoformat(),
                max_age_s=max_age_s,
                clock_skew_s=self.clock_skew_s,
            )
            raise blame(refused, age_cause(-age.total_seconds()))

    def check_tolerances(self, used: Iterable[Tolerance]) -> None:
        """Refuse the first that is not granted: ALGORITHM_NOT_ALLOWED or SIGNATURE_MALFORMED."""
        for tolerance in used:
            if tolerance not in self.tolerances:
                raise not_tolerated(tolerance)


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """Of everybody: `own` by participant code, the house's of whoever has none."""

    house: Expectations = field(default_factory=Expectations)
    own: Mapping[str, Expectations] = field(default_factory=lambda: MappingProxyType({}))

    def of(self, participant: str) -> Expectations:
        """What is expected of a participant."""
        return self.own.get(participant, self.house)

    def of_holder(self, certificate: x509.Certificate) -> Expectations:
        """What is expected of whom the certificate names; it need not be judged yet."""
        return self.of(_named_in(certificate))


STRICT = Expected()


@lru_cache(maxsize=1024)
def _named_in(certificate: x509.Certificate) -> str:
    codes = participant_codes(certificate)
    return codes[0] if len(codes) == 1 else ""


def _check_named(what: str, agreed: frozenset[str], found: Iterable[str]) -> None:
    if agreed and agreed.isdisjoint(found):
        raise _unlike(what, agreed, found)


def _unlike(what: str, agreed: Iterable[str], found: Iterable[str]) -> RefusedError:
    facts = {"what": what, "expected": _listed(agreed), "received": _listed(found)}
    return blame(refuse(ErrorCode.CERTIFICATE_USAGE, **facts), Cause.CERTIFICATE_AGREED)


def _listed(values: Iterable[str]) -> str:
    return ", ".join(sorted(values)) or "-"


def _extended_usages(certificate: x509.Certificate) -> set[str]:
    found = (entry.value for entry in certificate.extensions if isinstance(entry.value, x509.ExtendedKeyUsage))
    return {usage.dotted_string for usages in found for usage in usages}


def _policies(certificate: x509.Certificate) -> set[str]:
    found = (entry.value for entry in certificate.extensions if isinstance(entry.value, x509.CertificatePolicies))
    return {policy.policy_identifier.dotted_string for policies in found for policy in policies}
