"""Notices to callbacks, and banks' answers to outcomes."""

from __future__ import annotations

from dataclasses import fields, replace
from datetime import UTC, datetime

import orjson
import pytest

from adapters.banks import mapping
from contracts.events.notices import NoticeData, parse_notice
from contracts.soap.codec import write
from contracts.soap.description import schema
from contracts.soap.faults import SoapFault
from contracts.soap.model import Amount, Notice, NotifyResponse
from gateway.domain.dispatches import Channel, InvoiceCancellation, NoticeKind
from gateway.domain.dispatches import Notice as DomainNotice
from gateway.domain.money import Money
from gateway.ports import Acknowledged, Dispatch, NotSent, Outcome, Refused, Unknown
from gateway.wire.callbacks import callback_headers, callback_outcome
from gateway.wire.client import SignedAnswer
from gateway.wire.soap_client import SoapAnswer

NOON = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
NOTICE = DomainNotice(
    kind=NoticeKind.OFFER_OPENED,
    lot_id="L-1",
    subject_id="L-1.offer",
    state="open",
    occurred_at=NOON,
    amount=Money(1_234_50),
    deadline=NOON,
    case_number="2026/114",
    reference="MSID",
    reason="Səbəb",
)
DISPATCH = Dispatch(
    id="n-1",
    channel=Channel.BANKS,
    recipient="999101",
    body=NOTICE,
    attempt=1,
    created_at=NOON,
    sequence=7,
    state_version=3,
)


def test_a_notice_says_the_same_in_json_and_in_xml() -> None:
    event = parse_notice(mapping.rest_callback(DISPATCH).to_bytes())
    notify = mapping.soap_callback(DISPATCH)
    schema().validate(write(notify))
    data = event.data.model_dump(by_alias=False)
    told = {field.name: getattr(notify.notice, field.name) for field in fields(Notice)}
    told["amount"] = {"value": notify.notice.amount.value, "currency": "AZN"} if notify.notice.amount else None
    assert told == data | {"id": event.id, "kind": event.kind}
    assert notify.message_id == event.id == DISPATCH.id


def test_the_xml_form_has_every_field_of_the_json_form() -> None:
    assert {field.name for field in fields(Notice)} == {*NoticeData.model_fields, "id", "kind"}


def test_bytes_and_id_are_the_same_at_every_attempt() -> None:
    again = replace(DISPATCH, attempt=9)
    assert mapping.rest_callback(again).to_bytes() == mapping.rest_callback(DISPATCH).to_bytes()
    assert mapping.soap_callback(again) == mapping.soap_callback(DISPATCH)


def test_headers_carry_the_constant_id_and_the_time_of_the_attempt() -> None:
    assert callback_headers(DISPATCH, NOON) == {
        "webhook-id": "n-1",
        "webhook-timestamp": str(int(NOON.timestamp())),
    }


def test_an_amount_is_carried_to_the_qepik() -> None:
    assert mapping.soap_callback(DISPATCH).notice.amount == Amount(value="1234.50")


@pytest.mark.parametrize(
    ("dispatch", "fault"),
    [
        (replace(DISPATCH, body=InvoiceCancellation(collection_id="c", invoice_number="1", reason="r")), TypeError),
        (replace(DISPATCH, sequence=None), ValueError),
        (replace(DISPATCH, id="with space"), ValueError),
    ],
)
def test_what_our_contract_does_not_allow_is_never_written(dispatch: Dispatch, fault: type[Exception]) -> None:
    with pytest.raises(fault):
        mapping.soap_callback(dispatch)


def _answer(status: int, body: object = None, **headers: str) -> SignedAnswer:
    return SignedAnswer(
        status=status,
        headers={name.replace("_", "-"): value for name, value in headers.items()},
        body=b"" if body is None else orjson.dumps(body),
        signer=None,
        exhibits=(),
    )


REST_OUTCOMES = [
    (_answer(200), Acknowledged()),
    (_answer(204), Acknowledged()),
    (_answer(408), NotSent(reason="HTTP 408")),
    (_answer(429, retry_after="30"), NotSent(reason="HTTP 429", retry_after_s=30.0)),
    (_answer(503, retry_after="99999999"), NotSent(reason="HTTP 503", retry_after_s=3600.0)),
    (_answer(503, retry_after="tomorrow"), NotSent(reason="HTTP 503")),
    (_answer(500), Unknown(reason="HTTP 500")),
    (_answer(302), Refused(code="HTTP_302", reason="HTTP 302")),
    (_answer(410), Refused(code="HTTP_410", reason="HTTP 410")),
    (_answer(422, {"code": "SCHEMA_INVALID", "detail": "d"}), Refused(code="SCHEMA_INVALID", reason="d")),
    (_answer(400, ["not an object"]), Refused(code="HTTP_400", reason="HTTP 400")),
]


@pytest.mark.parametrize(("answer", "expected"), REST_OUTCOMES)
def test_every_http_answer_has_its_outcome(answer: SignedAnswer, expected: Outcome) -> None:
    assert callback_outcome(answer) == expected


def _fault(code: str, *, retry: bool) -> SoapFault:
    return SoapFault(code=code, reason="r", retry=retry, in_reply_to=None)


SOAP_OUTCOMES = [
    (NotifyResponse(in_reply_to="n-1", received_at=NOON), Acknowledged()),
    (_fault("OVERLOADED", retry=True), Unknown(reason="OVERLOADED: r")),
    (_fault("NOT_PERMITTED", retry=False), Refused(code="NOT_PERMITTED", reason="r")),
]


@pytest.mark.parametrize(("message", "expected"), SOAP_OUTCOMES)
def test_every_soap_answer_has_its_outcome(message: object, expected: Outcome) -> None:
    assert mapping.soap_outcome(SoapAnswer(message=message, exhibits=())) == expected
