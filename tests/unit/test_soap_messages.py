"""Messages of the SOAP contract: what we write the schema accepts, and reading gives back what was written."""

from __future__ import annotations

from dataclasses import fields
from datetime import UTC, datetime
from typing import Any

import pytest
from lxml import etree

from contracts.errors import ErrorCode
from contracts.errors.refusal import RefusedError
from contracts.soap import model
from contracts.soap.codec import read, write
from contracts.soap.description import schema, xsd
from contracts.soap.outgoing import written
from contracts.xml import parse_xml

NOON = datetime(2026, 11, 22, 12, 0, 0, 250_000, tzinfo=UTC)
XS = "{http://www.w3.org/2001/XMLSchema}"

ACCOUNT = model.Account(
    holder="Xəzər Nümunə Bankı", iban="AZ77VTBA00000000001234567890", bic="XZRNAZ22", tax_id="9900003611"
)
AMOUNT = model.Amount(value="1234.50")
RECEIPT = model.Receipt(noun="offer", id="L-1.offer", state="accepted", version=3, accepted_at=NOON, repeated=True)
NOTICE = model.Notice(
    id="n-1",
    sequence=7,
    version=2,
    kind="offer.opened",
    lot_id="L-1",
    subject_id="L-1.offer",
    state="open",
    occurred_at=NOON,
    amount=AMOUNT,
    deadline=NOON,
    case_number="2026/114-1",
    reference="MSID 1",
    reason="Səbəb",
)

MESSAGES: tuple[Any, ...] = (
    model.PublishEvent(
        message_id="e-1", type="az.eherrac.lot.announced", source="EHERRAC", subject="L-1", time=NOON, data="{}"
    ),
    model.PublishEventResponse(in_reply_to="e-1", receipt=RECEIPT),
    model.ListOffers(message_id="q-1"),
    model.ListOffersResponse(
        in_reply_to="q-1",
        offer=(
            model.Offer(
                id="L-1.offer",
                lot_id="L-1",
                title="Mənzil",
                amount=AMOUNT,
                case_number="2026/1",
                deadline=NOON,
                state="open",
                version=1,
                payer=ACCOUNT,
                reason="Səbəb",
            ),
            model.Offer(
                id="L-2.offer", lot_id="L-2", title="Qaraj", amount=AMOUNT, deadline=NOON, state="open", version=1
            ),
        ),
    ),
    model.DecideOffer(
        message_id="d-1", offer_id="L-1.offer", decision=model.Decision.ACCEPT, decided_by="Ə. Ğ.", payer=ACCOUNT
    ),
    model.DecideOffer(
        message_id="d-2", offer_id="L-1.offer", decision=model.Decision.REFUSE, decided_by="Ə. Ğ.", reason="Lazım deyil"
    ),
    model.DecideOfferResponse(in_reply_to="d-1", receipt=RECEIPT),
    model.GetPayment(message_id="q-2", payment_id="L-1.payment"),
    model.GetPaymentResponse(
        in_reply_to="q-2",
        payment=model.Payment(
            id="L-1.payment",
            lot_id="L-1",
            kind="request",
            amount=AMOUNT,
            debtor=ACCOUNT,
            creditor=ACCOUNT,
            case_number="2026/1",
            state="settled",
            version=4,
            reason="AM04",
            reference="MSID 1",
        ),
    ),
    model.GetProtocol(message_id="q-3", protocol_id="L-1.protocol", format=model.Format.ASICE),
    model.GetProtocolResponse(
        in_reply_to="q-3",
        document=model.Document(
            id="L-1.protocol",
            media_type="application/vnd.etsi.asic-e+zip",
            sha256="0" * 64,
            content=b"PK\x03\x04\x00\xff",
        ),
    ),
    model.GetFeed(message_id="q-4", after=0, limit=500),
    model.GetFeedResponse(in_reply_to="q-4", notice=(NOTICE,)),
    model.GetUnacknowledged(message_id="q-5", after=3, limit=1),
    model.GetUnacknowledgedResponse(in_reply_to="q-5", notice=(NOTICE, NOTICE)),
    model.Notify(message_id="n-1", notice=NOTICE),
    model.NotifyResponse(in_reply_to="n-1", received_at=NOON),
    model.Problem(
        in_reply_to="d-1",
        code="OFFER_UNKNOWN",
        said=(model.Said(title="a", detail="b", remedy="c", language="az"),),
        retry=False,
        who_acts="sender",
        fact=(model.Fact(name="path", value="/x"),),
    ),
)


@pytest.mark.parametrize("message", MESSAGES, ids=lambda message: type(message).__name__)
def test_what_is_written_is_valid_and_reads_back_the_same(message: Any) -> None:
    wire = etree.tostring(write(message))
    element = parse_xml(wire)
    schema().validate(element)
    assert read(type(message), element) == message


def test_every_element_of_the_schema_has_a_message_and_a_sample() -> None:
    declared = {node.get("name") for node in etree.fromstring(xsd()).iterfind(f"{XS}element")}
    assert declared == {type(message).__name__ for message in MESSAGES}


@pytest.mark.parametrize(
    "kind", [model.Offer, model.Payment, model.Notice, model.Receipt, model.Account, model.Document]
)
def test_the_fields_of_a_type_stand_in_the_schema_in_the_same_order(kind: type[Any]) -> None:
    sequence = etree.fromstring(xsd()).find(f"{XS}complexType[@name='{kind.__name__}']/{XS}sequence")
    assert sequence is not None
    declared = [(node.get("name"), node.get("minOccurs") == "0") for node in sequence]
    ours = [("".join(w.capitalize() for w in field.name.split("_")), field.default is None) for field in fields(kind)]
    assert declared == ours


def _decide(**changes: str) -> bytes:
    parts = {
        "MessageId": "d-1",
        "OfferId": "L-1.offer",
        "Decision": "accept",
        "DecidedBy": "Ə. Ğ.",
        "Iban": "AZ77VTBA00000000001234567890",
    } | changes
    return (
        (
            '<DecideOffer xmlns="urn:eherrac:gateway:1"><MessageId>{MessageId}</MessageId><OfferId>{OfferId}</OfferId>'
            "<Decision>{Decision}</Decision><DecidedBy>{DecidedBy}</DecidedBy><Payer><Holder>Bank</Holder>"
            "<Iban>{Iban}</Iban><Bic>XZRNAZ22</Bic></Payer></DecideOffer>"
        )
        .format(**parts)
        .encode()
    )


def _notify(**changes: str) -> bytes:
    parts = {"OccurredAt": "2026-11-22T12:00:00+04:00", "Amount": "12.50", "Currency": "AZN"} | changes
    return (
        (
            '<Notify xmlns="urn:eherrac:gateway:1"><MessageId>n-1</MessageId><Notice><Id>n-1</Id><Sequence>1</Sequence>'
            "<Version>1</Version><Kind>offer.opened</Kind><LotId>L-1</LotId><SubjectId>L-1.offer</SubjectId>"
            '<State>open</State><OccurredAt>{OccurredAt}</OccurredAt><Amount currency="{Currency}">{Amount}</Amount>'
            "</Notice></Notify>"
        )
        .format(**parts)
        .encode()
    )


FAULTS = [
    (_decide(MessageId=""), "/DecideOffer/MessageId"),
    (_decide(MessageId="x" * 65), "/DecideOffer/MessageId"),
    (_decide(OfferId="L 1"), "/DecideOffer/OfferId"),
    (_decide(Decision="maybe"), "/DecideOffer/Decision"),
    (_decide(DecidedBy=" "), "/DecideOffer/DecidedBy"),
    (_decide(Iban="DE77VTBA00000000001234567890"), "/DecideOffer/Payer/Iban"),
    (_decide().replace(b"<Bic>XZRNAZ22</Bic>", b""), "/DecideOffer/Payer"),
    (_notify(OccurredAt="2026-11-22T12:00:00"), "/Notify/Notice/OccurredAt"),
    (_notify(OccurredAt="2026-02-30T12:00:00Z"), "/Notify/Notice/OccurredAt"),
    (_notify(Amount="1.005"), "/Notify/Notice/Amount"),
    (_notify(Amount="-1"), "/Notify/Notice/Amount"),
    (_notify(Amount="NaN"), "/Notify/Notice/Amount"),
    (_notify(Amount="1e3"), "/Notify/Notice/Amount"),
    (_notify(Amount="0.00"), "/Notify/Notice/Amount"),
    (_notify(Amount="٣"), "/Notify/Notice/Amount"),
    (_notify(Currency="USD"), "/Notify/Notice/Amount"),
]


@pytest.mark.parametrize(("body", "path"), FAULTS)
def test_a_fault_against_the_schema_is_refused_with_its_path(body: bytes, path: str) -> None:
    with pytest.raises(RefusedError) as refused:
        schema().validate(parse_xml(body))
    assert refused.value.refusal.code is ErrorCode.SCHEMA_INVALID
    assert refused.value.refusal.facts["path"] == path


def test_the_samples_behind_the_faults_are_valid_themselves() -> None:
    for body in (_decide(), _notify()):
        schema().validate(parse_xml(body))


def test_an_instant_is_read_in_utc_whatever_offset_it_was_written_with() -> None:
    notify = read(model.Notify, parse_xml(_notify(OccurredAt="2026-11-22T16:00:00+04:00")))
    assert notify.notice.occurred_at == datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


def test_what_our_schema_does_not_allow_never_leaves() -> None:
    with pytest.raises(ValueError, match="/GetPayment/PaymentId"):
        written(model.GetPayment(message_id="q-1", payment_id="two words"))


def test_a_naive_instant_is_never_written() -> None:
    with pytest.raises(ValueError, match="offset"):
        write(model.NotifyResponse(in_reply_to="n", received_at=datetime(2026, 1, 1)))
