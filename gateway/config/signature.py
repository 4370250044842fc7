"""What is accepted of signatures: of everybody, and narrower or otherwise of one counterparty."""

from __future__ import annotations

from typing import Annotated, TypeVar

from pydantic import AfterValidator, Field, StringConstraints

from certs.expectations import Algorithm, KeyType
from gateway.config.types import Section

_AGE = "Age in seconds after which a signature that says when it was made is refused"
_SKEW = "How far a sender's clock may differ from ours, seconds"
_DOCUMENT_AGE = (
    "Age in seconds after which a document signed in itself is refused, by the time it states: an ISO 20022 header, a "
    "ministry's receipt; without, by none"
)
_ALGORITHMS = "Algorithms taken: `rsa-sha256`, `ecdsa-sha256`, `rsa-pss-sha512` (HTTP only); there are no others"
_KEYS = "Kinds of keys taken: `rsa`, `p256`"
_BITS = "Shortest RSA key taken, bits"
_USAGES = "Extended key usages (OID) of which the certificate has one; without, those of any signer's certificate"
_POLICIES = "Certificate policies (OID) of which the certificate has one; without, any"
_ISSUERS = "SHA-256 (hexadecimal) of the certificates of the authorities that may issue its certificate; without, any"
_SOAP = "What its SOAP messages sign besides Body and Timestamp: `BinarySecurityToken`, `{namespace}name` of a header"
_HTTP = "Fields that its HTTP requests sign besides what is always signed, in lower case"
_TIME_STAMP = "Whether its sealed containers carry a time-stamp (XAdES-B-T)"

_T = TypeVar("_T")


def _some(values: tuple[_T, ...]) -> tuple[_T, ...]:
    if not values:
        raise ValueError("at least one is wanted")
    return values


Oid = Annotated[str, StringConstraints(pattern=r"^[0-2](\.(0|[1-9][0-9]*))+$")]
Sha256 = Annotated[str, StringConstraints(to_lower=True, pattern=r"^[0-9a-fA-F]{64}$")]
SoapPart = Annotated[
    str, StringConstraints(pattern=r"^(BinarySecurityToken|\{[^{}\s]+\}[A-Za-z_][A-Za-z0-9._-]*)$", max_length=300)
]
HttpField = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9-]*$", max_length=64)]
Age = Annotated[int, Field(ge=5, le=3600)]
Skew = Annotated[int, Field(ge=0, le=600)]
DocumentAge = Annotated[int, Field(ge=5, le=31_536_000)]
Algorithms = Annotated[tuple[Algorithm, ...], AfterValidator(_some)]
KeyTypes = Annotated[tuple[KeyType, ...], AfterValidator(_some)]
RsaBits = Annotated[int, Field(ge=2048, le=4096)]


class SignatureSettings(Section):
    """What is accepted of a message's signature, whoever sends it."""

    max_age_s: Age = Field(300, description=_AGE)
    clock_skew_s: Skew = Field(30, description=_SKEW)
    document_max_age_s: DocumentAge | None = Field(None, description=_DOCUMENT_AGE)
    algorithms: Algorithms = Field(tuple(Algorithm), description=_ALGORITHMS)
    key_types: KeyTypes = Field(tuple(KeyType), description=_KEYS)
    rsa_min_bits: RsaBits = Field(2048, description=_BITS)
    extended_usages: tuple[Oid, ...] = Field((), description=_USAGES)
    policies: tuple[Oid, ...] = Field((), description=_POLICIES)
    issuers: tuple[Sha256, ...] = Field((), description=_ISSUERS)
    soap_parts: tuple[SoapPart, ...] = Field((), description=_SOAP)
    http_parts: tuple[HttpField, ...] = Field((), description=_HTTP)
    time_stamp_required: bool = Field(False, description=_TIME_STAMP)
    authorities: tuple[str, ...] = Field(
        (),
        description="Our names in the Host field, `host` or `host:port`; what was signed for another name is refused. "
        "Empty, any is taken: name them in production",
    )


class ExpectsSettings(Section):
    """The same of one counterparty; what is not set here is as `[signature]` has it."""

    max_age_s: Age | None = Field(None, description=_AGE)
    clock_skew_s: Skew | None = Field(None, description=_SKEW)
    document_max_age_s: DocumentAge | None = Field(None, description=_DOCUMENT_AGE)
    algorithms: Algorithms | None = Field(None, description=_ALGORITHMS)
    key_types: KeyTypes | None = Field(None, description=_KEYS)
    rsa_min_bits: RsaBits | None = Field(None, description=_BITS)
    extended_usages: tuple[Oid, ...] | None = Field(None, description=_USAGES)
    policies: tuple[Oid, ...] | None = Field(None, description=_POLICIES)
    issuers: tuple[Sha256, ...] | None = Field(None, description=_ISSUERS)
    soap_parts: tuple[SoapPart, ...] | None = Field(None, description=_SOAP)
    http_parts: tuple[HttpField, ...] | None = Field(None, description=_HTTP)
    time_stamp_required: bool | None = Field(None, description=_TIME_STAMP)


EXPECTS = "What is expected of its signatures besides, a table of its own: see `[… expects]`"
