"""Domain to the topics' records, and receipts to messages. Pure."""

from __future__ import annotations

import hashlib
from copy import deepcopy
from dataclasses import dataclass

from lxml import etree

from certs.trust import Verified
from contracts.errors import ErrorCode
from contracts.errors.refusal import refuse
from contracts.events.protocols import ProtocolIssued
from contracts.receipt.codec import MEDIA_TYPE, Receipt
from gateway.domain.dispatches import ProtocolDelivery
from gateway.domain.events.protocol import Receipted
from gateway.ports import Dispatch, Exhibit, Message, Target

_SIGNATURE = "{http://www.w3.org/2000/09/xmldsig#}Signature"


def protocol_event(dispatch: Dispatch, *, source: str) -> ProtocolIssued:
    """The record of one delivery; the dispatch's id is the event's, so that a resend is known for one.

    Raises:
        RefusedError: DIGEST_MISMATCH when the container is not the one that was sealed, SCHEMA_INVALID without one.
    """
    body: ProtocolDelivery = dispatch.body
    if not dispatch.attachment:
        raise refuse(ErrorCode.SCHEMA_INVALID, path="/attachment", fault="the sealed container is missing")
    event = ProtocolIssued(
        id=dispatch.id,
        source=source,
        lot_id=body.lot_id,
        time=body.issued_at,
        protocol_id=body.protocol_id,
        number=body.number,
        result=body.result.value,
        container=dispatch.attachment,
        sha256=dispatch.attachment_sha256,
    )
    if event.sha256 != body.sha256:
        raise refuse(ErrorCode.DIGEST_MISMATCH, reference="container", expected=body.sha256, received=event.sha256)
    return event


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedReceipt:
    """A receipt whose signature held, with the bytes it came in."""

    receipt: Receipt
    root: etree._Element
    verified: Verified
    document: bytes


def receipt_message(signed: SignedReceipt) -> Message:
    """What the protocol is told. Two signatures over one content are one statement: the digest leaves them out."""
    receipt, signer = signed.receipt, signed.verified.signer
    return Message(
        source=signer.participant,
        id=receipt.receipt_id,
        target=Target(noun="protocol", id=receipt.protocol_id),
        event=Receipted(
            authority=receipt.authority,
            receipt_id=receipt.receipt_id,
            sha256=receipt.container_sha256,
            received_at=receipt.received_at,
            number=receipt.protocol_number,
        ),
        digest=_content_digest(signed.root),
        exhibits=(
            Exhibit(
                direction="in",
                media_type=MEDIA_TYPE,
                content=signed.document,
                signer=signer.participant,
                certificate_sha256=signer.certificate_sha256,
            ),
        ),
    )


def _content_digest(root: etree._Element) -> str:
    content = deepcopy(root)
    for signature in content.findall(_SIGNATURE):
        content.remove(signature)
    return hashlib.sha256(etree.tostring(content, method="c14n", exclusive=True)).hexdigest()
