"""Signed ISO 20022 messages on a socket: sealing what leaves, opening what arrives, and the ids of our own messages.

Opening goes in steps: (1) parse within limits, (2) read wrapper and header, (3) verify the enveloped signature against
the participant that the header names (AOS-S1, AOS-S2), and only then (4) read the document. A caller that must answer
a malformed document (AOS-R1, AOS-R2) stops between (3) and (4).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256
from itertools import count
from typing import Any

from lxml import etree

from certs.expectations import STRICT, Expected
from certs.keystore import Credential
from certs.trust import TrustStore, Verified
from certs.xmldsig import sign_enveloped, verify_enveloped
from contracts.iso20022 import BusinessHeader, Envelope, envelope
from contracts.xml import XmlLimits, parse_xml
from gateway.domain.clock import BAKU
from gateway.wire.identity import signing

MESSAGES_PATH = "/aos/v1/messages"
CONTENT_TYPE = "application/xml"
MESSAGE_MAX_BYTES = 262_144  # a signed pacs.008 is about 6 kB; a day's statement of a small participant fits too
_LIMITS = XmlLimits(body_max_bytes=MESSAGE_MAX_BYTES)
_COUNTER = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """A wrapper whose signature holds. `digest` is of the document alone: a new signature on the same is a replay."""

    header: BusinessHeader
    verified: Verified
    digest: str
    root: Any = field(repr=False, compare=False)

    def read(self) -> Any:
        """The typed message.

        Raises:
            RefusedError: not by the profile, with the path of the fault.
        """
        return envelope.read_document(self.root, self.header)


async def seal(
    message: Any,
    *,
    from_bic: str,
    to_bic: str,
    credential: Credential,
    copy: bool = False,
    wrapper: Envelope = Envelope.DATA_PDU,
) -> bytes:
    """Wrap as the rail does, validate, sign and write one message.

    Raises:
        RefusedError: what we were about to say is not by the profile.
    """
    root = envelope.wrap(message, from_bic=from_bic, to_bic=to_bic, copy=copy, envelope=wrapper)
    return await signing(credential, lambda: _signed(root, credential))


def open_signed(
    data: bytes,
    trust: TrustStore,
    *,
    at: datetime,
    participant_of: Callable[[BusinessHeader], str],
    wrapper: Envelope | None = Envelope.DATA_PDU,
    expected: Expected = STRICT,
) -> Opened:
    """Steps (1) to (3); `participant_of` says whose signature a header must bear, or refuses.

    A header that says when it was made is held to the age agreed with its signer, if one was.
    Any other than the rail's own `wrapper` is refused; None takes all, for what was taken once and is verified again.

    Raises:
        RefusedError: XML_*, SCHEMA_INVALID (of the wrapper), SIGNATURE_*, CERTIFICATE_*, PARTICIPANT_MISMATCH, and
            what `participant_of` raises.
    """
    root = parse_xml(data, limits=_LIMITS)
    header = envelope.read_header(root, wrapper)
    verified = verify_enveloped(
        root,
        trust,
        at=at,
        signature_parent=envelope.signature_parent,
        expected_participant=participant_of(header),
        expected=expected,
    )
    expected.of(verified.signer.participant).check_document_age(header.created_at, at)
    return Opened(header=header, verified=verified, digest=_document_digest(root), root=root)


class MessageIds:
    """Ids of 33 characters for programs without a database: address, day in Baku, microsecond of the day, counter."""

    def __init__(self, address: str) -> None:
        self._address, self._count = address, count()

    def next(self, now: datetime) -> str:
        """Unique within a process, and over restarts as long as the clock goes forward."""
        local = now.astimezone(BAKU)
        midnight = local.replace(hour=0, minute=0, second=0, microsecond=0)
        micros = int((local - midnight).total_seconds() * 1_000_000)
        return f"{self._address}{local:%y%m%d}{micros:011d}{next(self._count) % _COUNTER:04d}"


def _signed(root: Any, credential: Credential) -> bytes:
    sign_enveloped(root, credential, into=envelope.signature_parent(root))
    return etree.tostring(root, xml_declaration=True, encoding="UTF-8")


def _document_digest(root: Any) -> str:
    _, document = envelope.parts(root)
    return sha256(etree.tostring(document, method="c14n", exclusive=True)).hexdigest()
