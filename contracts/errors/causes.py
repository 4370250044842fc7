"""Likely causes of a refused signature, found by trying; texts stand in `causes.toml` under the same name.

A refusal names its cause in the fact `cause`; the catalogue then tells it and gives its remedy instead of the general
one. What a cause says follows from the message alone: its sender learns nothing about us or about anybody else.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from importlib import resources

FACT = "cause"


class Cause(StrEnum):
    """Why a signature most likely does not hold."""

    REINDENTED = "reindented"  # white space between elements was added or taken away after signing
    LINE_ENDINGS = "line_endings"  # CR LF became LF or the other way round, or a last line end came or went
    INCLUSIVE_C14N = "inclusive_c14n"  # digested by inclusive canonicalisation, though exclusive is stated
    JSON_REWRITTEN = "json_rewritten"  # the same JSON, written by another serialiser after signing
    DIGEST_SPELLING = "digest_spelling"  # the right digest, but not in plain base64
    CONTENT_CHANGED = "content_changed"  # none of the above: the content itself is another
    DER_SIGNATURE = "der_signature"  # ECDSA in DER instead of r||s
    ADDRESS_REWRITTEN = "address_rewritten"  # signed for another Host or path than the one that arrived
    WRONG_KEY = "wrong_key"  # nothing helps: most likely not the key of the certificate sent along
    BODY_UNSIGNED = "body_unsigned"
    TIMESTAMP_UNSIGNED = "timestamp_unsigned"
    TIMESTAMP_MISSING = "timestamp_missing"
    CERTIFICATE_UNSENT = (
        "certificate_unsent"  # the certificate is named (issuer and serial, thumbprint), not sent along
    )
    CLOCK_AHEAD = "clock_ahead"  # the sender's clock is ahead of ours
    TIME_ZONE = "time_zone"  # off by whole hours: local time written as UTC
    LATE = "late"  # signed long before it was sent, or sent again without signing anew
    INCLUSIVE_PREFIXES = "inclusive_prefixes"  # ec:InclusiveNamespaces of one for whom it is not tolerated
    NODE_SOAP_DEFAULTS = "node_soap_defaults"  # plain Id or the enveloped transform, the same
    SECURITY_ORDER = "security_order"  # another order in wsse:Security, the same
    SHA1 = "sha1"
    ALGORITHM_AGREED = "algorithm_agreed"  # one the house speaks, but not agreed with this counterparty
    PART_AGREED = "part_agreed"  # signed is what everybody signs, but not what was agreed with this counterparty
    CERTIFICATE_AGREED = "certificate_agreed"  # trusted, but of another profile than agreed with this counterparty
    SELF_SIGNED = "self_signed"


@dataclass(frozen=True, slots=True, kw_only=True)
class CauseText:
    """One cause in one language."""

    why: str
    remedy: str


def cause_text(cause: str, language: str) -> CauseText | None:
    """The words for a cause, in Azerbaijani where the language is not one of ours; None for a cause we do not know."""
    texts = _texts().get(cause)
    return None if texts is None else texts.get(language, texts["az"])


@cache
def _texts() -> Mapping[str, Mapping[str, CauseText]]:
    source = resources.files("contracts.errors").joinpath("causes.toml").read_text(encoding="utf-8")
    table: dict[str, dict[str, dict[str, str]]] = tomllib.loads(source)
    return {
        Cause(cause).value: {language: CauseText(**words) for language, words in texts.items()}
        for cause, texts in table.items()
    }
