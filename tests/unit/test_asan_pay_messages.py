"""The contract with Asan Pay: what is read, what is refused with which code and path, what is written."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from typing import Any

import pytest

from contracts.asan_pay import codec
from contracts.asan_pay.messages import (
    CancellationRequest,
    InvoiceAnswer,
    InvoiceRequest,
    PaymentNotification,
    SettlementEntry,
    SettlementList,
)
from contracts.errors import ErrorCode
from contracts.errors.refusal import RefusedError
from contracts.fields import make_iban

IBAN = make_iban("EHRN", "1001")
INVOICE: dict[str, Any] = {
    "invoiceId": "L-1.deposit.B-1",
    "lotId": "L-1",
    "purpose": "deposit",
    "amount": "1234.50",
    "currency": "AZN",
    "payer": {"name": "Əli Nümunəyev", "taxId": "5AB12CD"},
    "payee": {"holder": "Hərrac Əməliyyat Mərkəzi (nümunə)", "iban": IBAN, "bic": "EHRNAZ22"},
    "caseNumber": "IC-2026/77",
    "due": "2026-11-29T18:00:00+04:00",
}
NOTIFICATION: dict[str, Any] = {
    "notificationId": "AP-261122-000001.paid",
    "invoiceNumber": "AP-261122-000001",
    "invoiceId": "L-1.deposit.B-1",
    "operationNumber": "OP261122000000001",
    "paidAt": "2026-11-22T10:00:00+04:00",
    "amount": "1234.50",
    "currency": "AZN",
    "payer": {"name": "Əli Nümunəyev", "taxId": "5AB12CD"},
    "caseNumber": "IC-2026/77",
}


def octets(message: dict[str, Any], **changes: Any) -> bytes:
    changed = {key: value for key, value in (message | changes).items() if value is not ...}
    return json.dumps(changed, ensure_ascii=False).encode()


def test_an_invoice_is_read_and_written_again_without_change() -> None:
    invoice = codec.read(InvoiceRequest, octets(INVOICE))
    assert (invoice.amount, invoice.case_number) == ("1234.50", "IC-2026/77")
    assert invoice.due == datetime(2026, 11, 29, 14, tzinfo=UTC)
    assert codec.read(InvoiceRequest, codec.write(invoice)) == invoice


def test_equal_messages_have_equal_bytes() -> None:
    first, second = (codec.read(InvoiceRequest, octets(INVOICE)) for _ in range(2))
    assert codec.write(first) == codec.write(second)


def test_what_is_absent_is_left_out() -> None:
    assert b"caseNumber" not in codec.write(codec.read(InvoiceRequest, octets(INVOICE, caseNumber=...)))


def test_a_notification_says_date_time_and_operation_number() -> None:
    """facts.md: the statute gives an integrated system the payment's date, time and operation number."""
    told = codec.read(PaymentNotification, octets(NOTIFICATION))
    assert told.paid_at == datetime(2026, 11, 22, 6, tzinfo=UTC)
    assert told.operation_number == "OP261122000000001"


@pytest.mark.parametrize(
    ("changes", "code", "path"),
    [
        ({"amount": "1234.505"}, ErrorCode.AMOUNT_INVALID, "/amount"),
        ({"amount": "-1.00"}, ErrorCode.AMOUNT_INVALID, "/amount"),
        ({"amount": "NaN"}, ErrorCode.AMOUNT_INVALID, "/amount"),
        ({"amount": "0.00"}, ErrorCode.AMOUNT_INVALID, "/amount"),
        ({"amount": 1234.5}, ErrorCode.AMOUNT_INVALID, "/amount"),
        ({"amount": "1e3"}, ErrorCode.AMOUNT_INVALID, "/amount"),
        ({"currency": "USD"}, ErrorCode.SCHEMA_INVALID, "/currency"),
        ({"paidAt": "2026-11-22T10:00:00"}, ErrorCode.TIME_INVALID, "/paidAt"),
        ({"paidAt": "2026-02-30T10:00:00Z"}, ErrorCode.TIME_INVALID, "/paidAt"),
        ({"operationNumber": ...}, ErrorCode.SCHEMA_INVALID, "/operationNumber"),
        ({"operationNumber": ""}, ErrorCode.SCHEMA_INVALID, "/operationNumber"),
        ({"invoiceId": "../lots"}, ErrorCode.SCHEMA_INVALID, "/invoiceId"),
        ({"surprise": 1}, ErrorCode.SCHEMA_INVALID, "/surprise"),
        ({"payer": {"name": "A", "taxId": "123"}}, ErrorCode.SCHEMA_INVALID, "/payer/taxId"),
    ],
)
def test_a_wrong_notification_is_refused_with_its_path(changes: dict[str, Any], code: ErrorCode, path: str) -> None:
    with pytest.raises(RefusedError) as refused:
        codec.read(PaymentNotification, octets(NOTIFICATION, **changes))
    assert (refused.value.refusal.code, refused.value.refusal.facts["path"]) == (code, path)


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"", ErrorCode.JSON_MALFORMED),
        (b"[]", ErrorCode.SCHEMA_INVALID),
        (b'{"amount": NaN}', ErrorCode.JSON_MALFORMED),
        (octets(NOTIFICATION)[:-1] + b', "amount": "9.00"}', ErrorCode.JSON_MALFORMED),
        (b" " * 65_537, ErrorCode.BODY_TOO_LARGE),
    ],
)
def test_what_is_no_message_is_refused(data: bytes, code: ErrorCode) -> None:
    with pytest.raises(RefusedError) as refused:
        codec.read(PaymentNotification, data)
    assert refused.value.refusal.code == code


def test_a_payee_with_wrong_check_digits_is_refused() -> None:
    wrong = "AZ00" + IBAN[4:]
    with pytest.raises(RefusedError) as refused:
        codec.read(InvoiceRequest, octets(INVOICE, payee={"holder": "X", "iban": wrong, "bic": "EHRNAZ22"}))
    assert refused.value.refusal.code == ErrorCode.IBAN_INVALID


def test_a_settlement_list_is_read_and_written_again_without_change() -> None:
    told = codec.read(PaymentNotification, octets(NOTIFICATION))
    entry = SettlementEntry(
        invoice_number=told.invoice_number,
        invoice_id=told.invoice_id,
        operation_number=told.operation_number,
        paid_at=told.paid_at,
        amount=told.amount,
        payee_iban=IBAN,
    )
    day = SettlementList(day=date(2026, 11, 22), count=1, total="1234.50", entries=(entry,))
    assert codec.read_list(SettlementList, codec.write(day)) == day


@pytest.mark.parametrize(
    ("model", "data"),
    [
        (InvoiceAnswer, {"number": "AP-1", "invoiceId": "C-1", "state": "lost"}),
        (CancellationRequest, {"invoiceId": "C-1", "reason": ""}),
    ],
)
def test_other_messages_are_strict_too(model: type[Any], data: dict[str, Any]) -> None:
    with pytest.raises(RefusedError):
        codec.read(model, json.dumps(data).encode())
