"""Orders to Asan Pay's words, and Asan Pay's answers to outcomes: a table."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from adapters.asan_pay import mapping
from contracts.fields import make_iban
from gateway.domain.dispatches import InvoiceCancellation, InvoiceOrder
from gateway.domain.events.collection import Invoiced, InvoiceRefused
from gateway.domain.money import Money
from gateway.domain.values import Account, Purpose
from gateway.ports import Acknowledged, NotSent, Outcome, Refused, Unknown

ORDER = InvoiceOrder(
    collection_id="L-1.final-amount.B-1",
    lot_id="L-1",
    purpose=Purpose.FINAL_AMOUNT,
    amount=Money(9_512_345),
    payer_name="Əli Nümunəyev",
    payer_tax_id="5AB12CD",
    payee=Account(holder="Hərrac (nümunə)", iban=make_iban("EHRN", "1001"), bic="EHRNAZ22"),
    case_number="IC-2026/77",
    due=datetime(2026, 11, 29, 14, tzinfo=UTC),
)
CANCELLATION = InvoiceCancellation(
    collection_id=ORDER.collection_id, invoice_number="AP-1", reason="hərrac ləğv edildi"
)
INVOICED = b'{"number":"AP-1","invoiceId":"L-1.final-amount.B-1","state":"open"}'


@pytest.mark.parametrize("purpose", list(Purpose))
def test_every_purpose_can_be_invoiced(purpose: Purpose) -> None:
    assert mapping.invoice_request(replace(ORDER, purpose=purpose)).purpose == purpose.value


def test_an_invoice_carries_amount_payee_and_case_number() -> None:
    """EHR-12: the case number is on the invoice, so that it can come back with the money."""
    request = mapping.invoice_request(ORDER)
    assert (request.amount, request.case_number) == ("95123.45", "IC-2026/77")
    assert (request.payee.iban, request.payer.tax_id) == (ORDER.payee.iban, "5AB12CD")


def test_an_order_the_contract_cannot_say_is_final_and_told_to_the_collection() -> None:
    with pytest.raises(ValueError) as fault:
        mapping.invoice_request(replace(ORDER, payer_tax_id="not a tax id"))
    outcome = mapping.unwritable(ORDER, fault.value)
    assert outcome.code == "SCHEMA_INVALID"
    assert isinstance(outcome.event, InvoiceRefused)


PROBLEM = b'{"code":"STATE_CONFLICT","detail":"already paid"}'


@pytest.mark.parametrize(
    ("body", "status", "content", "expected"),
    [
        (ORDER, 201, INVOICED, Acknowledged(event=Invoiced(number="AP-1"))),
        (ORDER, 200, INVOICED, Acknowledged(event=Invoiced(number="AP-1"))),
        (CANCELLATION, 200, INVOICED.replace(b"open", b"cancelled"), Acknowledged()),
        (ORDER, 200, b"{}", Unknown(reason="the answer could not be read: SCHEMA_INVALID")),
        (ORDER, 200, INVOICED.replace(b"B-1", b"B-2"), Unknown(reason="the answer speaks of another invoice")),
        (ORDER, 302, b"", Unknown(reason="Asan Pay answered 302")),
        (ORDER, 500, b"", Unknown(reason="Asan Pay answered 500")),
        (ORDER, 502, b"<html>", Unknown(reason="Asan Pay answered 502")),
        (ORDER, 503, b"", NotSent(reason="Asan Pay answered 503", retry_after_s=7.0)),
        (ORDER, 429, b"", NotSent(reason="Asan Pay answered 429", retry_after_s=7.0)),
        (
            ORDER,
            409,
            PROBLEM,
            Refused(
                code="STATE_CONFLICT",
                reason="already paid",
                event=InvoiceRefused(code="STATE_CONFLICT", reason="already paid"),
            ),
        ),
        (CANCELLATION, 409, PROBLEM, Refused(code="STATE_CONFLICT", reason="already paid")),
        (CANCELLATION, 404, b"<html>", Refused(code="HTTP_404", reason="Asan Pay answered 404")),
        (CANCELLATION, 400, b'{"code":7,"detail":null}', Refused(code="HTTP_400", reason="Asan Pay answered 400")),
        (CANCELLATION, 400, b"[1]", Refused(code="HTTP_400", reason="Asan Pay answered 400")),
    ],
)
def test_an_answer_says_what_is_done_next(body: Any, status: int, content: bytes, expected: Outcome) -> None:
    assert mapping.outcome(body, status, {"retry-after": "7"}, content) == expected
