"""A ministry's receipt: built, signed, held to its schema, believed only as far as its signature reaches."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import pytest
from lxml import etree

from adapters.ministries.reader import ReadRecord
from adapters.ministries.receipts import judge_receipt
from certs.authority import Authority
from certs.keystore import Credential
from certs.trust import TrustStore
from certs.xmldsig import sign_enveloped
from contracts.errors import ErrorCode
from contracts.errors.refusal import RefusedError
from contracts.events.protocols import ProtocolReceipted, write_receipt
from contracts.receipt.codec import Receipt, build_receipt, check_receipt, read_receipt
from contracts.xml import parse_xml
from gateway.domain.events.protocol import Receipted
from gateway.ports import Message, Target

NOW = datetime(2026, 11, 22, 6, tzinfo=UTC)
MINISTRIES = frozenset({"ECONOMY", "JUSTICE", "INTERIOR"})
RECEIPT = Receipt(
    receipt_id="ECONOMY-1",
    protocol_number="EH-2026/000001",
    protocol_id="L-1.protocol",
    container_sha256="ab" * 32,
    authority="ECONOMY",
    received_at=NOW,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Court:
    """Who issues certificates, and what two participants sign with."""

    economy: Credential
    economy_renewed: Credential
    bank: Credential
    trust: TrustStore


@pytest.fixture(scope="module")
def court() -> Court:
    authority = Authority.create(NOW)
    economy = authority.issue("ECONOMY", "İqtisadiyyat (nümunə)", key="rsa", now=NOW)
    renewed = authority.issue("ECONOMY", "İqtisadiyyat (nümunə)", key="p256", now=NOW)
    bank = authority.issue("999101", "Xəzər Nümunə Bankı", key="p256", now=NOW)
    trust = TrustStore.from_pem(
        anchors=authority.anchors_pem, intermediates=authority.intermediates_pem, crls=[authority.crl(NOW)]
    )
    return Court(economy=economy, economy_renewed=renewed, bank=bank, trust=trust)


def signed(credential: Credential, receipt: Receipt = RECEIPT) -> bytes:
    root = build_receipt(receipt)
    sign_enveloped(root, credential, into=root)
    return etree.tostring(root, encoding="UTF-8", xml_declaration=True)


def record(document: bytes) -> ReadRecord:
    event = ProtocolReceipted(id="R-1", source="ECONOMY", lot_id="L-1", time=NOW, document=document)
    return ReadRecord(topic="t", partition=0, offset=7, key=b"L-1", value=document, headers=tuple(write_receipt(event)))


def judged(court: Court, document: bytes) -> Message:
    return judge_receipt(record(document), court.trust, MINISTRIES, at=NOW)


def refusal_of(court: Court, document: bytes) -> ErrorCode:
    with pytest.raises(RefusedError) as refused:
        judged(court, document)
    return refused.value.refusal.code


def test_a_signed_receipt_keeps_its_schema_and_says_what_was_built(court: Court) -> None:
    root = parse_xml(signed(court.economy))
    check_receipt(root)
    assert read_receipt(root) == RECEIPT


def test_a_believed_receipt_becomes_what_the_protocol_is_told(court: Court) -> None:
    """EHR-7: the authority confirms the container it has."""
    document = signed(court.economy)
    message = judged(court, document)
    assert (message.source, message.id) == ("ECONOMY", "ECONOMY-1")
    assert message.target == Target(noun="protocol", id="L-1.protocol")
    number = "EH-2026/000001"
    event = Receipted(authority="ECONOMY", receipt_id="ECONOMY-1", sha256="ab" * 32, received_at=NOW, number=number)
    assert message.event == event
    assert message.exhibits[0].content == document
    assert message.exhibits[0].signer == "ECONOMY"


def test_two_signatures_over_one_content_are_one_statement(court: Court) -> None:
    first, again = signed(court.economy), signed(court.economy_renewed)
    assert first != again
    assert judged(court, first).digest == judged(court, again).digest
    other = signed(court.economy, replace(RECEIPT, received_at=NOW + timedelta(seconds=1)))
    assert judged(court, signed(court.economy)).digest != judged(court, other).digest


def test_a_bank_cannot_sign_a_ministrys_receipt(court: Court) -> None:
    assert refusal_of(court, signed(court.bank)) == ErrorCode.PARTICIPANT_UNKNOWN


def test_one_ministry_cannot_sign_for_another(court: Court) -> None:
    document = signed(court.economy, replace(RECEIPT, authority="JUSTICE"))
    assert refusal_of(court, document) == ErrorCode.PARTICIPANT_MISMATCH


def test_a_receipt_changed_after_signing_is_not_believed(court: Court) -> None:
    document = signed(court.economy).replace(b"ab" * 32, b"cd" * 32)
    assert refusal_of(court, document) == ErrorCode.DIGEST_MISMATCH


@pytest.mark.parametrize(
    ("old", "new", "code"),
    [
        (b"<Decision>accepted", b"<Decision>maybe", ErrorCode.SCHEMA_INVALID),
        (b"ab" * 32, b"AB" * 32, ErrorCode.SCHEMA_INVALID),
        (b"2026-11-22T06:00:00.000Z", b"2026-11-22T06:00:00", ErrorCode.SCHEMA_INVALID),
        (b'Version="1"', b'Version="2"', ErrorCode.SCHEMA_INVALID),
        (b"urn:eherrac:receipt:1", b"urn:eherrac:receipt:2", ErrorCode.SCHEMA_INVALID),
        (b"<ReceiptId>ECONOMY-1", b"<ReceiptId>", ErrorCode.SCHEMA_INVALID),
        (b"<ReceiptId>", b"<!-- --><ReceiptId>", ErrorCode.XML_FORBIDDEN),
        (b"</Receipt>", b"", ErrorCode.XML_MALFORMED),
    ],
)
def test_what_is_no_receipt_is_refused_before_anything_is_read(
    court: Court, old: bytes, new: bytes, code: ErrorCode
) -> None:
    document = signed(court.economy)
    assert old in document
    assert refusal_of(court, document.replace(old, new, 1)) == code


def test_an_unsigned_receipt_is_refused(court: Court) -> None:
    unsigned = etree.tostring(build_receipt(RECEIPT))
    assert refusal_of(court, unsigned) == ErrorCode.SCHEMA_INVALID


def test_the_schema_names_the_place_of_the_fault(court: Court) -> None:
    document = signed(court.economy).replace(b"<Decision>accepted", b"<Decision>maybe")
    with pytest.raises(RefusedError) as refused:
        judged(court, document)
    assert refused.value.refusal.facts["path"] == "/Receipt/Decision"
